//! The parts of the report that are tables and curves.

use bolus_evaluation::report::{BundleEvaluation, Comparison, Dimension, Estimate, Evaluation, Level};
use bolus_evaluation::statistics::{Auc, AucDifference, BINS, Figure, Interval, Point, Proportion};

use super::super::table::{NONE, account_words, classes, number, p_value, percent, signed};
use super::chart::{Chart, Line, whisker};
use super::{key, section, table, text};

/// Areas above which the corner of the ROC curve gets a drawing of its own.
const CROWDED: f64 = 0.9;

/// How areas and their intervals are made.
const AUC_METHOD: &str = "Probability that an enhanced case scores higher than a native one, ties counting one half. \
    Interval: DeLong et al. 1988 on the area itself (no logit), ends pulled into 0 to 1; on slices Obuchowski 1997, which \
    allows for cases of one patient that are alike. At an AUC of exactly 1 or 0 these have no width, and Newcombe's score \
    interval (2006, method 5) stands instead.";
/// How proportions are made.
const PROPORTION_METHOD: &str = "At the thresholds of the bundle, over the cases that were decided; series in the \
    indeterminate band stand apart. Interval: Wilson 1927.";

/// The numbers that the whole rests on.
pub fn facts(evaluation: &Evaluation) -> String {
    let truth = &evaluation.truth;
    let patients = if truth.patients == 0 { "unknown".to_owned() } else { truth.patients.to_string() };
    let facts = [
        (truth.series.to_string(), "series of known status"),
        (truth.enhanced.to_string(), "enhanced"),
        (truth.native.to_string(), "native"),
        (patients, "patients"),
        (evaluation.bundles.len().to_string(), "bundles"),
    ];
    let cells: String =
        facts.iter().map(|(number, what)| format!("<div><b>{number}</b><span>{what}</span></div>")).collect();
    format!("<div class=facts>{cells}</div>")
}

fn name(index: usize, bundle: &BundleEvaluation) -> String {
    format!("{}{}<small>version {}</small>", key(index), text(&bundle.label), text(&bundle.bundle.version))
}

fn with_span(value: f64, interval: Option<&Interval>) -> String {
    let span = interval.map_or_else(String::new, |i| format!("<small>{:.3}–{:.3}</small>", i.low, i.high));
    format!("{value:.3}{span}")
}

fn area(area: Option<&Auc>) -> String {
    area.map_or_else(|| NONE.to_owned(), |area| with_span(area.value, area.interval.as_ref()))
}

fn proportion(found: Option<&Proportion>) -> String {
    found.map_or_else(|| NONE.to_owned(), |found| with_span(found.value, Some(&found.interval)))
}

fn estimate(found: Option<Estimate>) -> String {
    found.map_or_else(|| NONE.to_owned(), |found| with_span(found.value, found.bootstrap.as_ref()))
}

/// Where the common scale of areas starts: a tenth below the lowest interval, at a whole tenth.
fn scale_start<'a>(areas: impl Iterator<Item = &'a Auc>) -> f64 {
    let low = |area: &Auc| area.interval.map_or(area.value, |interval| interval.low);
    (areas.map(low).fold(1.0, f64::min) * 10.0 - 0.5).floor().clamp(0.0, 9.0) / 10.0
}

fn area_whisker(area: Option<&Auc>, from: f64, index: usize) -> String {
    let Some(area) = area else { return String::new() };
    let ends = area.interval.unwrap_or(Interval { low: area.value, high: area.value });
    whisker(area.value, ends.low, ends.high, from, index)
}

/// Tables of the two levels.
pub fn levels(evaluation: &Evaluation) -> String {
    let scan = level_table(evaluation, |bundle| &bundle.scan, true);
    let slice = level_table(evaluation, |bundle| &bundle.slice, false);
    section(
        "",
        "Scans",
        "One case a series, at the bundle's own thresholds. Intervals of 95 % stand below: of the AUC DeLong's and a \
         resampled one, of proportions Wilson's, of the rest resampled ones. Undecided series count in the last column only.",
        &scan,
    ) + &section(
        "",
        "Slices",
        "One case a scored slice; its truth is that of its series. Slices of a patient are not independent: \
         the first of the AUC's intervals is Obuchowski's, all others are by resampling whole patients (series, where the \
         patient is not named).",
        &slice,
    )
}

/// A table of one level, scans or slices.
fn level_table(evaluation: &Evaluation, level: fn(&BundleEvaluation) -> &Level, scan: bool) -> String {
    let from = scale_start(evaluation.bundles.iter().filter_map(|bundle| level(bundle).auc.as_ref()));
    let scale = format!("AUC from {from:.1} to 1");
    let (cases, last) = if scan { ("series", "undecided") } else { ("slices", "scored") };
    let mut headers = vec!["bundle", cases, scale.as_str(), "AUC", "avg. precision"];
    headers.extend(["sensitivity", "specificity", "PPV", "NPV", "F1", "accuracy", "Brier", "ECE", last]);
    let row = |(index, bundle): (usize, &BundleEvaluation)| {
        let level = level(bundle);
        let mut row = vec![name(index, bundle), format!("{}<small>{}</small>", level.cases, classes(level))];
        let both = format!("{}{}", area(level.auc.as_ref()), resampled_area(level));
        row.extend([area_whisker(level.auc.as_ref(), from, index), both]);
        row.push(estimate(level.figure(Figure::AveragePrecision)));
        row.extend(proportions(level, scan));
        row.extend([Figure::Brier, Figure::CalibrationError].map(|figure| estimate(level.figure(figure))));
        row.push(if scan { undecided(level) } else { scored(bundle) });
        row
    };
    table(&headers, 1, &evaluation.bundles.iter().enumerate().map(row).collect::<Vec<_>>())
}

fn resampled_area(level: &Level) -> String {
    let interval = level.figure(Figure::Auc).and_then(|auc| auc.bootstrap);
    interval.map_or_else(String::new, |interval| format!("<small>{:.3}–{:.3}</small>", interval.low, interval.high))
}

fn scored(bundle: &BundleEvaluation) -> String {
    bundle.scored_share.map_or_else(|| NONE.to_owned(), |share| percent(share.mean))
}

/// Sensitivity to accuracy: on scans with Wilson's intervals, on slices with resampled ones.
fn proportions(level: &Level, scan: bool) -> [String; 6] {
    let resampled = |figure: Figure| estimate(level.figure(figure));
    if !scan {
        return [
            Figure::Sensitivity,
            Figure::Specificity,
            Figure::PositivePredictiveValue,
            Figure::NegativePredictiveValue,
            Figure::F1,
            Figure::Accuracy,
        ]
        .map(resampled);
    }
    let wilson = &level.wilson;
    [
        proportion(wilson.sensitivity.as_ref()),
        proportion(wilson.specificity.as_ref()),
        proportion(wilson.positive_predictive_value.as_ref()),
        proportion(wilson.negative_predictive_value.as_ref()),
        resampled(Figure::F1),
        proportion(wilson.accuracy.as_ref()),
    ]
}

fn undecided(level: &Level) -> String {
    let share = level
        .wilson
        .decided_share
        .map_or_else(String::new, |decided| format!("<small>{}</small>", percent(1.0 - decided.value)));
    format!("{}{share}", level.confusion.undecided())
}

/// The curves of both levels.
pub fn curves(evaluation: &Evaluation) -> String {
    let legend: String = evaluation
        .bundles
        .iter()
        .enumerate()
        .map(|(index, bundle)| format!("<span>{}{}</span>", key(index), text(&bundle.label)))
        .collect();
    let scan = level_charts(evaluation, "scan", |bundle| &bundle.scan);
    let slice = level_charts(evaluation, "slice", |bundle| &bundle.slice);
    section(
        "long",
        "Curves",
        "Reliability: of the cases that were given about this probability, how many are enhanced; the area \
         of a disc is the number of cases, the dotted line is perfect calibration.",
        &format!("<div class=legend>{legend}</div><h3>Scans</h3>{scan}<h3>Slices</h3>{slice}"),
    )
}

fn level_charts(evaluation: &Evaluation, id: &str, level: fn(&BundleEvaluation) -> &Level) -> String {
    let lines = |of: &dyn Fn(&Level) -> Vec<Point>| -> Vec<Line> {
        let line = |(index, bundle): (usize, &BundleEvaluation)| {
            let points = of(level(bundle));
            (!points.is_empty()).then(|| Line { name: bundle.label.clone(), index, points, weights: Vec::new() })
        };
        evaluation.bundles.iter().enumerate().filter_map(line).collect()
    };
    let (id_roc, id_corner, id_pr, id_reliability) =
        (format!("{id}-roc"), format!("{id}-corner"), format!("{id}-pr"), format!("{id}-reliability"));
    let roc = |id: &str, title: &str, across: [f64; 2], up: [f64; 2]| {
        let lines = lines(&|level| level.roc.clone());
        Chart { id, title, x: "1 − specificity", y: "sensitivity", across, up, diagonal: true, lines }.to_svg()
    };
    let mut charts = roc(&id_roc, "ROC", [0.0, 1.0], [0.0, 1.0]);
    let areas = evaluation.bundles.iter().filter_map(|bundle| level(bundle).auc);
    if areas.map(|area| area.value).fold(0.0, f64::max) > CROWDED {
        charts += &roc(&id_corner, "ROC, upper left corner", [0.0, 0.2], [0.8, 1.0]);
    }
    let precision = lines(&|level| level.precision_recall.clone());
    let unit = [0.0, 1.0];
    charts += &Chart {
        id: &id_pr,
        title: "Precision and recall",
        x: "recall",
        y: "precision",
        across: unit,
        up: unit,
        diagonal: false,
        lines: precision,
    }
    .to_svg();
    charts += &reliability(evaluation, &id_reliability, level);
    format!("<div class=charts>{charts}</div>")
}

fn reliability(evaluation: &Evaluation, id: &str, level: fn(&BundleEvaluation) -> &Level) -> String {
    let line = |(index, bundle): (usize, &BundleEvaluation)| {
        let bins = &level(bundle).reliability;
        Line {
            name: bundle.label.clone(),
            index,
            points: bins.iter().map(|bin| [bin.mean_probability, bin.enhanced_share]).collect(),
            weights: bins.iter().map(|bin| bin.cases).collect(),
        }
    };
    let lines = evaluation.bundles.iter().enumerate().map(line).collect();
    let unit = [0.0, 1.0];
    Chart {
        id,
        title: "Reliability",
        x: "probability",
        y: "enhanced share",
        across: unit,
        up: unit,
        diagonal: true,
        lines,
    }
    .to_svg()
}

/// The confusion matrices of the scan level.
pub fn matrices(evaluation: &Evaluation) -> String {
    let cell = |count: usize, class: &str| {
        format!(
            "<td \
         class=\"{}\">{count}</td>",
            if count == 0 { "zero" } else { class }
        )
    };
    let matrix = |(index, bundle): (usize, &BundleEvaluation)| {
        let found = &bundle.scan.confusion;
        format!(
            "<div class=matrix><h3>{}{}</h3><table><tr><th class=l>truth</th><th>called \
             enhanced</th><th>undecided</th><th>called native</th></tr>\
             <tr><th class=l>enhanced</th>{}{}{}</tr><tr><th class=l>native</th>{}{}{}</tr></table></div>",
            key(index),
            text(&bundle.label),
            cell(found.true_positive, "right"),
            cell(found.undecided_enhanced, ""),
            cell(found.false_negative, "wrong"),
            cell(found.false_positive, "wrong"),
            cell(found.undecided_native, ""),
            cell(found.true_negative, "right"),
        )
    };
    let all: String = evaluation.bundles.iter().enumerate().map(matrix).collect();
    section(
        "",
        "Confusion of scans",
        "Series by truth and by the class that the bundle gave.",
        &format!("<div class=matrices>{all}</div>"),
    )
}

/// Parts of the series, dimension by dimension.
pub fn subgroups(evaluation: &Evaluation) -> String {
    let groups = || evaluation.bundles.iter().flat_map(|bundle| &bundle.subgroups);
    if groups().next().is_none() {
        return String::new();
    }
    let from = scale_start(groups().filter_map(|group| group.scan.auc.as_ref()));
    let scale = format!("scan AUC from {from:.1} to 1");
    let headers = [
        "group",
        "bundle",
        "enhanced + native",
        scale.as_str(),
        "scan AUC",
        "sensitivity",
        "specificity",
        "undecided",
        "slice AUC",
    ];
    let body: String = Dimension::ALL
        .into_iter()
        .map(|by| {
            let rows = group_rows(evaluation, by, from);
            if rows.is_empty() {
                String::new()
            } else {
                format!("<details open><summary>By {}</summary>{}</details>", by.as_str(), table(&headers, 2, &rows))
            }
        })
        .collect();
    section(
        "long",
        "Parts of the series",
        "The same figures on parts of the series. A group with one class only has no AUC.",
        &body,
    )
}

fn group_rows(evaluation: &Evaluation, by: Dimension, from: f64) -> Vec<Vec<String>> {
    let mut rows: Vec<(String, usize, Vec<String>)> = Vec::new();
    for (index, bundle) in evaluation.bundles.iter().enumerate() {
        for group in bundle.subgroups.iter().filter(|group| group.by == by) {
            let scan = &group.scan;
            let row = vec![
                text(&group.group),
                format!("{}{}", key(index), text(&bundle.label)),
                classes(scan),
                area_whisker(scan.auc.as_ref(), from, index),
                area(scan.auc.as_ref()),
                proportion(scan.wilson.sensitivity.as_ref()),
                proportion(scan.wilson.specificity.as_ref()),
                scan.confusion.undecided().to_string(),
                area(group.slice.auc.as_ref()),
            ];
            rows.push((group.group.clone(), index, row));
        }
    }
    rows.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    rows.into_iter().map(|(_, _, row)| row).collect()
}

/// Bundle against bundle.
pub fn comparisons(evaluation: &Evaluation) -> String {
    if evaluation.comparisons.is_empty() {
        return String::new();
    }
    let headers = [
        "first",
        "second",
        "series",
        "AUC, first",
        "AUC, second",
        "difference",
        "p",
        "equal decisions",
        "right alone",
        "distance",
    ];
    let rows: Vec<Vec<String>> = evaluation.comparisons.iter().map(|pair| comparison_row(evaluation, pair)).collect();
    section(
        "long",
        "Bundle against bundle",
        "On the series that both labelled: the difference of the AUC (first minus second) with DeLong's interval and \
         test, the share of series that both put into the same class, how many only one of them decided right, and how \
         far apart their probabilities are. There is no p value where the difference has no spread.",
        &table(&headers, 2, &rows),
    )
}

fn comparison_row(evaluation: &Evaluation, pair: &Comparison) -> Vec<String> {
    let index = |label: &str| evaluation.bundles.iter().position(|bundle| bundle.label == label).unwrap_or(0);
    let named = |label: &str| format!("{}{}", key(index(label)), text(label));
    let note = text(pair.note.as_deref().unwrap_or_default());
    let no_p = || format!("<span title=\"{note}\">{NONE}</span>");
    vec![
        named(&pair.first),
        named(&pair.second),
        pair.series.to_string(),
        number(pair.auc.map(|auc| auc.first)),
        number(pair.auc.map(|auc| auc.second)),
        pair.auc.as_ref().map_or_else(|| NONE.to_owned(), difference),
        pair.auc.and_then(|auc| auc.p).map_or_else(no_p, p_value),
        proportion(pair.equal_decisions.as_ref()),
        format!("{} / {}", pair.only_first_right, pair.only_second_right),
        format!("{:.3}<small>at most {:.3}</small>", pair.mean_distance, pair.largest_distance),
    ]
}

fn difference(auc: &AucDifference) -> String {
    let span = auc.interval.map_or_else(String::new, |interval| {
        format!("<small>{} – {}</small>", signed(interval.low), signed(interval.high))
    });
    format!("{}{span}", signed(auc.difference))
}

/// What became of the series of the truth.
pub fn accounts(evaluation: &Evaluation) -> String {
    let row = |(index, bundle): (usize, &BundleEvaluation)| {
        let share = bundle.scored_share.map_or_else(
            || NONE.to_owned(),
            |share| format!("{} <small>of {} series</small>", percent(share.mean), share.series),
        );
        let thresholds = match (bundle.thresholds.scan, bundle.thresholds.indeterminate) {
            (Some(scan), Some([low, high])) => {
                format!("slice {}, scan {scan}, undecided {low} – {high}", bundle.thresholds.slice)
            }
            _ => format!("slice {} (manifest not at hand)", bundle.thresholds.slice),
        };
        let digest: String = bundle.bundle.digest.chars().take(12).collect();
        vec![
            name(index, bundle),
            text(&account_words(bundle)),
            share,
            thresholds,
            format!("<code>{}</code>", text(&digest)),
        ]
    };
    let rows: Vec<Vec<String>> = evaluation.bundles.iter().enumerate().map(row).collect();
    let headers = ["bundle", "series of the truth", "slices scored of planned", "thresholds", "digest"];
    section(
        "",
        "What was counted",
        "A series counts where the lake has a label of the bundle and the truth is known.",
        &table(&headers, 5, &rows),
    )
}

/// How each figure is made.
pub fn method(evaluation: &Evaluation) -> String {
    let resamples = format!(
        "2.5th to 97.5th percentile of {} resamples with seed {}, drawn with replacement within each class: series for \
         scans, patients for slices.",
        evaluation.resampling.replicates, evaluation.resampling.seed
    );
    let calibration = format!(
        "Mean squared distance of probability and truth; mean distance of probability and enhanced share over {BINS} \
         bins of equal width, weighted by cases. On slices they are of the network's own output, before calibration."
    );
    let terms = [
        ("AUC", AUC_METHOD),
        ("Difference of AUC", "DeLong's test for two scores of the same series; two-sided."),
        ("Resampled intervals", resamples.as_str()),
        ("Proportions", PROPORTION_METHOD),
        ("Brier, ECE", calibration.as_str()),
        ("Average precision", "Sum over the distinct scores of gained recall times precision, without interpolation."),
    ];
    let term = |(term, what): (&str, &str)| format!("<dt>{}</dt><dd>{}</dd>", text(term), text(what));
    let list: String = terms.into_iter().map(term).collect();
    section("", "How the figures are made", "", &format!("<dl>{list}</dl>"))
}
