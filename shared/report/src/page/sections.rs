//! The parts of the page that are neither tables of figures nor curves.

use bolus_evaluation::report::Evaluation;
use bolus_evaluation::statistics::BINS;
use maud::{Markup, html};

use super::parts::{key, section};

/// How areas and their intervals are made.
const AUC_METHOD: &str = "Probability that an enhanced case scores higher than a native one, ties counting one half. \
    Interval: DeLong et al. 1988 on the area itself (no logit), ends pulled into 0 to 1; on slices Obuchowski 1997, which \
    allows for cases of one patient that are alike. At an AUC of exactly 1 or 0 these have no width, and Newcombe's score \
    interval (2006, method 5) stands instead.";
/// How proportions are made.
const PROPORTION_METHOD: &str = "At the thresholds of the bundle, over the cases that were decided; series in the \
    indeterminate band stand apart. Interval: Wilson 1927.";

/// The numbers that the whole rests on.
pub fn facts(evaluation: &Evaluation) -> Markup {
    let truth = &evaluation.truth;
    let patients = if truth.patients == 0 { "unknown".to_owned() } else { truth.patients.to_string() };
    let facts = [
        (truth.series.to_string(), "series of known status"),
        (truth.enhanced.to_string(), "enhanced"),
        (truth.native.to_string(), "native"),
        (patients, "patients"),
        (evaluation.bundles.len().to_string(), "bundles"),
    ];
    html! { div.facts { @for (number, what) in &facts { div { b { (number) } span { (what) } } } } }
}

/// The confusion matrices of the scan level.
pub fn matrices(evaluation: &Evaluation) -> Markup {
    let cell = |count: usize, class: &str| html! { td class=(if count == 0 { "zero" } else { class }) { (count) } };
    let body = html! {
        div.matrices {
            @for (index, bundle) in evaluation.bundles.iter().enumerate() {
                @let found = &bundle.scan.confusion;
                div.matrix {
                    h3 { (key(index)) (bundle.label) }
                    table {
                        tr {
                            th.l { "truth" }
                            th { "called enhanced" }
                            th { "undecided" }
                            th { "called native" }
                        }
                        tr {
                            th.l { "enhanced" }
                            (cell(found.true_positive, "right"))
                            (cell(found.undecided_enhanced, ""))
                            (cell(found.false_negative, "wrong"))
                        }
                        tr {
                            th.l { "native" }
                            (cell(found.false_positive, "wrong"))
                            (cell(found.undecided_native, ""))
                            (cell(found.true_negative, "right"))
                        }
                    }
                }
            }
        }
    };
    section("", "Confusion of scans", "Series by truth and by the class that the bundle gave.", &body)
}

/// How each figure is made.
pub fn method(evaluation: &Evaluation) -> Markup {
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
    let body = html! { dl { @for (term, what) in terms { dt { (term) } dd { (what) } } } };
    section("", "How the figures are made", "", &body)
}
