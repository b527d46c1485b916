//! A series as a JSON line and as a row of the table.

use std::collections::BTreeMap;

use bolus::output;
use bolus_ct::Series;
use bolus_labeling::Inventory;
use bolus_study::{Evidence, SeriesGeometry};
use serde::Serialize;

use super::files::RefusalLine;
use super::forecast::Forecast;

/// One series as a JSON line.
#[derive(Serialize)]
pub struct SeriesLine<'a> {
    r#type: &'static str,
    series_instance_uid: &'a str,
    series_uid_derived: bool,
    stack: Option<u32>,
    stack_parted_by: Option<&'a str>,
    modality: Option<&'a str>,
    transfer_syntaxes: &'a [String],
    slices: usize,
    files: usize,
    geometry: Option<GeometryLine>,
    body_part: Option<String>,
    body_part_source: Option<&'static str>,
    declared_contrast: &'static str,
    declared_evidence: &'a [Evidence],
    would_label: bool,
    /// The bundle that would label it, and what told that: `named`, `tag`, `words` or `image`.
    bundle: Option<String>,
    bundle_by: Option<&'static str>,
    /// What a look at the image showed, where it was needed.
    seen: Option<String>,
    refusal: Option<RefusalLine>,
    refused_slices: BTreeMap<&'static str, usize>,
}

/// The geometry of a series in JSON.
#[derive(Serialize)]
struct GeometryLine {
    rows: usize,
    columns: usize,
    pixel_spacing_mm: [f64; 2],
    slice_spacing_mm: Option<f64>,
    slice_thickness_mm: Option<f64>,
    spacing_deviation_mm: f64,
    gaps: usize,
    shear_deg: f64,
    axial: bool,
}

impl GeometryLine {
    fn of(geometry: &SeriesGeometry, tolerance_deg: f64) -> Self {
        Self {
            rows: geometry.rows,
            columns: geometry.columns,
            pixel_spacing_mm: geometry.pixel_spacing_mm,
            slice_spacing_mm: geometry.slice_spacing_mm,
            slice_thickness_mm: geometry.slice_thickness_mm,
            spacing_deviation_mm: geometry.spacing_deviation_mm,
            gaps: geometry.gaps,
            shear_deg: geometry.shear_deg,
            axial: geometry.orientation.is_axial(tolerance_deg),
        }
    }
}

pub fn series_line(series: &Series, forecast: Forecast) -> SeriesLine<'_> {
    let mut refused_slices = BTreeMap::new();
    for (_, reason) in &forecast.refused {
        *refused_slices.entry(reason.code.as_str()).or_insert(0) += 1;
    }
    let Forecast { refusal, bundle, bundle_by, body_part, seen, axial_tolerance_deg: tolerance, .. } = forecast;
    SeriesLine {
        r#type: "series",
        series_instance_uid: series.uid.as_str(),
        series_uid_derived: series.uid_derived,
        stack: series.stack.as_ref().map(|stack| stack.number),
        stack_parted_by: series.stack.as_ref().map(|stack| stack.parted_by.as_str()),
        modality: series.facts.modality.as_deref(),
        transfer_syntaxes: &series.facts.transfer_syntaxes,
        slices: series.slices.len(),
        files: series.files().count(),
        geometry: series.geometry.as_ref().map(|geometry| GeometryLine::of(geometry, tolerance)),
        body_part: body_part.as_ref().map(|finding| finding.joined()),
        body_part_source: body_part.as_ref().map(|finding| finding.source.as_str()),
        declared_contrast: series.declared.verdict.as_str(),
        declared_evidence: &series.declared.evidence,
        would_label: refusal.is_none(),
        bundle,
        bundle_by,
        seen,
        refusal: refusal.map(Into::into),
        refused_slices,
    }
}

pub fn table_row(series: &Series, inventory: &Inventory, forecast: &Forecast) -> Vec<String> {
    let dash = || "-".to_owned();
    let geometry = series.geometry.as_ref();
    let of = |value: &dyn Fn(&SeriesGeometry) -> String| geometry.map_or_else(dash, value);
    let uris = series.files().filter_map(|object| inventory.objects.get(object)).map(|object| object.uri.as_str());
    let number = series.stack.as_ref().map(|stack| stack.number);
    vec![
        output::series_name(&bolus_storage::common_prefix(uris), series.uid.as_str(), number),
        series.facts.modality.clone().unwrap_or_else(dash),
        series.slices.len().to_string(),
        of(&|g| format!("{}x{}", g.rows, g.columns)),
        of(&|g| match g.slice_spacing_mm {
            Some(z) => format!("{z:.2} x {:.2} x {:.2}", g.pixel_spacing_mm[0], g.pixel_spacing_mm[1]),
            None => format!("{:.2} x {:.2}", g.pixel_spacing_mm[0], g.pixel_spacing_mm[1]),
        }),
        of(&|g| g.gaps.to_string()),
        of(&|g| format!("{:.1}°", g.shear_deg)),
        codecs(&series.facts.transfer_syntaxes),
        forecast.body_part.as_ref().map_or_else(dash, |finding| finding.joined()),
        series.declared.verdict.as_str().to_owned(),
        match (&forecast.refusal, &forecast.bundle, forecast.bundle_by) {
            (Some(reason), ..) => format!("no: {}", reason.code),
            (None, Some(bundle), Some(by)) => format!("{bundle} (by {by})"),
            (None, ..) => "yes".to_owned(),
        },
    ]
}

/// The first codec by name, and how many more there are.
fn codecs(uids: &[String]) -> String {
    match uids {
        [] => "-".to_owned(),
        [one] => output::codec_name(one).to_owned(),
        [first, others @ ..] => format!("{} and {} more", output::codec_name(first), others.len()),
    }
}

/// The UID, with the stack's number where there are several.
pub fn name(series: &Series) -> String {
    output::stacked(series.uid.as_str(), series.stack.as_ref().map(|stack| stack.number))
}

pub fn evidence_note(series: &Series, evidence: &Evidence) -> String {
    let uid = name(series);
    format!("{uid}: {} {:?} ({}: {:?})", evidence.attribute, evidence.value, evidence.rule, evidence.says)
}
