//! The contact sheet of one series: slices with their scores, and the scores along the body.

use std::path::Path;

use bolus_study::{LabelRow, PredictedClass, Prediction};
use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_10X20};
use embedded_graphics::pixelcolor::Rgb888;

use super::canvas::{Canvas, ENHANCED, FAINT, INK, NATIVE, UNDECIDED};
use super::slice::GreySlice;
use crate::error::PictureError;
use crate::words::stacked;

const TILE: u32 = 192;
const COLUMNS: u32 = 5;
const MARGIN: u32 = 12;
const CAPTION: u32 = 20;
const HEADER: u32 = 78;
const CHART: u32 = 120;

/// The words at the top of a sheet.
pub struct SheetText {
    /// First line: what the series is.
    pub title: String,
    /// Second line: what was found.
    pub finding: String,
}

impl SheetText {
    /// Words for a labelled row.
    pub fn of(row: &LabelRow, prediction: &Prediction) -> Self {
        let uid = row.series_uid.as_ref().map_or("no series UID", |uid| uid.as_str());
        let part = row.body_part.as_ref().map_or_else(|| "unknown part".to_owned(), |finding| finding.joined());
        let declared = row.declared.as_ref().map_or("absent", |declared| declared.verdict.as_str());
        Self {
            title: stacked(&format!("series {uid}"), row.stack.as_ref().map(|stack| stack.number)),
            finding: format!(
                "{part}   declared: {declared}   predicted: {} ({:.3})   verdict: {}   {} slices scored   bundle {} {}",
                prediction.class.as_str(),
                prediction.probability,
                prediction.audit.as_str(),
                prediction.slices.len(),
                row.bundle.name,
                row.bundle.version,
            ),
        }
    }
}

/// The colour of a class.
pub fn class_colour(class: PredictedClass) -> Rgb888 {
    match class {
        PredictedClass::Enhanced => ENHANCED,
        PredictedClass::Native => NATIVE,
        PredictedClass::Indeterminate => UNDECIDED,
    }
}

/// Writes the contact sheet of a labelled row: `previews` are grey slices of the network's input.
///
/// # Errors
/// [`PictureError`] when the file cannot be written.
pub fn write_sheet(
    path: &Path,
    row: &LabelRow,
    prediction: &Prediction,
    previews: &[GreySlice<'_>],
    slice_threshold: f32,
) -> Result<(), PictureError> {
    let lines = (previews.len() as u32).div_ceil(COLUMNS).max(1);
    let width = COLUMNS * (TILE + MARGIN) + MARGIN;
    let height = HEADER + lines * (TILE + CAPTION + MARGIN) + CHART + 2 * MARGIN;
    let mut canvas = Canvas::new(width, height);
    let text = SheetText::of(row, prediction);
    canvas.fill(0, 0, width, 6, class_colour(prediction.class));
    canvas.text(MARGIN as i32, 16, &FONT_10X20, INK, &text.title);
    canvas.text(MARGIN as i32, 44, &FONT_7X13, class_colour(prediction.class), &text.finding);
    for (place, preview) in previews.iter().enumerate() {
        let x = MARGIN + (place as u32 % COLUMNS) * (TILE + MARGIN);
        let y = HEADER + (place as u32 / COLUMNS) * (TILE + CAPTION + MARGIN);
        tile(&mut canvas, x, y, preview, prediction, slice_threshold);
    }
    chart(&mut canvas, HEADER + lines * (TILE + CAPTION + MARGIN), width, prediction, slice_threshold);
    canvas.save(path)
}

fn tile(canvas: &mut Canvas, x: u32, y: u32, preview: &GreySlice<'_>, prediction: &Prediction, slice_threshold: f32) {
    canvas.grey(x, y, TILE, TILE, preview.pixels, preview.columns);
    let Some(score) = prediction.slices.get(preview.slice) else { return };
    let colour = if score.probability >= slice_threshold { ENHANCED } else { NATIVE };
    canvas.frame(x as i32, y as i32, TILE, TILE, colour);
    let caption = format!("z {:.0} mm  p {:.3}", score.z_mm, score.probability);
    canvas.text(x as i32, (y + TILE + 3) as i32, &FONT_7X13, colour, &caption);
}

/// Slice probabilities from caudal (left) to cranial (right).
fn chart(canvas: &mut Canvas, top: u32, width: u32, prediction: &Prediction, slice_threshold: f32) {
    let (left, right) = (MARGIN as i32 + 30, (width - MARGIN) as i32);
    let (high, low) = (top as i32 + 18, (top + CHART) as i32);
    let level = |p: f32| low - (p * (low - high) as f32) as i32;
    canvas.text(
        MARGIN as i32,
        top as i32,
        &FONT_7X13,
        FAINT,
        "probability of IV contrast, slice by slice, feet to head",
    );
    for p in [0.0, slice_threshold, 1.0] {
        canvas.line((left, level(p)), (right, level(p)), FAINT);
        canvas.text(MARGIN as i32, level(p) - 6, &FONT_7X13, FAINT, &format!("{p:.1}"));
    }
    let step = f64::from(right - left) / prediction.slices.len().max(1) as f64;
    for (index, score) in prediction.slices.iter().enumerate() {
        let colour = if score.probability >= slice_threshold { ENHANCED } else { NATIVE };
        let x = left + (index as f64 * step) as i32;
        let y = level(score.probability);
        canvas.fill(x, y - 2, (step as u32).clamp(2, 8), 4, colour);
    }
}
