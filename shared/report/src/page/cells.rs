//! Figures with their intervals, as cells of tables.

use bolus_evaluation::report::{BundleEvaluation, Estimate};
use bolus_evaluation::statistics::{Auc, Interval, Proportion};
use maud::{Markup, html};

use super::chart::whisker;
use super::parts::key;
use crate::words::NONE;

/// A bundle by its line, its label and its version.
pub fn name(index: usize, bundle: &BundleEvaluation) -> Markup {
    html! { (key(index)) (bundle.label) small { "version " (bundle.bundle.version) } }
}

/// An interval below its figure.
pub fn span(interval: &Interval) -> Markup {
    html! { small { (format_args!("{:.3}–{:.3}", interval.low, interval.high)) } }
}

fn with_span(value: f64, interval: Option<&Interval>) -> Markup {
    html! { (format_args!("{value:.3}")) @if let Some(interval) = interval { (span(interval)) } }
}

/// An area with its interval.
pub fn area(area: Option<&Auc>) -> Markup {
    area.map_or_else(none, |area| with_span(area.value, area.interval.as_ref()))
}

/// A proportion with its interval.
pub fn proportion(found: Option<&Proportion>) -> Markup {
    found.map_or_else(none, |found| with_span(found.value, Some(&found.interval)))
}

/// A figure with its resampled interval.
pub fn estimate(found: Option<Estimate>) -> Markup {
    found.map_or_else(none, |found| with_span(found.value, found.bootstrap.as_ref()))
}

/// What stands where there is no figure.
pub fn none() -> Markup {
    html! { (NONE) }
}

/// Where the common scale of areas starts: a tenth below the lowest interval, at a whole tenth.
pub fn scale_start<'a>(areas: impl Iterator<Item = &'a Auc>) -> f64 {
    let low = |area: &Auc| area.interval.map_or(area.value, |interval| interval.low);
    (areas.map(low).fold(1.0, f64::min) * 10.0 - 0.5).floor().clamp(0.0, 9.0) / 10.0
}

/// An area and its interval as a drawing on a scale that starts at `from`; nothing where there is none.
pub fn area_whisker(area: Option<&Auc>, from: f64, index: usize) -> Markup {
    let Some(area) = area else { return Markup::default() };
    let ends = area.interval.unwrap_or(Interval { low: area.value, high: area.value });
    whisker(area.value, ends.low, ends.high, from, index)
}
