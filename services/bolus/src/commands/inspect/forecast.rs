//! What would become of a series.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bolus_ct::Series;
use bolus_inference::BundleSet;
use bolus_labeling::{Inventory, Progress, Routed, Router, nothing_decoded};
use bolus_ops::CpuPool;
use bolus_study::{BodyPartFinding, Reason};

/// What would become of a series.
pub struct Forecast {
    /// Why it would not be labelled.
    pub refusal: Option<Reason>,
    /// The bundle that would label it.
    pub bundle: Option<String>,
    /// What told the bundle: `named`, `tag`, `words` or `image`.
    pub bundle_by: Option<&'static str>,
    pub body_part: Option<BodyPartFinding>,
    /// What a look at the image showed.
    pub seen: Option<String>,
    pub axial_tolerance_deg: f64,
    /// Files that no slice can come of, with the reasons.
    pub refused: Vec<(usize, Reason)>,
}

impl Forecast {
    /// The forecast, knowing which files cannot be decoded.
    pub fn knowing(mut self, series: &Series, undecoded: &BTreeMap<usize, Reason>) -> Self {
        if undecoded.is_empty() {
            return self;
        }
        let known: BTreeSet<usize> = series.refused.iter().map(|(object, _)| *object).collect();
        let slices: BTreeSet<usize> = series.slices.iter().map(|slice| slice.object).collect();
        let lost = undecoded.iter().filter(|(object, _)| slices.contains(object) && !known.contains(object));
        self.refused.extend(lost.map(|(object, reason)| (*object, reason.clone())));
        self.refusal = self.refusal.or_else(|| nothing_decoded(series, undecoded));
        if self.refusal.is_some() {
            (self.bundle, self.bundle_by) = (None, None);
        }
        self
    }
}

/// Tells the forecast of series.
pub struct Forecaster {
    pub bundles: Arc<BundleSet>,
    pub router: Router,
}

impl Forecaster {
    /// The forecast of one series; the image is looked at where only it can tell the bundle.
    pub async fn forecast(
        &self,
        series: &Series,
        inventory: &Inventory,
        cpu: &CpuPool,
        progress: &Progress,
    ) -> Forecast {
        let Routed { bundle, body_part, seen, .. } = self.router.route(series, &inventory.objects, cpu, progress).await;
        let body_part = series.body_part.clone().or(body_part);
        let any = self.bundles.bundles().first();
        let chosen = bundle.as_ref().ok().and_then(|place| self.bundles.bundles().get(*place));
        let manifest = chosen.or(any).map(|bundle| &bundle.manifest);
        let by =
            if self.bundles.is_auto() { body_part.as_ref().map(|found| found.source.as_str()) } else { Some("named") };
        let refusal = bundle.err().or_else(|| self.router.refusal(series));
        Forecast {
            bundle: chosen.filter(|_| refusal.is_none()).map(|bundle| bundle.manifest.name.clone()),
            bundle_by: by.filter(|_| refusal.is_none()),
            refusal,
            body_part,
            seen,
            axial_tolerance_deg: manifest.map_or(0.0, |manifest| manifest.preprocessing.axial_tolerance_deg),
            refused: series.refused.clone(),
        }
    }
}
