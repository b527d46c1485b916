//! The coding style of one component.

/// The most resolution levels (ISO 15444-1 section A.6.1).
const MAX_LEVELS: u8 = 32;

/// The coding style of a component (ISO 15444-1 section A.6.1, SPcod).
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) levels: u32,
    /// Exponents of width and height of a code-block.
    pub(super) block: [u32; 2],
    block_style: u8,
    /// Exponents of width and height of a precinct, from the lowest resolution on; empty for the largest.
    pub(super) precincts: Vec<[u32; 2]>,
}

impl Style {
    /// Reads the parameters that COD and COC share; `coding` is Scod or Scoc.
    pub(super) fn read(coding: u8, parameters: &[u8]) -> Option<Self> {
        let &[levels, width, height, block_style, _, ref precincts @ ..] = parameters else { return None };
        // Sections A.6.1, table A.18: sides of 4 to 1024, 4096 samples at most.
        let block = [u32::from(width) + 2, u32::from(height) + 2];
        if levels > MAX_LEVELS || block.iter().any(|side| *side > 10) || block[0] + block[1] > 12 {
            return None;
        }
        let precincts = if coding & 1 == 0 {
            Vec::new()
        } else {
            let sides = precincts.get(..usize::from(levels) + 1)?;
            sides.iter().map(|side| [u32::from(side & 15), u32::from(side >> 4)]).collect()
        };
        // Section B.6: a side of 1 is for the lowest resolution alone, since bands have half of it.
        let halved = precincts.iter().skip(1).all(|sides| sides.iter().all(|side| *side > 0));
        halved.then_some(Self { levels: levels.into(), block, block_style, precincts })
    }

    pub(super) fn is_high_throughput(&self) -> bool {
        self.block_style & 0x40 != 0
    }

    /// Whether late coding passes bypass the arithmetic coder.
    pub(super) fn is_bypassed(&self) -> bool {
        self.block_style & 1 != 0
    }

    pub(super) fn precinct(&self, resolution: usize) -> [u32; 2] {
        self.precincts.get(resolution).copied().unwrap_or([15, 15])
    }
}
