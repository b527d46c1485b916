//! The tables of the page.

use bolus_evaluation::report::{BundleEvaluation, Comparison, Dimension, Evaluation, Level};
use bolus_evaluation::statistics::{AucDifference, Figure};
use maud::{Markup, html};

use super::cells::{area, area_whisker, estimate, name, none, proportion, scale_start, span};
use super::parts::{key, section, table};
use crate::words::{NONE, account_words, classes, number, p_value, percent, signed};

/// Tables of the two levels.
pub fn levels(evaluation: &Evaluation) -> Markup {
    let scan = level_table(evaluation, |bundle| &bundle.scan, true);
    let slice = level_table(evaluation, |bundle| &bundle.slice, false);
    let scans = section(
        "",
        "Scans",
        "One case a series, at the bundle's own thresholds. Intervals of 95 % stand below: of the AUC DeLong's and a \
         resampled one, of proportions Wilson's, of the rest resampled ones. Undecided series count in the last column only.",
        &scan,
    );
    let slices = section(
        "",
        "Slices",
        "One case a scored slice; its truth is that of its series. Slices of a patient are not independent: \
         the first of the AUC's intervals is Obuchowski's, all others are by resampling whole patients (series, where the \
         patient is not named).",
        &slice,
    );
    html! { (scans) (slices) }
}

/// A table of one level, scans or slices.
fn level_table(evaluation: &Evaluation, level: fn(&BundleEvaluation) -> &Level, scan: bool) -> Markup {
    let from = scale_start(evaluation.bundles.iter().filter_map(|bundle| level(bundle).auc.as_ref()));
    let scale = format!("AUC from {from:.1} to 1");
    let (cases, last) = if scan { ("series", "undecided") } else { ("slices", "scored") };
    let mut headers = vec!["bundle", cases, scale.as_str(), "AUC", "avg. precision"];
    headers.extend(["sensitivity", "specificity", "PPV", "NPV", "F1", "accuracy", "Brier", "ECE", last]);
    let row = |(index, bundle): (usize, &BundleEvaluation)| {
        let level = level(bundle);
        let mut row = vec![name(index, bundle), html! { (level.cases) small { (classes(level)) } }];
        let both = html! { (area(level.auc.as_ref())) (resampled_area(level)) };
        row.extend([area_whisker(level.auc.as_ref(), from, index), both]);
        row.push(estimate(level.figure(Figure::AveragePrecision)));
        row.extend(proportions(level, scan));
        row.extend([Figure::Brier, Figure::CalibrationError].map(|figure| estimate(level.figure(figure))));
        row.push(if scan { undecided(level) } else { scored(bundle) });
        row
    };
    table(&headers, 1, &evaluation.bundles.iter().enumerate().map(row).collect::<Vec<_>>())
}

fn resampled_area(level: &Level) -> Markup {
    let interval = level.figure(Figure::Auc).and_then(|auc| auc.bootstrap);
    interval.as_ref().map_or_else(Markup::default, span)
}

fn scored(bundle: &BundleEvaluation) -> Markup {
    bundle.scored_share.map_or_else(none, |share| html! { (percent(share.mean)) })
}

/// Sensitivity to accuracy: on scans with Wilson's intervals, on slices with resampled ones.
fn proportions(level: &Level, scan: bool) -> [Markup; 6] {
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

fn undecided(level: &Level) -> Markup {
    html! {
        (level.confusion.undecided())
        @if let Some(decided) = level.wilson.decided_share { small { (percent(1.0 - decided.value)) } }
    }
}

/// Parts of the series, dimension by dimension.
pub fn subgroups(evaluation: &Evaluation) -> Markup {
    let groups = || evaluation.bundles.iter().flat_map(|bundle| &bundle.subgroups);
    if groups().next().is_none() {
        return Markup::default();
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
    let body = html! {
        @for by in Dimension::ALL {
            @let rows = group_rows(evaluation, by, from);
            @if !rows.is_empty() {
                details open { summary { "By " (by.as_str()) } (table(&headers, 2, &rows)) }
            }
        }
    };
    section(
        "long",
        "Parts of the series",
        "The same figures on parts of the series. A group with one class only has no AUC.",
        &body,
    )
}

fn group_rows(evaluation: &Evaluation, by: Dimension, from: f64) -> Vec<Vec<Markup>> {
    let mut rows: Vec<(&str, usize, Vec<Markup>)> = Vec::new();
    for (index, bundle) in evaluation.bundles.iter().enumerate() {
        for group in bundle.subgroups.iter().filter(|group| group.by == by) {
            let scan = &group.scan;
            let row = vec![
                html! { (group.group) },
                html! { (key(index)) (bundle.label) },
                html! { (classes(scan)) },
                area_whisker(scan.auc.as_ref(), from, index),
                area(scan.auc.as_ref()),
                proportion(scan.wilson.sensitivity.as_ref()),
                proportion(scan.wilson.specificity.as_ref()),
                html! { (scan.confusion.undecided()) },
                area(group.slice.auc.as_ref()),
            ];
            rows.push((&group.group, index, row));
        }
    }
    rows.sort_by_key(|(group, index, _)| (*group, *index));
    rows.into_iter().map(|(_, _, row)| row).collect()
}

/// Bundle against bundle.
pub fn comparisons(evaluation: &Evaluation) -> Markup {
    if evaluation.comparisons.is_empty() {
        return Markup::default();
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
    let rows: Vec<Vec<Markup>> = evaluation.comparisons.iter().map(|pair| comparison_row(evaluation, pair)).collect();
    section(
        "long",
        "Bundle against bundle",
        "On the series that both labelled: the difference of the AUC (first minus second) with DeLong's interval and \
         test, the share of series that both put into the same class, how many only one of them decided right, and how \
         far apart their probabilities are. There is no p value where the difference has no spread.",
        &table(&headers, 2, &rows),
    )
}

fn comparison_row(evaluation: &Evaluation, pair: &Comparison) -> Vec<Markup> {
    let index = |label: &str| evaluation.bundles.iter().position(|bundle| bundle.label == label).unwrap_or(0);
    let named = |label: &str| html! { (key(index(label))) (label) };
    let no_p = || html! { span title=(pair.note.as_deref().unwrap_or_default()) { (NONE) } };
    vec![
        named(&pair.first),
        named(&pair.second),
        html! { (pair.series) },
        html! { (number(pair.auc.map(|auc| auc.first))) },
        html! { (number(pair.auc.map(|auc| auc.second))) },
        pair.auc.as_ref().map_or_else(none, difference),
        pair.auc.and_then(|auc| auc.p).map_or_else(no_p, |p| html! { (p_value(p)) }),
        proportion(pair.equal_decisions.as_ref()),
        html! { (pair.only_first_right) " / " (pair.only_second_right) },
        html! {
            (format_args!("{:.3}", pair.mean_distance))
            small { (format_args!("at most {:.3}", pair.largest_distance)) }
        },
    ]
}

fn difference(auc: &AucDifference) -> Markup {
    html! {
        (signed(auc.difference))
        @if let Some(interval) = auc.interval { small { (signed(interval.low)) " – " (signed(interval.high)) } }
    }
}

/// What became of the series of the truth.
pub fn accounts(evaluation: &Evaluation) -> Markup {
    let row = |(index, bundle): (usize, &BundleEvaluation)| {
        let share = bundle.scored_share.map_or_else(none, |share| {
            html! { (percent(share.mean)) " " small { "of " (share.series) " series" } }
        });
        let thresholds = match (bundle.thresholds.scan, bundle.thresholds.indeterminate) {
            (Some(scan), Some([low, high])) => {
                format!("slice {}, scan {scan}, undecided {low} – {high}", bundle.thresholds.slice)
            }
            _ => format!("slice {} (manifest not at hand)", bundle.thresholds.slice),
        };
        let digest: String = bundle.bundle.digest.chars().take(12).collect();
        vec![
            name(index, bundle),
            html! { (account_words(bundle)) },
            share,
            html! { (thresholds) },
            html! { code { (digest) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = evaluation.bundles.iter().enumerate().map(row).collect();
    let headers = ["bundle", "series of the truth", "slices scored of planned", "thresholds", "digest"];
    section(
        "",
        "What was counted",
        "A series counts where the lake has a label of the bundle and the truth is known.",
        &table(&headers, 5, &rows),
    )
}
