//! The keys that a series' row may have, known before any pixel is read.

use std::collections::BTreeSet;

use bolus_ct::Series;
use bolus_storage::ObjectRef;
use bolus_study::{BundleRef, ReasonCode, RowKey};

use crate::row::content;

/// The keys of one series: one where headers tell its bundle, one for each bundle and one for none where only the image does. The series
/// has its row where any of them, or of their failures, is in the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesKeys {
    /// At least one.
    keys: Vec<RowKey>,
    /// Whether the last is the key of a series that the image keeps from every bundle.
    by_image: bool,
}

impl SeriesKeys {
    /// The keys under each of `bundles`, of which there is at least one.
    pub(crate) fn of(
        series: &Series,
        objects: &[ObjectRef],
        bundles: &[&BundleRef],
        ways: &Ways,
        by_image: bool,
    ) -> Self {
        let content = content(series, objects);
        let key = |bundle: &BundleRef| {
            key_of(RowKey::of(series.uid.as_str(), &content, &bundle.digest), ways.adaptive)
        };
        let under = |set| bundles.iter().map(move |bundle| key(bundle).of_allowed(set));
        Self { keys: ways.overridden.iter().flat_map(under).collect(), by_image }
    }

    /// Every key, in the order of the bundles.
    pub fn all(&self) -> impl Iterator<Item = &RowKey> {
        self.keys.iter()
    }

    /// What tells the series from others in one scan: the first key.
    #[must_use]
    pub fn identity(&self) -> Option<&RowKey> {
        self.keys.first()
    }

    /// The key under which the series has its row, as itself or as a failure, where `has` says so of a key.
    pub fn known(&self, has: impl Fn(&RowKey) -> bool) -> Option<&RowKey> {
        self.keys.iter().find(|key| has(key) || has(&key.of_failure()))
    }

    /// Whether `key` says that the image kept the series from every bundle.
    #[must_use]
    pub fn is_refusal_by_image(&self, key: &RowKey) -> bool {
        self.by_image && self.keys.last() == Some(key)
    }
}

/// The ways in which a series may be labelled.
#[derive(Debug)]
pub(crate) struct Ways {
    /// Whether in parts.
    pub adaptive: bool,
    /// The sets of refusals that its label may have overridden: at least one, which may be empty.
    pub overridden: Vec<BTreeSet<ReasonCode>>,
}

/// The key of a row by the way it was made.
pub(crate) fn key_of(key: RowKey, adaptive: bool) -> RowKey {
    if adaptive { key.of_adaptive() } else { key }
}
