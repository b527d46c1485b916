//! The report picture of a run: one line a labelled series.

use std::path::Path;

use bolus_study::{LabelRow, Prediction};
use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_10X20};

use super::canvas::{Canvas, FAINT, INK};
use super::sheet::{SheetText, class_colour};
use super::slice::GreySlice;
use crate::error::PictureError;

const TILE: u32 = 128;
const TILES: usize = 7;
const MARGIN: u32 = 12;
const LINE: u32 = TILE + 44;
/// Series shown; a run of thousands is looked at through its sheets and SQL.
const MOST_SERIES: usize = 40;

/// A slice that is kept until the picture is drawn.
struct Tile {
    pixels: Vec<u8>,
    columns: usize,
}

struct Line {
    text: SheetText,
    colour: embedded_graphics::pixelcolor::Rgb888,
    tiles: Vec<Tile>,
}

/// Collects labelled series for one picture.
#[derive(Default)]
pub struct Overview {
    lines: Vec<Line>,
    labelled: usize,
}

impl Overview {
    /// Adds a labelled series with some of its slices.
    pub fn add(&mut self, row: &LabelRow, prediction: &Prediction, previews: &[GreySlice<'_>]) {
        self.labelled += 1;
        if self.lines.len() >= MOST_SERIES {
            return;
        }
        let shown = previews.len().min(TILES);
        let place = |index: usize| if shown > 1 { index * (previews.len() - 1) / (shown - 1) } else { 0 };
        let kept = |slice: &GreySlice<'_>| Tile { pixels: slice.pixels.to_vec(), columns: slice.columns };
        let tiles = (0..shown).filter_map(|index| previews.get(place(index)).map(kept)).collect();
        self.lines.push(Line { text: SheetText::of(row, prediction), colour: class_colour(prediction.class), tiles });
    }

    /// Whether nothing was labelled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Writes the picture.
    ///
    /// # Errors
    /// [`PictureError`] when the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<(), PictureError> {
        self.lines.sort_by(|a, b| a.text.title.cmp(&b.text.title));
        let width = (TILES as u32 * (TILE + MARGIN) + MARGIN).max(1000);
        let mut canvas = Canvas::new(width, 60 + self.lines.len() as u32 * LINE);
        let shown = self.lines.len();
        let title = format!("Bolus: {} series labelled, {shown} shown. Research use only.", self.labelled);
        canvas.text(MARGIN as i32, 18, &FONT_10X20, INK, &title);
        for (place, line) in self.lines.iter().enumerate() {
            let top = 56 + place as u32 * LINE;
            canvas.text(MARGIN as i32, top as i32, &FONT_7X13, FAINT, &line.text.title);
            canvas.text(MARGIN as i32, top as i32 + 15, &FONT_7X13, line.colour, &line.text.finding);
            for (index, tile) in line.tiles.iter().enumerate() {
                let x = MARGIN + index as u32 * (TILE + MARGIN);
                canvas.grey(x, top + 34, TILE, TILE, &tile.pixels, tile.columns);
            }
        }
        canvas.save(path)
    }
}
