//! The series farthest from the truth, with their contact sheets.

use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bolus_evaluation::report::{Evaluation, WorstSeries};
use bolus_study::PredictedClass;
use image::ImageFormat;
use image::imageops::FilterType;
use maud::{Markup, html};

use super::parts::{key, section};
use crate::picture::sheet_name;
use crate::words::{NONE, stacked};

/// Width that contact sheets are scaled down to, in pixels: enough to read on paper, and a tenth of the bytes.
const WIDTH: u32 = 720;

/// The section of the worst series, bundle by bundle.
pub fn worst(evaluation: &Evaluation, folder: Option<&Path>) -> Markup {
    let bundles = || evaluation.bundles.iter().enumerate().filter(|(_, bundle)| !bundle.worst.is_empty());
    if bundles().next().is_none() {
        return Markup::default();
    }
    let body = html! {
        @for (index, bundle) in bundles() {
            details open[index == 0] {
                summary { (key(index)) (bundle.label) }
                div.worst { @for series in &bundle.worst { (card(series, folder)) } }
            }
        }
    };
    let lead = if folder.is_some() {
        "The series whose probability is farthest from the truth, the worst first, with the contact sheets \
         that were found."
    } else {
        "The series whose probability is farthest from the truth, the worst first. Contact sheets stand here \
         where --sheets names the folder that `bolus label --sheets` wrote."
    };
    section("long", "Farthest from the truth", lead, &body)
}

fn card(worst: &WorstSeries, folder: Option<&Path>) -> Markup {
    let truth = if worst.enhanced { "enhanced" } else { "native" };
    let (class, verdict) = match (worst.class, worst.enhanced) {
        (PredictedClass::Indeterminate, _) => ("", "undecided"),
        (PredictedClass::Enhanced, true) | (PredictedClass::Native, false) => ("right", "decided right"),
        _ => ("wrong", "decided wrongly"),
    };
    let thickness = worst.slice_thickness_mm.map_or_else(|| NONE.to_owned(), |thickness| format!("{thickness} mm"));
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
    html! {
        article {
            @if let Some(code) = folder.and_then(|folder| picture(folder, worst)) {
                img alt={ "contact sheet of series " (stacked(worst.series.as_str(), worst.stack)) }
                    src={ "data:image/png;base64," (code) };
            }
            p {
                b { (truth) ", probability " (format_args!("{:.3}", worst.probability)) }
                " " span class=(class) { (verdict) } br;
                (or_none(&worst.body_part)) " · " (or_none(&worst.codec)) " · " (thickness)
                " · site " (or_none(&worst.site)) br;
                "series " (stacked(worst.series.as_str(), worst.stack)) br;
                (worst.source_uri)
            }
        }
    }
}

/// The series' contact sheet, scaled down, as base64 of a PNG; none where there is no such file or it is no picture.
fn picture(folder: &Path, worst: &WorstSeries) -> Option<String> {
    let path = folder.join(sheet_name(worst.series.as_str(), &worst.row_key));
    let sheet = image::load_from_memory_with_format(&std::fs::read(path).ok()?, ImageFormat::Png).ok()?;
    let small = if sheet.width() > WIDTH { sheet.resize(WIDTH, u32::MAX, FilterType::Triangle) } else { sheet };
    let mut png = Cursor::new(Vec::new());
    small.write_to(&mut png, ImageFormat::Png).ok()?;
    Some(BASE64.encode(png.into_inner()))
}
