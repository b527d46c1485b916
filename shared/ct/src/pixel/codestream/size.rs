//! The image and its tiles on the reference grid (ISO 15444-1 annex B).

use std::ops::Range;

/// The fields of SIZ (ISO 15444-1 section A.5.1), in samples of the reference grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pixel) struct Size {
    /// The image on the reference grid.
    pub x: Range<usize>,
    pub y: Range<usize>,
    tile_x0: usize,
    tile_y0: usize,
    tile_width: usize,
    tile_height: usize,
    pub components: usize,
}

impl Size {
    pub fn columns(&self) -> usize {
        self.x.len()
    }

    pub fn rows(&self) -> usize {
        self.y.len()
    }

    pub(super) fn tiles_across(&self) -> usize {
        (self.x.end - self.tile_x0).div_ceil(self.tile_width)
    }

    pub(super) fn tiles(&self) -> usize {
        self.tiles_across().saturating_mul((self.y.end - self.tile_y0).div_ceil(self.tile_height))
    }

    /// Columns and rows of a tile on the reference grid.
    pub(super) fn tile(&self, index: usize) -> [Range<usize>; 2] {
        let (across, down) = (index % self.tiles_across(), index / self.tiles_across());
        let part = |index: usize, origin: usize, length: usize, image: &Range<usize>| {
            let start = origin + index * length;
            start.max(image.start)..(start + length).min(image.end)
        };
        [part(across, self.tile_x0, self.tile_width, &self.x), part(down, self.tile_y0, self.tile_height, &self.y)]
    }

    /// Reads the segment of SIZ, without marker and length.
    pub(super) fn read(segment: &[u8]) -> Option<Self> {
        let words: Vec<usize> =
            segment.get(2..34)?.as_chunks::<4>().0.iter().map(|&word| u32::from_be_bytes(word) as usize).collect();
        let &[x1, y1, x0, y0, tile_width, tile_height, tile_x0, tile_y0] = words.as_slice() else { return None };
        let components = usize::from(u16::from_be_bytes(segment.get(34..36)?.try_into().ok()?));
        let sampling = segment.get(36..36 + 3 * components)?.chunks_exact(3);
        let whole = sampling.into_iter().all(|component| component[1] == 1 && component[2] == 1);
        // ISO 15444-1 section B.3: the first tile holds the image's first sample.
        let placed = x0 < x1
            && y0 < y1
            && tile_x0 <= x0
            && tile_y0 <= y0
            && x0 < tile_x0.saturating_add(tile_width)
            && y0 < tile_y0.saturating_add(tile_height);
        (whole && placed).then_some(Self {
            x: x0..x1,
            y: y0..y1,
            tile_x0,
            tile_y0,
            tile_width,
            tile_height,
            components,
        })
    }
}
