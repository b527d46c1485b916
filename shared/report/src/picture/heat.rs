//! Pictures of where the network looks: one a slice, and one of the whole series.

use std::path::Path;

use bolus_study::PredictedClass;
use embedded_graphics::mono_font::MonoFont;
use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_8X13, FONT_10X20};
use embedded_graphics::pixelcolor::Rgb888;

use super::canvas::{Canvas, ENHANCED, FAINT, INK, NATIVE, PAPER};
use super::colour::over;
use super::sheet::class_colour;
use super::slice::HeatSlice;
use crate::error::PictureError;

const MARGIN: u32 = 16;
/// Edge of the square that a slice is fitted into: in its own picture, and in the montage.
const PANEL: u32 = 512;
const TILE: u32 = 256;
const CAPTION: u32 = 22;
const HEADER: u32 = 84;
const LEGEND: u32 = 150;
const TILES_IN_LINE: u32 = 4;
const BAR_MM: f64 = 50.0;
/// The grey beneath the legend: soft tissue in a window of 400 HU.
const TISSUE: f32 = 0.55;
/// What the scale says, in the width of the legend.
const MEANING: [&str; 8] = [
    "fall of the logit",
    "when a patch is",
    "covered",
    "",
    "orange: speaks",
    "for contrast",
    "blue: speaks",
    "against it",
];

/// What all pictures of a series share.
pub struct HeatSheet<'a> {
    /// First line: which series.
    pub title: String,
    /// Second line: what was found.
    pub finding: String,
    /// The series' class, which decides the colour.
    pub class: PredictedClass,
    /// Rows and columns of a slice.
    pub plane: [usize; 2],
    /// Size of a pixel in millimetres, `[y, x]`.
    pub spacing_mm: [f64; 2],
    /// Rows and columns of a patch, in pixels.
    pub patch: [usize; 2],
    /// The effect at the end of the scale, the same for all slices.
    pub limit: f32,
    /// Slices at or above this are positive.
    pub slice_threshold: f32,
    /// The slices.
    pub slices: &'a [HeatSlice<'a>],
}

/// A slice's place on the page.
#[derive(Clone, Copy)]
struct Place {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl HeatSheet<'_> {
    /// The end of the scale for these slices: their largest effect, rounded up to a tenth of a logit.
    #[must_use]
    pub fn limit_of(slices: &[HeatSlice<'_>]) -> f32 {
        let drops = slices.iter().flat_map(|slice| slice.patch_drops.iter().flatten());
        let largest = drops.fold(0.0_f32, |largest, drop| largest.max(drop.abs()));
        (largest * 10.0).ceil().max(1.0) / 10.0
    }

    /// Writes the picture of one slice: as the network sees it, and with the map laid over it.
    ///
    /// # Errors
    /// [`PictureError`] when the file cannot be written.
    pub fn save_slice(&self, slice: &HeatSlice<'_>, path: &Path) -> Result<(), PictureError> {
        let (width, height) = self.fitted(PANEL);
        let legend_x = 3 * MARGIN + 2 * width;
        let mut canvas = self.page(legend_x + LEGEND, height + CAPTION, &FONT_8X13);
        let left = Place { x: MARGIN, y: HEADER, width, height };
        let right = Place { x: 2 * MARGIN + width, ..left };
        self.draw(&mut canvas, left, slice, false);
        self.draw(&mut canvas, right, slice, true);
        self.marks(&mut canvas, left);
        self.patch(&mut canvas, right);
        let below = (HEADER + height + 6) as i32;
        canvas.text(left.x as i32, below, &FONT_7X13, FAINT, "what the network sees");
        canvas.text(right.x as i32, below, &FONT_7X13, FAINT, "where it looks (square: one patch)");
        let caption = self.caption(slice);
        let x = (legend_x + LEGEND) as i32 - MARGIN as i32 - 10 * caption.len() as i32;
        canvas.text(x, 18, &FONT_10X20, self.slice_colour(slice), &caption);
        self.legend(&mut canvas, Place { x: legend_x, y: HEADER, width: 20, height: height.min(PANEL) });
        canvas.save(path)
    }

    /// Writes the picture of all slices.
    ///
    /// # Errors
    /// [`PictureError`] when the file cannot be written.
    pub fn save_montage(&self, path: &Path) -> Result<(), PictureError> {
        let (width, height) = self.fitted(TILE);
        let count = self.slices.len() as u32;
        let across = count.clamp(1, TILES_IN_LINE);
        let lines = count.div_ceil(TILES_IN_LINE).max(1);
        let legend_x = MARGIN + across * (width + MARGIN);
        // Room for the finding, whatever the number of slices.
        let least = 2 * MARGIN + 8 * self.finding.len().max(self.title.len()) as u32;
        let mut canvas = self.page((legend_x + LEGEND).max(least), lines * (height + CAPTION + MARGIN), &FONT_8X13);
        for (number, slice) in (0..).zip(self.slices) {
            let x = MARGIN + number % TILES_IN_LINE * (width + MARGIN);
            let y = HEADER + number / TILES_IN_LINE * (height + CAPTION + MARGIN);
            let place = Place { x, y, width, height };
            self.draw(&mut canvas, place, slice, true);
            if number == 0 {
                self.marks(&mut canvas, place);
                self.patch(&mut canvas, place);
            }
            let below = (y + height + 5) as i32;
            canvas.text(x as i32, below, &FONT_7X13, self.slice_colour(slice), &self.caption(slice));
        }
        self.legend(&mut canvas, Place { x: legend_x, y: HEADER, width: 20, height });
        canvas.save(path)
    }

    /// A page with its two lines of words.
    fn page(&self, width: u32, height: u32, font: &MonoFont<'_>) -> Canvas {
        let mut canvas = Canvas::new(width, HEADER + height + MARGIN);
        let colour = class_colour(self.class);
        canvas.fill(0, 0, width, 6, colour);
        canvas.text(MARGIN as i32, 22, font, INK, &self.title);
        canvas.text(MARGIN as i32, 44, font, colour, &self.finding);
        canvas
    }

    /// Width and height of a slice, fitted into a square of `edge`.
    fn fitted(&self, edge: u32) -> (u32, u32) {
        let [height_mm, width_mm] = [0, 1].map(|axis| self.plane[axis] as f64 * self.spacing_mm[axis]);
        let scale = f64::from(edge) / height_mm.max(width_mm);
        ((width_mm * scale).round().max(1.0) as u32, (height_mm * scale).round().max(1.0) as u32)
    }

    fn draw(&self, canvas: &mut Canvas, place: Place, slice: &HeatSlice<'_>, heat: bool) {
        let [rows, columns] = self.plane;
        canvas.pixels(place.x, place.y, place.width, place.height, |across, down| {
            let at = (down * rows as f32 - 0.5, across * columns as f32 - 0.5);
            let grey = bilinear(slice.pixels, self.plane, at);
            over(grey, if heat { bilinear(slice.pixel_drops, self.plane, at) / self.limit } else { 0.0 })
        });
    }

    /// A bar of a known length, and the patient's side.
    fn marks(&self, canvas: &mut Canvas, place: Place) {
        let length = BAR_MM / (self.plane[1] as f64 * self.spacing_mm[1]) * f64::from(place.width);
        let (x, y) = (place.x as i32 + 10, (place.y + place.height) as i32 - 14);
        canvas.fill(x + 1, y + 1, length as u32, 3, PAPER);
        canvas.fill(x, y, length as u32, 3, INK);
        let middle = (place.y + place.height / 2) as i32 - 6;
        for (x, y, text) in [(x, y - 15, format!("{BAR_MM:.0} mm")), (place.x as i32 + 8, middle, "R".to_owned())] {
            // A shadow keeps it legible on bright tissue.
            canvas.text(x + 1, y + 1, &FONT_7X13, PAPER, &text);
            canvas.text(x, y, &FONT_7X13, INK, &text);
        }
    }

    /// The size of a patch, in the corner.
    fn patch(&self, canvas: &mut Canvas, place: Place) {
        let edge = |axis: usize, whole: u32| (self.patch[axis] as u32 * whole / self.plane[axis] as u32).max(1);
        let (width, height) = (edge(1, place.width), edge(0, place.height));
        let (x, y) = (place.x + place.width - width - 8, place.y + place.height - height - 8);
        canvas.frame(x as i32, y as i32, width, height, INK);
    }

    fn caption(&self, slice: &HeatSlice<'_>) -> String {
        format!("z {:.0} mm  p {:.3}  {}", slice.z_mm, slice.probability, slice.chosen).trim_end().to_owned()
    }

    fn slice_colour(&self, slice: &HeatSlice<'_>) -> Rgb888 {
        if slice.probability >= self.slice_threshold { ENHANCED } else { NATIVE }
    }

    /// The scale with its ends, and what it means.
    fn legend(&self, canvas: &mut Canvas, place: Place) {
        let height = place.height.saturating_sub(MEANING.len() as u32 * 15 + 12).max(60);
        canvas.pixels(place.x, place.y, place.width, height, |_, down| over(TISSUE, 1.0 - 2.0 * down));
        for (share, down) in [(1.0, 0.0), (0.5, 0.25), (0.0, 0.5), (-0.5, 0.75), (-1.0, 1.0)] {
            let y = place.y as i32 + (down * (height - 1) as f32) as i32;
            let x = (place.x + place.width) as i32;
            canvas.line((x, y), (x + 5, y), INK);
            let value = share * self.limit;
            let text = if share == 0.0 { "0".to_owned() } else { format!("{value:+.2}") };
            canvas.text(x + 9, y - 6, &FONT_7X13, INK, &text);
        }
        for (line, text) in (0..).zip(MEANING) {
            canvas.text(place.x as i32, (place.y + height) as i32 + 14 + 15 * line, &FONT_7X13, FAINT, text);
        }
    }
}

/// The value at a place between pixels, `(row, column)`; at the edge that of the edge.
fn bilinear(values: &[f32], [rows, columns]: [usize; 2], (y, x): (f32, f32)) -> f32 {
    let split = |position: f32, size: usize| {
        let position = position.clamp(0.0, size.saturating_sub(1) as f32);
        let lower = position as usize;
        (lower, (lower + 1).min(size.saturating_sub(1)), position - lower as f32)
    };
    let ((top, bottom, down), (left, right, across)) = (split(y, rows), split(x, columns));
    let at = |row: usize, column: usize| values.get(row * columns + column).copied().unwrap_or(0.0);
    let upper = at(top, left) + (at(top, right) - at(top, left)) * across;
    let lower = at(bottom, left) + (at(bottom, right) - at(bottom, left)) * across;
    upper + (lower - upper) * down
}
