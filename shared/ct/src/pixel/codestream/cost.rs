//! What decoding a JPEG 2000 codestream builds: precincts, code-blocks and packets (ISO 15444-1 annex B).

use std::ops::Range;

use bolus_study::Reason;

use super::super::reasons::too_large;
use super::size::Size;
use super::style::Style;
use super::styles::Styles;

/// The most precincts and code-blocks, summed over tiles, components, resolutions and bands: this many, and one for
/// each eight samples. Writers use code-blocks of 32 × 32 or 64 × 64 and precincts of 128 × 128 and more; blocks of
/// 4 × 4, the smallest there are, are one for each 12 samples. One costs up to 600 bytes.
const LEAST_CELLS: usize = 1 << 14;
const SAMPLES_PER_CELL: usize = 8;
/// The most of them, however large the image.
const MOST_CELLS: usize = 1 << 18;

/// The most steps through packets, two for each sample and this many. A step is an entry of the decoder's table of
/// packets, or a place at which it looks for one.
const LEAST_STEPS: usize = 1 << 20;
const STEPS_PER_SAMPLE: usize = 2;
const MOST_STEPS: usize = 1 << 24;

/// Sums over tiles.
#[derive(Debug)]
pub(super) struct Cost {
    samples: usize,
    cells: usize,
    steps: usize,
}

impl Cost {
    pub(super) fn new(size: &Size) -> Self {
        let samples = size.rows().saturating_mul(size.columns()).saturating_mul(size.components);
        Self { samples, cells: 0, steps: 0 }
    }

    pub(super) fn add_tile(&mut self, tile: &[Range<usize>; 2], styles: &Styles) {
        let (mut most_precincts, mut resolutions, mut step) = (0, 0, [u32::MAX; 2]);
        for style in &styles.components {
            for resolution in 0..=style.levels {
                let (precincts, cells) = cells_of(tile, style, resolution);
                self.cells = self.cells.saturating_add(cells);
                most_precincts = most_precincts.max(precincts);
                for (step, precinct) in step.iter_mut().zip(style.precinct(resolution as usize)) {
                    *step = (*step).min(precinct + style.levels - resolution);
                }
            }
            resolutions = resolutions.max(style.levels as usize + 1);
        }
        // A progression by position looks for precincts at each multiple of the smallest step.
        let places = tile.iter().zip(step).map(|(side, step)| (side.len() >> step.min(usize::BITS - 1)) + 2);
        let places = places.fold(1usize, usize::saturating_mul);
        let by_component = resolutions.saturating_mul(styles.components.len());
        let packets = by_component.saturating_mul(most_precincts).saturating_mul(styles.layers + 1);
        let looked_at = packets.saturating_add(places.saturating_mul(by_component));
        self.steps = self.steps.saturating_add(looked_at.saturating_mul(styles.progressions + 1));
    }

    /// *Errors*: `TooLarge`.
    pub(super) fn check(&self) -> Result<(), Reason> {
        let cells = (LEAST_CELLS + self.samples / SAMPLES_PER_CELL).min(MOST_CELLS);
        if self.cells > cells {
            return Err(too_large("precincts and code-blocks of a JPEG 2000 frame", self.cells, cells));
        }
        let steps = (LEAST_STEPS + self.samples.saturating_mul(STEPS_PER_SAMPLE)).min(MOST_STEPS);
        if self.steps > steps {
            return Err(too_large("packets of a JPEG 2000 frame", self.steps, steps));
        }
        Ok(())
    }
}

/// Precincts of a resolution of a tile, and these together with its code-blocks, over all its bands.
fn cells_of(tile: &[Range<usize>; 2], style: &Style, resolution: u32) -> (usize, usize) {
    let reduced = style.levels - resolution;
    // Bands above the lowest resolution have half its side, and so have their precincts and blocks.
    let half = u32::from(resolution > 0);
    let bands = if resolution == 0 { 1 } else { 3 };
    let (mut precincts, mut blocks) = (1usize, 1usize);
    let sides = tile.iter().zip(style.precinct(resolution as usize)).zip(style.block);
    for ((side, precinct), block) in sides {
        let scale = |position: usize| position.div_ceil(1 << reduced);
        let (start, end) = (scale(side.start), scale(side.end));
        let cells = |exponent: u32| if end > start { end.div_ceil(1 << exponent) - (start >> exponent) } else { 0 };
        precincts = precincts.saturating_mul(cells(precinct));
        blocks = blocks.saturating_mul(cells(block.min(precinct.saturating_sub(half)) + half));
    }
    (precincts, precincts.saturating_add(blocks).saturating_mul(bands))
}
