//! `bolus evaluate`: what the lake's labels are worth against a labelled set.

mod table;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bolus::output::{self, Spinner};
use bolus_evaluation::report::{BundleRows, Evaluation, Options, TruthSummary, evaluate};
use bolus_evaluation::statistics::Resampling;
use bolus_evaluation::truth::LabelledSet;
use bolus_lake::{LabelCount, Lake};
use bolus_report::{EvaluationPage, RESEARCH_USE};
use bolus_setup::open_lake;
use serde::Serialize;

use crate::cli::EvaluateArgs;
use crate::{exit, labelled_set};

/// The name of the report in a folder.
const REPORT: &str = "evaluation.html";

/// Everything that is told, as one JSON document.
#[derive(Serialize)]
struct Document<'a> {
    made_by: String,
    note: &'static str,
    truth_file: String,
    lake: &'a str,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    notes: &'a [String],
}

/// Runs the command.
pub async fn run(args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    let whole = labelled_set::read(&args.truth)?;
    let truth = labelled_set::of_split(&whole, args.split, &args.truth)?;
    let lake = open_lake(&args.lake.url).await?;
    let spinner = Spinner::start();
    spinner.say(&format!("reading the labels of {} series", truth.len()));
    let mut rows = labelled_set::read_rows(&lake, &truth, &args.bundles).await?;
    rows.retain(|rows| !rows.scans.is_empty() || !rows.unlabelled.is_empty());
    if rows.iter().all(|rows| rows.scans.is_empty()) {
        spinner.finish();
        return Err(nothing_to_judge(&lake, &args, &truth, &rows).await?);
    }
    let unknown = labelled_set::look_up_thresholds(&mut rows, &args.folders);
    let summary = TruthSummary::of(&truth, &whole, args.split);
    let notes = notes(&summary, &unknown, &rows);
    spinner.say(&format!("resampling the labels of {} bundles", rows.len()));
    let options = Options { resampling: Resampling { replicates: args.bootstrap, seed: args.seed }, worst: args.worst };
    let evaluation = tokio::task::spawn_blocking(move || evaluate(&truth, summary, &rows, &options)).await?;
    spinner.finish();
    tell(&args, &evaluation, &notes)?;
    let whole = evaluation.bundles.iter().all(|bundle| bundle.account.missing() == 0 && bundle.scan.notes.is_empty());
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(exit::SOME_REFUSED) })
}

/// Writes what was asked for: the documents first, then the tables, which name them.
fn tell(args: &EvaluateArgs, evaluation: &Evaluation, notes: &[String]) -> anyhow::Result<()> {
    let document = Document {
        made_by: format!("bolus {}", env!("CARGO_PKG_VERSION")),
        note: RESEARCH_USE,
        truth_file: args.truth.display().to_string(),
        lake: &args.lake.url,
        evaluation,
        notes,
    };
    let mut written = Vec::new();
    let to_stdout = args.json.as_deref() == Some(Path::new("-"));
    match &args.json {
        Some(_) if to_stdout => {
            let mut text = Vec::new();
            write_json(&mut text, &document)?;
            output::for_json().write_all(&text)?;
        }
        Some(path) => {
            let mut text = Vec::new();
            write_json(&mut text, &document)?;
            output::save(path, &text)?;
            written.push(path.clone());
        }
        None => {}
    }
    if let Some(path) = &args.html {
        let path = report_path(path);
        let page = EvaluationPage {
            evaluation,
            truth_file: &document.truth_file,
            lake: &args.lake.url,
            notes,
            sheets: args.sheets.as_deref(),
        };
        output::save(&path, page.to_html().as_bytes())?;
        written.push(path);
    }
    if !to_stdout {
        table::print(evaluation, notes, &written)?;
    }
    Ok(())
}

fn write_json(output: &mut impl Write, document: &Document) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *output, document)?;
    output.write_all(b"\n")?;
    Ok(())
}

/// Where the report goes: the file that was named, or a file of our name in the folder that was.
fn report_path(named: &Path) -> PathBuf {
    let is_file =
        named.extension().is_some_and(|end| end.eq_ignore_ascii_case("html") || end.eq_ignore_ascii_case("htm"));
    if is_file && !named.is_dir() { named.to_owned() } else { named.join(REPORT) }
}

/// What a reader has to know of the whole.
fn notes(truth: &TruthSummary, unknown: &[String], rows: &[BundleRows]) -> Vec<String> {
    let mut notes = Vec::new();
    if truth.unknown > 0 {
        let rows = output::counted(truth.unknown, "row", "rows");
        notes.push(format!("{rows} of the truth left out, which do not say whether there is contrast"));
    }
    if truth.patients_in_several_splits > 0 {
        notes.push(format!(
            "{} patients have series in more than one split: figures on a split that others were fitted on \
             are too good",
            truth.patients_in_several_splits
        ));
    }
    if !unknown.is_empty() {
        notes.push(format!(
            "slices are counted at 0.5, since no bundle of their digest is at hand (--models DIR), of {}",
            unknown.join(", ")
        ));
    }
    let ambiguous: BTreeSet<&str> =
        rows.iter().flat_map(|rows| &rows.ambiguous).map(|series| series.as_str()).collect();
    if !ambiguous.is_empty() {
        let series: Vec<&str> = ambiguous.into_iter().collect();
        notes.push(format!(
            "stacks of one series have different labels and the truth names no stack (column `stack`), so they are left out: {}",
            series.join(", ")
        ));
    }
    notes
}

/// The error where no label meets a truth: what there is instead.
async fn nothing_to_judge(
    lake: &Lake,
    args: &EvaluateArgs,
    truth: &LabelledSet,
    rows: &[BundleRows],
) -> anyhow::Result<anyhow::Error> {
    let chosen: Vec<String> = args.bundles.iter().map(ToString::to_string).collect();
    let of = if chosen.is_empty() { String::new() } else { format!(" of {}", chosen.join(", ")) };
    let mut error = format!(
        "the lake {} has no label{of} of any of the {} series of {}",
        args.lake.url,
        truth.len(),
        args.truth.display()
    );
    let refused: usize = rows.iter().map(|rows| rows.unlabelled.len()).sum();
    if refused > 0 {
        error += &format!("; {refused} were refused or failed: `bolus sql \"SELECT * FROM failures\"` says why");
    }
    let told = |count: LabelCount| format!("{}@{}: {}", count.bundle_name, count.bundle_version, count.labels);
    let there: Vec<String> = lake.label_counts().await?.into_iter().map(told).collect();
    Ok(if there.is_empty() {
        anyhow::anyhow!("{error}; it has no labels at all: run `bolus label` first")
    } else {
        anyhow::anyhow!("{error}; it has these labels, of other series or bundles: {}", there.join(", "))
    })
}
