//! What the headers of a codestream or of a tile say of the coding of all components.

use super::region::Region;
use super::style::Style;

const COD: u16 = 0xFF52;
const COC: u16 = 0xFF53;
const POC: u16 = 0xFF5F;
const PPM: u16 = 0xFF60;

/// Coding styles of the components, in the main header or in a tile's first header.
#[derive(Debug, Clone)]
pub(super) struct Styles {
    /// COD, which holds where no COC does.
    default: Option<Style>,
    /// COC.
    own: Vec<Option<Style>>,
    pub(super) components: Vec<Style>,
    pub(super) layers: usize,
    /// Changes of progression (POC).
    pub(super) progressions: usize,
    pub(super) region: Region,
    /// Whether the main header has the packet headers (PPM).
    pub(super) packed_headers: bool,
}

impl Styles {
    pub(super) fn new(components: usize) -> Self {
        Self {
            default: None,
            own: vec![None; components],
            components: Vec::new(),
            layers: 0,
            progressions: 0,
            region: Region::default(),
            packed_headers: false,
        }
    }

    /// What a tile inherits. Its own COD goes before the main header's COC (ISO 15444-1 section A.6.2).
    pub(super) fn inherited(main: &Self) -> Self {
        Self { default: None, own: vec![None; main.own.len()], ..main.clone() }
    }

    /// Fixes the style of each component; `None` where there is none.
    pub(super) fn complete(mut self) -> Option<Self> {
        let style = |(index, own): (usize, &Option<Style>)| {
            own.as_ref().or(self.default.as_ref()).or(self.components.get(index)).cloned()
        };
        self.components = self.own.iter().enumerate().map(style).collect::<Option<_>>()?;
        Some(self)
    }

    pub(super) fn take(&mut self, marker: u16, segment: &[u8]) -> Option<()> {
        match (marker, segment) {
            (COD, &[coding, _, layers1, layers0, _, ref rest @ ..]) => {
                self.layers = usize::from(u16::from_be_bytes([layers1, layers0]));
                self.default = Some(Style::read(coding, rest)?);
            }
            (COC, &[component, coding, ref rest @ ..]) => {
                *self.own.get_mut(usize::from(component))? = Some(Style::read(coding, rest)?);
            }
            (PPM, _) => self.packed_headers = true,
            (POC, entries) => self.progressions += entries.len() / 7,
            (COD | COC, _) => return None,
            _ => self.region.take(marker, segment),
        }
        Some(())
    }
}
