//! All figures of one set of cases.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::statistics::{
    Auc, Bin, Case, Confusion, Figure, Interval, Point, Proportion, Resampling, auc, figures, intervals,
    precision_recall_curve, reliability, roc_curve, thinned,
};

/// Points of a curve nearer than this to the one before are left out of a report: they are not seen.
const CURVE_STEP: f64 = 0.002;

/// A figure and its resampled interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Its 95 % percentile interval.
    pub bootstrap: Option<Interval>,
}

/// All figures of the scans or slices of some series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// Cases counted.
    pub cases: usize,
    /// Enhanced ones.
    pub enhanced: usize,
    /// Native ones.
    pub native: usize,
    /// What is drawn in resampling: series on the scan level, patients (or series) on the slice level.
    pub clusters: usize,
    /// Area under the ROC curve with DeLong's interval; on slices Obuchowski's, for cases that are not independent.
    pub auc: Option<Auc>,
    /// Every figure with its resampled interval; null where it cannot be had.
    pub figures: BTreeMap<Figure, Option<Estimate>>,
    /// Counts at the threshold.
    pub confusion: Confusion,
    /// Proportions of these counts with Wilson's intervals, which take cases for independent: on slices they are too narrow.
    pub wilson: Wilson,
    /// Why something could not be had.
    pub notes: Vec<String>,
    /// ROC curve, thinned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roc: Vec<Point>,
    /// Precision-recall curve, thinned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub precision_recall: Vec<Point>,
    /// Reliability curve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reliability: Vec<Bin>,
}

/// Proportions with Wilson's intervals. Undecided cases are in none but the last two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Wilson {
    /// Share of the decided enhanced cases that were called enhanced.
    pub sensitivity: Option<Proportion>,
    /// Share of the decided native cases that were called native.
    pub specificity: Option<Proportion>,
    /// Share of what was called enhanced that is.
    pub positive_predictive_value: Option<Proportion>,
    /// Share of what was called native that is.
    pub negative_predictive_value: Option<Proportion>,
    /// Share of the decided cases that were decided right.
    pub accuracy: Option<Proportion>,
    /// Share of all cases that were decided right.
    pub accuracy_of_all: Option<Proportion>,
    /// Share of all cases that were decided.
    pub decided_share: Option<Proportion>,
}

impl Wilson {
    fn of(confusion: &Confusion) -> Self {
        Self {
            sensitivity: confusion.sensitivity(),
            specificity: confusion.specificity(),
            positive_predictive_value: confusion.positive_predictive_value(),
            negative_predictive_value: confusion.negative_predictive_value(),
            accuracy: confusion.accuracy(),
            accuracy_of_all: confusion.accuracy_of_all(),
            decided_share: confusion.decided_share(),
        }
    }
}

impl Level {
    /// All figures of `cases`, without curves.
    pub(super) fn of(cases: &[Case], resampling: Resampling) -> Self {
        let mut notes = Vec::new();
        let area = match auc(cases) {
            Ok(area) => {
                if area.standard_error.is_none() {
                    notes.push("fewer than two independent cases of a class: no interval of the AUC".to_owned());
                }
                Some(area)
            }
            Err(undefined) => {
                notes.push(format!("no AUC: {undefined}"));
                None
            }
        };
        let (values, bootstrap) = (figures(cases), intervals(cases, resampling));
        let estimate = |figure: Figure| {
            let value = values.get(figure).map(|value| Estimate { value, bootstrap: bootstrap.get(figure) });
            (figure, value)
        };
        let confusion = Confusion::of(cases);
        let enhanced = cases.iter().filter(|case| case.positive).count();
        let clusters: std::collections::BTreeSet<u32> = cases.iter().map(|case| case.cluster).collect();
        Self {
            cases: cases.len(),
            enhanced,
            native: cases.len() - enhanced,
            clusters: clusters.len(),
            auc: area,
            figures: Figure::ALL.into_iter().map(estimate).collect(),
            confusion,
            wilson: Wilson::of(&confusion),
            notes,
            roc: Vec::new(),
            precision_recall: Vec::new(),
            reliability: Vec::new(),
        }
    }

    /// All figures of `cases`, with curves.
    pub(super) fn with_curves(cases: &[Case], resampling: Resampling) -> Self {
        let thin = |curve: Option<Vec<Point>>| thinned(&curve.unwrap_or_default(), CURVE_STEP);
        Self {
            roc: thin(roc_curve(cases)),
            precision_recall: thin(precision_recall_curve(cases)),
            reliability: reliability(cases),
            ..Self::of(cases, resampling)
        }
    }

    /// The value of a figure.
    #[must_use]
    pub fn figure(&self, figure: Figure) -> Option<Estimate> {
        self.figures.get(&figure).copied().flatten()
    }
}
