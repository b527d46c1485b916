//! What a row tells of a labelled series beside its class.

use bolus_ct::Series;
use bolus_inference::Manifest;
use bolus_study::{Reason, Remark, RemarkCode};

/// What is known of a label.
pub(crate) struct Told<'a> {
    /// Source slices that it rests on.
    pub sources: usize,
    /// Share of the planned positions that were scored.
    pub coverage: f64,
    /// Why the class is left open.
    pub doubt: Option<&'a str>,
    /// Refusals that were overridden.
    pub overridden: &'a [Reason],
}

/// The remarks on a label of `series`, beside those that its stack has.
pub(crate) fn remarks(series: &Series, manifest: &Manifest, told: &Told<'_>) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = Vec::new();
    if series.derived {
        remarks.push(Remark::new(RemarkCode::Derived, "images made from other images"));
    }
    let few = manifest.decision.few_slices.as_ref().filter(|law| told.sources < law.enough);
    if few.is_some() {
        let slices = if told.sources == 1 { "slice" } else { "slices" };
        let [low, high] = manifest.decision.band(told.sources);
        let detail = format!("{} {slices}, so that {low:.3} to {high:.3} is indeterminate", told.sources);
        remarks.push(Remark::new(RemarkCode::FewSlices, detail));
    }
    if told.coverage < 1.0 {
        let percent = told.coverage * 100.0;
        remarks
            .push(Remark::new(RemarkCode::Gaps, format!("{percent:.0} % of the positions have a slice near enough")));
    }
    remarks.extend(told.doubt.map(|figures| Remark::new(RemarkCode::Doubtful, figures)));
    remarks.extend(told.overridden.iter().map(|reason| Remark::new(RemarkCode::Allowed, reason.to_string())));
    remarks
}
