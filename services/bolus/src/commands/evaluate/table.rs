//! An evaluation as tables for a terminal.

use std::io::Write;
use std::path::PathBuf;

use bolus::output;
use bolus_evaluation::report::{BundleEvaluation, Estimate, Evaluation};
use bolus_evaluation::statistics::{Auc, Figure, Interval, Proportion};
use bolus_report::{NONE, RESEARCH_USE, account_words, classes, level_notes, number, p_value, percent, signed};

/// Prints all tables, what has to be known, and what was written.
pub fn print(evaluation: &Evaluation, notes: &[String], written: &[PathBuf]) -> anyhow::Result<()> {
    let mut output = output::for_people();
    let truth = &evaluation.truth;
    let split = truth.split.map_or_else(String::new, |split| format!(" of split {split}"));
    writeln!(
        output,
        "Truth: {}{split}, {} enhanced and {} native.",
        output::counted(truth.series, "series", "series"),
        truth.enhanced,
        truth.native
    )?;
    levels(&mut output, evaluation)?;
    subgroups(&mut output, evaluation)?;
    comparisons(&mut output, evaluation)?;
    missing(&mut output, evaluation)?;
    for note in notes {
        writeln!(output, "Note: {note}.")?;
    }
    for (bundle, level, note) in level_notes(evaluation) {
        writeln!(output, "Note: {bundle}, {level} level: {note}.")?;
    }
    for path in written {
        writeln!(output, "Written: {}", path.display())?;
    }
    writeln!(output, "{}", RESEARCH_USE)?;
    Ok(())
}

fn levels(output: &mut impl Write, evaluation: &Evaluation) -> anyhow::Result<()> {
    let numeric = [false, true, true, true, true, true, true, true, true, true, true, true];
    for (title, first, last, row) in [
        ("Scan level, 95 % intervals by DeLong and Wilson:", "series", "undecided", scan_row as RowOf),
        ("Slice level, 95 % intervals by Obuchowski and bootstrap over patients:", "slices", "scored", slice_row),
    ] {
        let headers = [
            "bundle",
            first,
            "AUC",
            "sensitivity",
            "specificity",
            "PPV",
            "NPV",
            "F1",
            "accuracy",
            "Brier",
            "ECE",
            last,
        ];
        let rows = evaluation.bundles.iter().map(row).collect();
        writeln!(output, "\n{title}")?;
        writeln!(output, "{}", output::table(&headers.map(str::to_owned), rows, &numeric))?;
    }
    Ok(())
}

/// A bundle's row of a table.
type RowOf = fn(&BundleEvaluation) -> Vec<String>;

fn scan_row(bundle: &BundleEvaluation) -> Vec<String> {
    let (level, wilson) = (&bundle.scan, &bundle.scan.wilson);
    let value = |figure: Figure| number(level.figure(figure).map(|estimate| estimate.value));
    vec![
        bundle.label.clone(),
        level.cases.to_string(),
        area(level.auc.as_ref()),
        proportion(wilson.sensitivity.as_ref()),
        proportion(wilson.specificity.as_ref()),
        proportion(wilson.positive_predictive_value.as_ref()),
        proportion(wilson.negative_predictive_value.as_ref()),
        value(Figure::F1),
        proportion(wilson.accuracy.as_ref()),
        value(Figure::Brier),
        value(Figure::CalibrationError),
        level.confusion.undecided().to_string(),
    ]
}

fn slice_row(bundle: &BundleEvaluation) -> Vec<String> {
    let level = &bundle.slice;
    let with_interval = |figure: Figure| estimate(level.figure(figure));
    let value = |figure: Figure| number(level.figure(figure).map(|estimate| estimate.value));
    vec![
        bundle.label.clone(),
        level.cases.to_string(),
        area(level.auc.as_ref()),
        with_interval(Figure::Sensitivity),
        with_interval(Figure::Specificity),
        with_interval(Figure::PositivePredictiveValue),
        with_interval(Figure::NegativePredictiveValue),
        value(Figure::F1),
        with_interval(Figure::Accuracy),
        value(Figure::Brier),
        value(Figure::CalibrationError),
        bundle.scored_share.map_or_else(|| NONE.to_owned(), |share| percent(share.mean)),
    ]
}

fn subgroups(output: &mut impl Write, evaluation: &Evaluation) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for bundle in &evaluation.bundles {
        for group in &bundle.subgroups {
            rows.push(vec![
                bundle.label.clone(),
                group.by.as_str().to_owned(),
                group.group.clone(),
                classes(&group.scan),
                area(group.scan.auc.as_ref()),
                proportion(group.scan.wilson.sensitivity.as_ref()),
                proportion(group.scan.wilson.specificity.as_ref()),
                area(group.slice.auc.as_ref()),
            ]);
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let headers = [
        "bundle",
        "by",
        "group",
        "enhanced + native",
        "scan \
     AUC",
        "sensitivity",
        "specificity",
        "slice AUC",
    ];
    writeln!(output, "\nParts of the series:")?;
    let numeric = [false, false, false, true, true, true, true, true];
    writeln!(output, "{}", output::table(&headers.map(str::to_owned), rows, &numeric))?;
    Ok(())
}

fn comparisons(output: &mut impl Write, evaluation: &Evaluation) -> anyhow::Result<()> {
    if evaluation.comparisons.is_empty() {
        return Ok(());
    }
    let rows = evaluation.comparisons.iter().map(|pair| {
        let difference = pair.auc.map_or_else(
            || NONE.to_owned(),
            |auc| format!("{}{}", signed(auc.difference), auc.interval.map_or_else(String::new, |i| signed_span(&i))),
        );
        vec![
            pair.first.clone(),
            pair.second.clone(),
            pair.series.to_string(),
            difference,
            pair.auc.and_then(|auc| auc.p).map_or_else(|| NONE.to_owned(), p_value),
            proportion(pair.equal_decisions.as_ref()),
            format!("{} / {}", pair.only_first_right, pair.only_second_right),
            format!("{:.3}", pair.largest_distance),
        ]
    });
    let headers = [
        "first",
        "second",
        "series",
        "AUC difference",
        "p (DeLong)",
        "equal decisions",
        "right: only first / second",
        "largest distance",
    ];
    writeln!(output, "\nBundles on the series that both labelled:")?;
    let numeric = [false, false, true, true, true, true, true, true];
    writeln!(output, "{}", output::table(&headers.map(str::to_owned), rows.collect(), &numeric))?;
    Ok(())
}

fn missing(output: &mut impl Write, evaluation: &Evaluation) -> anyhow::Result<()> {
    for bundle in &evaluation.bundles {
        let account = &bundle.account;
        if account.missing() + account.without_truth > 0 {
            writeln!(output, "{}: {}.", bundle.label, account_words(bundle))?;
        }
    }
    Ok(())
}

/// An area with its interval.
fn area(area: Option<&Auc>) -> String {
    let Some(area) = area else { return NONE.to_owned() };
    format!("{:.3}{}", area.value, area.interval.as_ref().map_or_else(String::new, span))
}

/// A proportion with its interval.
fn proportion(proportion: Option<&Proportion>) -> String {
    proportion.map_or_else(|| NONE.to_owned(), |found| format!("{:.3}{}", found.value, span(&found.interval)))
}

/// A figure with its resampled interval.
fn estimate(estimate: Option<Estimate>) -> String {
    let Some(estimate) = estimate else { return NONE.to_owned() };
    format!("{:.3}{}", estimate.value, estimate.bootstrap.as_ref().map_or_else(String::new, span))
}

/// An interval after a figure.
fn span(interval: &Interval) -> String {
    format!(" ({:.3} to {:.3})", interval.low, interval.high)
}

/// An interval of a difference.
fn signed_span(interval: &Interval) -> String {
    format!(" ({} to {})", signed(interval.low), signed(interval.high))
}
