//! The series farthest from the truth, with their contact sheets.

use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bolus::output as show;
use bolus_evaluation::report::{BundleEvaluation, Evaluation, WorstSeries};
use bolus_study::PredictedClass;
use image::ImageFormat;
use image::imageops::FilterType;

use super::super::table::NONE;
use super::{key, section, text};

/// Width that contact sheets are scaled down to, in pixels: enough to read on paper, and a tenth of the bytes.
const WIDTH: u32 = 720;

/// The section of the worst series, bundle by bundle.
pub fn worst(evaluation: &Evaluation, folder: Option<&Path>) -> String {
    let bundle = |(index, bundle): (usize, &BundleEvaluation)| {
        let cards: String = bundle.worst.iter().map(|series| card(series, folder)).collect();
        let open = if index == 0 { " open" } else { "" };
        format!(
            "<details{open}><summary>{}{}</summary><div class=worst>{cards}</div></details>",
            key(index),
            text(&bundle.label)
        )
    };
    let body: String =
        evaluation.bundles.iter().enumerate().filter(|(_, bundle)| !bundle.worst.is_empty()).map(bundle).collect();
    if body.is_empty() {
        return body;
    }
    let lead = if folder.is_some() {
        "The series whose probability is farthest from the truth, the worst first, with the contact sheets \
         that were found."
    } else {
        "The series whose probability is farthest from the truth, the worst first. Contact sheets stand here \
         where --sheets names the folder that `bolus label --sheets` wrote."
    };
    section("long", "Farthest from the truth", lead, &body)
}

fn card(worst: &WorstSeries, folder: Option<&Path>) -> String {
    let truth = if worst.enhanced { "enhanced" } else { "native" };
    let (class, verdict) = match (worst.class, worst.enhanced) {
        (PredictedClass::Indeterminate, _) => ("", "undecided"),
        (PredictedClass::Enhanced, true) | (PredictedClass::Native, false) => ("right", "decided right"),
        _ => ("wrong", "decided wrongly"),
    };
    let thickness = worst.slice_thickness_mm.map_or_else(|| NONE.to_owned(), |thickness| format!("{thickness} mm"));
    let or_none = |value: Option<&String>| value.map_or_else(|| NONE.to_owned(), |value| text(value));
    let picture = folder.and_then(|folder| picture(folder, worst)).unwrap_or_default();
    format!(
        "<article>{picture}<p><b>{truth}, probability {:.3}</b> <span \
         class=\"{class}\">{verdict}</span><br>{} · {} · {thickness} · site {}<br>series {}<br>{}</p></article>",
        worst.probability,
        or_none(worst.body_part.as_ref()),
        or_none(worst.codec.as_ref()),
        or_none(worst.site.as_ref()),
        text(&show::stacked(worst.series.as_str(), worst.stack)),
        text(&worst.source_uri),
    )
}

/// The series' contact sheet, scaled down, as part of the page; none where there is no such file or it is no picture.
fn picture(folder: &Path, worst: &WorstSeries) -> Option<String> {
    let path = folder.join(crate::picture::sheet_name(worst.series.as_str(), &worst.row_key));
    let sheet = image::load_from_memory_with_format(&std::fs::read(path).ok()?, ImageFormat::Png).ok()?;
    let small = if sheet.width() > WIDTH { sheet.resize(WIDTH, u32::MAX, FilterType::Triangle) } else { sheet };
    let mut png = Cursor::new(Vec::new());
    small.write_to(&mut png, ImageFormat::Png).ok()?;
    let code = BASE64.encode(png.into_inner());
    Some(format!(
        "<img alt=\"contact sheet of series {}\" src=\"data:image/png;base64,{code}\">",
        text(&show::stacked(worst.series.as_str(), worst.stack))
    ))
}
