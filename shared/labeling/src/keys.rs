//! The keys that a series' row may have, known before any pixel is read.

use std::collections::BTreeSet;

use bolus_ct::Series;
use bolus_storage::ObjectRef;
use bolus_study::{Allowed, BundleRef, ReasonCode, RowKey};

use crate::row::content;

/// The keys of one series: one where headers tell its bundle, one for each bundle and one for none where only the image does; with each
/// of them those of a refusal for what the pixel values show, or of a label that overrides it. The series has its row where any of
/// them, or of their failures, is in the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesKeys {
    /// At least one; with what it refuses the series for, where it is the key of a refusal that headers do not tell.
    keys: Vec<(RowKey, Option<ReasonCode>)>,
}

impl SeriesKeys {
    /// The keys under each of `bundles`, of which there is at least one. Where `by_image`, the last of them is that of none.
    pub(crate) fn of(
        series: &Series,
        objects: &[ObjectRef],
        bundles: &[&BundleRef],
        ways: &Ways,
        by_image: bool,
    ) -> Self {
        let content = content(series, objects);
        let mut keys = Vec::new();
        for (place, bundle) in bundles.iter().enumerate() {
            let plain = RowKey::of(series.uid.as_str(), &content, &bundle.digest).of_stack(series.stack.as_ref());
            let key = key_of(plain, ways.adaptive);
            let uncovered = by_image && place + 1 == bundles.len();
            keys.push((key.of_allowed(&ways.overridden), uncovered.then_some(ReasonCode::BodyPart)));
            for code in BY_VALUES {
                keys.push(if ways.allowed.contains(code) {
                    let all = ways.overridden.iter().copied().chain([code]).collect();
                    (key.of_allowed(&all), None)
                } else {
                    (key.of_allowed(&ways.overridden).of_judged(code), Some(code))
                });
            }
        }
        Self { keys }
    }

    /// Every key, in the order of the bundles.
    pub fn all(&self) -> impl Iterator<Item = &RowKey> {
        self.keys.iter().map(|(key, _)| key)
    }

    /// What tells the series from others in one inventory: the first key.
    #[must_use]
    pub fn identity(&self) -> Option<&RowKey> {
        self.all().next()
    }

    /// The key under which the series has its row, as itself or as a failure, where `has` says so of a key.
    pub fn known(&self, has: impl Fn(&RowKey) -> bool) -> Option<&RowKey> {
        self.all().find(|key| has(key) || has(&key.of_failure()))
    }

    /// Why the image, and not the headers, keeps the series from a label, where `key` says so.
    #[must_use]
    pub fn refusal_by_image(&self, key: &RowKey) -> Option<ReasonCode> {
        self.keys.iter().find(|(known, _)| known == key).and_then(|(_, code)| *code)
    }
}

/// The reasons for which the pixel values keep a series from a label.
pub(crate) const BY_VALUES: [ReasonCode; 2] = [ReasonCode::NotHounsfield, ReasonCode::NotAPatient];

/// The ways in which a series may be labelled.
#[derive(Debug)]
pub(crate) struct Ways {
    /// Whether in parts.
    pub adaptive: bool,
    /// The refusals by headers that its label overrides.
    pub overridden: BTreeSet<ReasonCode>,
    /// The refusals that the user overrides.
    pub allowed: Allowed,
}

/// The key of a row by the way it was made.
pub(crate) fn key_of(key: RowKey, adaptive: bool) -> RowKey {
    if adaptive { key.of_adaptive() } else { key }
}
