//! What a run of `bolus label` tells: JSON lines or a table, the pictures, and the final account of every file.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use bolus::output::{self, json_line, json_summary};
use bolus_labeling::{Labeled, PartId, Preview};
use bolus_report::{GreySlice, Overview, sheet_name, write_sheet};
use bolus_study::{LabelRow, Outcome, Prediction, Reason, Remark};
use serde::Serialize;

use super::summary::Summary;

/// Rows of the table; beyond, only counts are kept: the lake has the rows.
const MOST_TABLE_ROWS: usize = 1000;

/// How a report is given.
pub struct ReportOptions {
    /// JSON lines instead of a table.
    pub json: bool,
    /// Folder of the pictures.
    pub sheets: Option<PathBuf>,
    /// The lake, as the user named it.
    pub lake: String,
    /// Whether slices were scored only until the class was settled.
    pub adaptive: bool,
}

/// Collects what has landed in the lake.
pub struct Report {
    options: ReportOptions,
    rows: Vec<(Option<PartId>, Vec<String>)>,
    overview: Overview,
}

/// One series as a JSON line.
#[derive(Serialize)]
struct SeriesLine<'a> {
    r#type: &'static str,
    series_instance_uid: Option<&'a str>,
    stack: Option<u32>,
    stack_parted_by: Option<&'a str>,
    study_instance_uid: Option<&'a str>,
    source_uri: &'a str,
    status: &'static str,
    reason_code: Option<&'static str>,
    reason: Option<&'a str>,
    body_part: Option<String>,
    declared_contrast: Option<&'static str>,
    predicted_class: Option<&'static str>,
    probability: Option<f64>,
    audit: Option<&'static str>,
    slices: usize,
    bundle: &'a str,
    slices_scored: usize,
    slices_planned: usize,
    coverage: Option<f64>,
    remarks: &'a [Remark],
    device: Option<&'a str>,
    seconds: f64,
    row_key: &'a str,
}

impl<'a> SeriesLine<'a> {
    fn of(row: &'a LabelRow) -> Self {
        let prediction = row.prediction();
        Self {
            r#type: "series",
            series_instance_uid: row.series_uid.as_ref().map(|uid| uid.as_str()),
            stack: row.stack.as_ref().map(|stack| stack.number),
            stack_parted_by: row.stack.as_ref().map(|stack| stack.parted_by.as_str()),
            study_instance_uid: row.study_uid.as_ref().map(|uid| uid.as_str()),
            source_uri: &row.source_uri,
            status: row.status().as_str(),
            reason_code: row.reason().map(|reason| reason.code.as_str()),
            reason: row.reason().map(|reason| reason.detail.as_str()),
            body_part: row.body_part.as_ref().map(|finding| finding.joined()),
            declared_contrast: row.declared.as_ref().map(|declared| declared.verdict.as_str()),
            predicted_class: prediction.map(|p| p.class.as_str()),
            probability: prediction.map(|p| p.probability),
            audit: prediction.map(|p| p.audit.as_str()),
            slices: row.facts.slices,
            bundle: &row.bundle.name,
            slices_scored: prediction.map_or(0, |p| p.slices.len()),
            slices_planned: prediction.and_then(|p| p.slices_planned).unwrap_or(0),
            coverage: prediction.and_then(|p| p.coverage),
            remarks: &row.remarks,
            device: prediction.map(|p| p.device.as_str()),
            seconds: row.seconds,
            row_key: row.key.as_str(),
        }
    }
}

impl Report {
    /// Starts a report; makes the folder of the pictures.
    pub fn new(options: ReportOptions) -> anyhow::Result<Self> {
        if let Some(folder) = &options.sheets {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Self { options, rows: Vec::new(), overview: Overview::default() })
    }

    /// Forgets the table's rows of a part that comes anew. A JSON line is out already: a later one of the same series holds instead.
    pub fn forget(&mut self, part: PartId) {
        self.rows.retain(|(of, _)| *of != Some(part));
    }

    /// Reports a series that is in the lake, and the part of the inputs that it is of.
    pub fn series(&mut self, labeled: &Labeled, part: Option<PartId>) -> anyhow::Result<()> {
        let row = &labeled.row;
        if self.options.json {
            json_line(&SeriesLine::of(row))?;
        } else if self.rows.len() < MOST_TABLE_ROWS {
            self.rows.push((part, table_row(row, self.options.adaptive)));
        }
        if let (Some(folder), Some(prediction)) = (&self.options.sheets, row.prediction()) {
            let name = sheet_name(row.series_uid.as_ref().map_or("series", |uid| uid.as_str()), row.key.as_str());
            let slices: Vec<GreySlice> = labeled.previews.iter().map(grey_slice).collect();
            write_sheet(&folder.join(name), row, prediction, &slices, labeled.slice_threshold)?;
            self.overview.add(row, prediction, &slices);
        }
        Ok(())
    }

    /// Reports a file outside every series that was refused.
    pub fn refused_file(json: bool, uri: &str, reason: &Reason) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct FileLine<'a> {
            r#type: &'static str,
            path: &'a str,
            reason_code: &'static str,
            reason: &'a str,
        }
        if json {
            json_line(&FileLine {
                r#type: "refused_file",
                path: uri,
                reason_code: reason.code.as_str(),
                reason: &reason.detail,
            })?;
        } else {
            tracing::info!(file = uri, reason = %reason, "refused");
        }
        Ok(())
    }

    /// Ends the report with the account.
    pub fn finish(mut self, summary: &Summary) -> anyhow::Result<()> {
        let picture =
            self.options.sheets.as_ref().filter(|_| !self.overview.is_empty()).map(|dir| dir.join("report.png"));
        if let Some(path) = &picture {
            self.overview.save(path)?;
        }
        if self.options.json {
            return json_summary(summary);
        }
        let mut output = output::for_people();
        if !self.rows.is_empty() {
            let mut columns = COLUMNS.to_vec();
            columns.extend(self.options.adaptive.then_some(("adaptive", false)));
            let headers: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            let numeric: Vec<bool> = columns.iter().map(|(_, numeric)| *numeric).collect();
            let mut rows: Vec<Vec<String>> = self.rows.into_iter().map(|(_, row)| row).collect();
            rows.sort();
            writeln!(output, "{}", output::table(&headers, rows, &numeric))?;
        }
        write_account(&mut output, summary, &self.options)?;
        if let Some(path) = picture {
            writeln!(output, "Pictures: {}", path.display())?;
        }
        Ok(())
    }
}

/// A preview as pictures show it.
fn grey_slice(preview: &Preview) -> GreySlice<'_> {
    GreySlice { slice: preview.slice, pixels: &preview.pixels, columns: preview.columns }
}

fn write_account(output: &mut impl Write, summary: &Summary, options: &ReportOptions) -> anyhow::Result<()> {
    writeln!(
        output,
        "{} labelled, {} already in the lake, {} refused, {} failed, in {:.1} s on {}.",
        output::counted(summary.series_labelled, "series", "series"),
        summary.series_skipped,
        summary.series_refused,
        summary.series_failed,
        summary.elapsed_seconds,
        summary.device.as_deref().unwrap_or("no device: no network was needed"),
    )?;
    if options.adaptive {
        let (scored, planned, fetched) = (summary.slices_scored, summary.slices_planned, summary.slices_fetched);
        writeln!(output, "Adaptive: {scored} of {planned} slices scored, {fetched} fetched.")?;
    }
    if summary.series_labelled == 0 && summary.series_skipped > 0 {
        writeln!(
            output,
            "Nothing new: every series that can be labelled is in the lake already (--relabel labels again)."
        )?;
    }
    let refused: usize = summary.files_refused.values().sum();
    let reasons: Vec<String> = summary.files_refused.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let seen = output::counted(summary.files_seen, "file", "files");
    writeln!(output, "{seen} seen = {} used + {refused} refused{reasons}.", summary.files_used)?;
    if summary.stopped {
        writeln!(
            output,
            "Stopped on request: what was finished is in the lake; run the same command again for the rest."
        )?;
    }
    writeln!(output, "Lake: {}", options.lake)?;
    Ok(())
}

/// The columns of the table, and whether they hold numbers.
const COLUMNS: [(&str, bool); 8] = [
    ("series", false),
    ("body part", false),
    ("declared", false),
    ("predicted", false),
    ("probability", true),
    ("verdict", false),
    ("slices", true),
    ("seconds", true),
];

fn table_row(row: &LabelRow, adaptive: bool) -> Vec<String> {
    let dash = || "-".to_owned();
    let prediction = row.prediction();
    let verdict = match &row.outcome {
        Outcome::Labelled(prediction) => prediction.audit.as_str().replace('_', " "),
        Outcome::Refused(reason) | Outcome::Failed(reason) => format!("{}: {}", row.status(), reason.code),
    };
    let mut cells = vec![
        output::series_name(
            &row.source_uri,
            row.series_uid.as_ref().map_or("", |uid| uid.as_str()),
            row.stack.as_ref().map(|stack| stack.number),
        ),
        row.body_part.as_ref().map_or_else(dash, |finding| finding.joined()),
        row.declared.as_ref().map_or_else(dash, |declared| declared.verdict.as_str().to_owned()),
        prediction.map_or_else(dash, |p| p.class.as_str().to_owned()),
        prediction.map_or_else(dash, |p| format!("{:.3}", p.probability)),
        verdict,
        row.facts.slices.to_string(),
        format!("{:.1}", row.seconds),
    ];
    let told = |p: &Prediction| format!("{} of {} slices", p.slices.len(), p.slices_planned.unwrap_or(0));
    cells.extend(adaptive.then(|| prediction.map_or_else(dash, told)));
    cells
}
