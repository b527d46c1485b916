//! The curves of both levels.

use bolus_evaluation::report::{BundleEvaluation, Evaluation, Level};
use bolus_evaluation::statistics::Point;
use maud::{Markup, html};

use super::chart::{Chart, Line};
use super::parts::{key, section};

/// Areas above which the corner of the ROC curve gets a drawing of its own.
const CROWDED: f64 = 0.9;
/// An axis from 0 to 1.
const UNIT: [f64; 2] = [0.0, 1.0];

/// The curves of both levels.
pub fn curves(evaluation: &Evaluation) -> Markup {
    let body = html! {
        div.legend {
            @for (index, bundle) in evaluation.bundles.iter().enumerate() { span { (key(index)) (bundle.label) } }
        }
        h3 { "Scans" }
        (level_charts(evaluation, "scan", |bundle| &bundle.scan))
        h3 { "Slices" }
        (level_charts(evaluation, "slice", |bundle| &bundle.slice))
    };
    section(
        "long",
        "Curves",
        "Reliability: of the cases that were given about this probability, how many are enhanced; the area \
         of a disc is the number of cases, the dotted line is perfect calibration.",
        &body,
    )
}

fn level_charts(evaluation: &Evaluation, id: &str, level: fn(&BundleEvaluation) -> &Level) -> Markup {
    let lines = |of: &dyn Fn(&Level) -> Vec<Point>| -> Vec<Line> {
        let line = |(index, bundle): (usize, &BundleEvaluation)| {
            let points = of(level(bundle));
            (!points.is_empty()).then(|| Line { name: bundle.label.clone(), index, points, weights: Vec::new() })
        };
        evaluation.bundles.iter().enumerate().filter_map(line).collect()
    };
    let roc = |id: String, title: &str, across: [f64; 2], up: [f64; 2]| {
        let lines = lines(&|level| level.roc.clone());
        Chart { id: &id, title, x: "1 − specificity", y: "sensitivity", across, up, diagonal: true, lines }.to_svg()
    };
    let areas = evaluation.bundles.iter().filter_map(|bundle| level(bundle).auc);
    let crowded = areas.map(|area| area.value).fold(0.0, f64::max) > CROWDED;
    let precision = Chart {
        id: &format!("{id}-pr"),
        title: "Precision and recall",
        x: "recall",
        y: "precision",
        across: UNIT,
        up: UNIT,
        diagonal: false,
        lines: lines(&|level| level.precision_recall.clone()),
    };
    html! {
        div.charts {
            (roc(format!("{id}-roc"), "ROC", UNIT, UNIT))
            @if crowded { (roc(format!("{id}-corner"), "ROC, upper left corner", [0.0, 0.2], [0.8, 1.0])) }
            (precision.to_svg())
            (reliability(evaluation, &format!("{id}-reliability"), level))
        }
    }
}

fn reliability(evaluation: &Evaluation, id: &str, level: fn(&BundleEvaluation) -> &Level) -> Markup {
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
    let (x, y) = ("probability", "enhanced share");
    Chart { id, title: "Reliability", x, y, across: UNIT, up: UNIT, diagonal: true, lines }.to_svg()
}
