//! Which bundle is for a series: by its headers, or by a look at its image where they do not tell.

use std::sync::Arc;

use bolus_ct::Series;
use bolus_inference::{Bundle, BundleSet};
use bolus_ops::CpuPool;
use bolus_preprocess::Sighting;
use bolus_storage::ObjectRef;
use bolus_study::{Allowed, BodyPartFinding, BodyPartSource, BundleRef, Reason, ReasonCode};

use crate::look::{Look, look};
use crate::prepare::{overridden, planned_slices};
use crate::progress::Progress;

/// Where a series goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// To the bundle at this place of the set.
    To(usize),
    /// Headers do not name a body part: the image decides.
    ByImage,
    /// To no bundle.
    Refused(Reason),
}

/// A route that is settled.
#[derive(Debug)]
pub struct Routed {
    /// The place of the bundle in the set, or why there is none.
    pub bundle: Result<usize, Reason>,
    /// What the image shows, where it was looked at and tells.
    pub body_part: Option<BodyPartFinding>,
    /// What was seen, in words, where the image was looked at.
    pub seen: Option<String>,
    /// Files whose pixel data could not be looked at.
    pub lost: Vec<(usize, Reason)>,
}

/// Sends series to bundles.
#[derive(Debug, Clone)]
pub struct Router {
    set: Arc<BundleSet>,
    allowed: Allowed,
}

impl Router {
    /// Sends series to the bundles of `set`.
    #[must_use]
    pub fn new(set: Arc<BundleSet>) -> Self {
        Self { set, allowed: Allowed::NOTHING }
    }

    /// The same, with these refusals overridden.
    #[must_use]
    pub fn allowing(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
    }

    /// The refusals that are overridden.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// The route as far as headers tell. Nothing is read.
    #[must_use]
    pub fn by_headers(&self, series: &Series) -> Route {
        if !self.set.is_auto() {
            return Route::To(0);
        }
        let judgement = series.judgement.as_ref().filter(|reason| !self.allowed.contains(reason.code));
        match (&series.body_part, series.refusal.as_ref().or(judgement)) {
            (Some(finding), refusal) => match (self.set.covering(&finding.parts), refusal) {
                (Some(place), _) => Route::To(place),
                (None, Some(reason)) => Route::Refused(reason.clone()),
                (None, None) => Route::Refused(self.uncovered(finding)),
            },
            (None, Some(reason)) => Route::Refused(reason.clone()),
            // What every bundle refuses for its geometry needs no look.
            (None, None) => {
                match self.set.bundles().iter().map(|bundle| self.slices(bundle, series)).collect::<Vec<_>>() {
                    all if all.iter().any(Result::is_ok) => Route::ByImage,
                    all => all.into_iter().find_map(Result::err).map_or(Route::ByImage, Route::Refused),
                }
            }
        }
    }

    /// The route of `series`, by a look at up to sixteen of its slices where headers do not tell.
    pub async fn route(&self, series: &Series, objects: &[ObjectRef], cpu: &CpuPool, progress: &Progress) -> Routed {
        let settled = |bundle| Routed { bundle, body_part: None, seen: None, lost: Vec::new() };
        match self.by_headers(series) {
            Route::To(place) => settled(Ok(place)),
            Route::Refused(reason) => settled(Err(reason)),
            Route::ByImage => self.by_look(look(series, objects, cpu, progress).await),
        }
    }

    fn by_look(&self, look: Look) -> Routed {
        let Look { sighting, lost } = look;
        let Sighting { parts, lead, why } = match sighting {
            Ok(sighting) => sighting,
            Err(reason) => return Routed { bundle: Err(reason), body_part: None, seen: None, lost },
        };
        let finding = BodyPartFinding { parts, source: BodyPartSource::Image };
        // The image tells how much of the series each part is, which headers do not.
        let of_lead = lead.and_then(|part| self.set.covering(&[part]));
        let bundle = match of_lead.or_else(|| self.set.covering(&finding.parts)) {
            Some(place) => Ok(place),
            None if finding.parts.is_empty() => Err(Reason::new(
                ReasonCode::BodyPart,
                format!("neither tags nor words name the body part, and the image does not tell it ({why})"),
            )),
            None => Err(self.uncovered(&finding)),
        };
        let body_part = (!finding.parts.is_empty()).then_some(finding);
        Routed { bundle, body_part, seen: Some(why), lost }
    }

    /// The bundles under which a series may have its row.
    pub(crate) fn references(&self, route: &Route) -> Vec<&BundleRef> {
        match route {
            Route::To(place) => self.set.bundles().get(*place).map(|bundle| &bundle.reference).into_iter().collect(),
            Route::Refused(_) => vec![self.set.reference()],
            Route::ByImage => {
                self.set.bundles().iter().map(|bundle| &bundle.reference).chain([self.set.reference()]).collect()
            }
        }
    }

    /// Why a series is refused, as far as headers tell; none where it may be labelled.
    #[must_use]
    pub fn refusal(&self, series: &Series) -> Option<Reason> {
        match self.by_headers(series) {
            Route::Refused(reason) => Some(reason),
            Route::ByImage => None,
            Route::To(place) => self.set.bundles().get(place).and_then(|bundle| self.slices(bundle, series).err()),
        }
    }

    /// Number of slices that `bundle` would score of the series.
    ///
    /// # Errors
    /// The [`Reason`] why it would not take the series, as far as headers tell.
    pub(crate) fn slices(&self, bundle: &Bundle, series: &Series) -> Result<usize, Reason> {
        let manifest = &bundle.manifest;
        planned_slices(&manifest.preprocessing, Some(&manifest.body_parts), series, &self.allowed)
    }

    /// The judgements on `series` that are overridden where `bundle` labels it, as far as headers tell.
    pub(crate) fn overridden(&self, bundle: &Bundle, series: &Series) -> Vec<Reason> {
        overridden(&bundle.manifest.preprocessing, series, &self.allowed)
    }

    fn uncovered(&self, finding: &BodyPartFinding) -> Reason {
        let covered = self.set.body_parts().iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
        let (parts, source) = (finding.joined(), finding.source.as_str());
        Reason::new(ReasonCode::BodyPart, format!("no bundle covers {parts} (by {source}), only {covered}"))
    }
}
