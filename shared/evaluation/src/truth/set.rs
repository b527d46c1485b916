//! The labelled series, and what is asked of all of them.

use std::collections::BTreeMap;

use bolus_study::SeriesUid;

use super::split::Split;

/// A series whose status is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledSeries {
    /// Its Series Instance UID (0020,000E).
    pub series: SeriesUid,
    /// Which stack of it, where the status is that of one.
    pub stack: Option<u32>,
    /// Whether it shows intravenous contrast.
    pub contrast: bool,
    /// The patient, by whatever name the file gives: what keeps a patient's series together in splits and resampling.
    pub patient: Option<String>,
    /// The body part, as the file names it, in lower case.
    pub body_part: Option<String>,
    /// The part of the set that it belongs to.
    pub split: Option<Split>,
    /// The site or the source of the data.
    pub site: Option<String>,
}

/// What a row of a labelled set is of: a series, or a stack of it.
pub type TruthKey = (SeriesUid, Option<u32>);

impl LabelledSeries {
    /// What it is of.
    #[must_use]
    pub fn key(&self) -> TruthKey {
        (self.series.clone(), self.stack)
    }
}

/// Series of known status, each once, in the order of their UIDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelledSet {
    series: BTreeMap<TruthKey, LabelledSeries>,
    unknown: usize,
    repeated: usize,
}

impl LabelledSet {
    /// What is known of a stack of the series of that UID, or of the series as a whole, where its status is known.
    #[must_use]
    pub fn get(&self, series: &SeriesUid, stack: Option<u32>) -> Option<&LabelledSeries> {
        self.series.get(&(series.clone(), stack)).or_else(|| self.series.get(&(series.clone(), None)))
    }

    /// All series, in the order of their UIDs.
    pub fn iter(&self) -> impl Iterator<Item = &LabelledSeries> {
        self.series.values()
    }

    /// How many series have a known status.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether no series has a known status.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Rows that were left out because they do not say whether there is contrast.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// Rows that said again what an earlier one had said.
    #[must_use]
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// The series of one split.
    #[must_use]
    pub fn of_split(&self, split: Split) -> Self {
        let chosen = self.series.iter().filter(|(_, series)| series.split == Some(split));
        Self { series: chosen.map(|(key, series)| (key.clone(), series.clone())).collect(), unknown: 0, repeated: 0 }
    }

    /// Patients whose series are in more than one split: what was learnt of them in one is known in the other.
    #[must_use]
    pub fn patients_in_several_splits(&self) -> Vec<&str> {
        let mut first: BTreeMap<&str, (Split, bool)> = BTreeMap::new();
        for series in self.series.values() {
            if let (Some(patient), Some(split)) = (series.patient.as_deref(), series.split) {
                let entry = first.entry(patient).or_insert((split, false));
                entry.1 |= entry.0 != split;
            }
        }
        first.into_iter().filter(|(_, (_, several))| *several).map(|(patient, _)| patient).collect()
    }

    /// A number for each series, the same for those of one patient; a series whose patient is not known has one of its own. Series of one
    /// number are not independent of each other.
    #[must_use]
    pub fn clusters(&self) -> BTreeMap<&SeriesUid, u32> {
        let mut numbers: BTreeMap<(bool, &str), u32> = BTreeMap::new();
        let mut clusters = BTreeMap::new();
        for series in self.series.values() {
            // A patient may be named like a series.
            let name = series.patient.as_deref().map_or((false, series.series.as_str()), |patient| (true, patient));
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            clusters.insert(&series.series, *numbers.entry(name).or_insert(next));
        }
        clusters
    }

    /// Passes over a row that does not say whether there is contrast.
    pub(super) fn pass_over(&mut self) {
        self.unknown += 1;
    }

    /// Adds what a row says; the same series may be named again as long as nothing contradicts.
    pub(super) fn add(&mut self, series: LabelledSeries) -> Result<(), &'static str> {
        let Some(known) = self.series.get_mut(&series.key()) else {
            self.series.insert(series.key(), series);
            return Ok(());
        };
        if known.contrast != series.contrast {
            return Err("contrast");
        }
        self.repeated += 1;
        merge(&mut known.patient, series.patient, "patient")?;
        merge(&mut known.body_part, series.body_part, "body_part")?;
        merge(&mut known.split, series.split, "split")?;
        merge(&mut known.site, series.site, "site")
    }
}

/// Takes what is new; two values that differ are an error, which is the column's name.
fn merge<T: PartialEq>(known: &mut Option<T>, new: Option<T>, column: &'static str) -> Result<(), &'static str> {
    match (known.as_ref(), new) {
        (Some(old), Some(new)) if *old != new => Err(column),
        (None, Some(new)) => {
            *known = Some(new);
            Ok(())
        }
        _ => Ok(()),
    }
}
