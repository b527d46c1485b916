//! What the lake has of the series of a labelled set, bundle by bundle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bolus::output;
use bolus_evaluation::report::{BundleId, BundleRows, ScoredSeries, Thresholds};
use bolus_evaluation::truth::{LabelledSeries, LabelledSet};
use bolus_inference::{Bundle, Manifest};
use bolus_lake::{Lake, NewestOutcome, NewestRow, RowFilter};
use bolus_study::{BundleRef, RowKey, SeriesUid};
use sha2::{Digest, Sha256};

use crate::cli::BundleChoice;

/// The slice threshold that is taken where the bundle's manifest is not at hand; the lake's views take it too.
const SLICE_THRESHOLD: f32 = 0.5;
/// The reason that rows are counted under whose numbers are none.
const NOT_A_NUMBER: &str = "not_a_number";
/// How unlabelled series are told to have ended.
const REFUSED: &str = "refused";
const FAILED: &str = "failed";
/// What the version of a bundle is followed by for labels that `--adaptive` made from a part of the slices.
const IN_PART: &str = "+adaptive";

/// The rows of all bundles, or of those chosen, that say something of a series of `truth`.
pub async fn read(lake: &Lake, truth: &LabelledSet, chosen: &[BundleChoice]) -> anyhow::Result<Vec<BundleRows>> {
    let mut collected = Collected::default();
    let bundles = chosen.iter().map(|choice| choice.name.clone()).collect();
    let mut newest = lake.newest(&RowFilter { bundles, ..RowFilter::default() }).await?;
    while let Some(rows) = newest.next_rows().await? {
        rows.into_iter().for_each(|row| collected.add(row, truth));
    }
    for (bundle, (rows, places)) in &mut collected.bundles {
        read_slices(lake, &bundle.digest, places, rows).await?;
        drop_replaced(places, rows);
        refuse_odd_numbers(rows, truth);
        rows.settle_stacks(truth);
        sort(rows);
    }
    Ok(collected.bundles.into_iter().filter(|(id, _)| is_chosen(chosen, id)).map(|(_, (rows, _))| rows).collect())
}

/// Whether a bundle is among the chosen ones, or none is chosen.
fn is_chosen(chosen: &[BundleChoice], id: &BundleId) -> bool {
    chosen.is_empty() || chosen.iter().any(|choice| choice.is(&id.name, &id.version))
}

/// The bundle of a row; labels from a part of the slices count as another, under a version of their own.
fn bundle_of(row: &NewestRow) -> BundleId {
    let part = if matches!(row.outcome, NewestOutcome::Labelled { in_part: true, .. }) { IN_PART } else { "" };
    let BundleRef { name, version, digest } = row.bundle.clone();
    BundleId { name, version: format!("{version}{part}"), digest }
}

/// The codecs by name, where the row tells any.
fn codec(transfer_syntaxes: &[String]) -> Option<String> {
    let names: Vec<&str> = transfer_syntaxes.iter().map(|uid| output::codec_name(uid)).collect();
    Some(names.join(" + ")).filter(|names| !names.is_empty())
}

/// What identifies a row: the key, and the time, since a series that is relabelled keeps its key.
type RowIdentity = (RowKey, i64);

/// The index in its bundle's `scans` of each labelled row.
type Places = HashMap<RowIdentity, usize>;

/// The rows so far.
#[derive(Default)]
struct Collected {
    bundles: BTreeMap<BundleId, (BundleRows, Places)>,
}

impl Collected {
    fn add(&mut self, row: NewestRow, truth: &LabelledSet) {
        let id = bundle_of(&row);
        let empty = || BundleRows {
            bundle: id.clone(),
            thresholds: Thresholds { slice: SLICE_THRESHOLD, scan: None, indeterminate: None },
            scans: Vec::new(),
            without_truth: 0,
            unlabelled: BTreeMap::new(),
            ambiguous: BTreeSet::new(),
        };
        let (rows, places) = self.bundles.entry(id.clone()).or_insert_with(|| (empty(), Places::new()));
        let known = truth.get(&row.series, row.stack).map(LabelledSeries::key);
        match (row.outcome, known) {
            (
                NewestOutcome::Labelled { class, probability, raw_probability, slices_planned, .. },
                Some((series, _)),
            ) => {
                places.insert((row.key.clone(), row.created_at_us), rows.scans.len());
                rows.scans.push(ScoredSeries {
                    series,
                    stack: row.stack,
                    row_key: row.key.as_str().to_owned(),
                    probability,
                    raw_probability,
                    class,
                    slices: Vec::new(),
                    slices_planned,
                    body_part: row.body_part,
                    codec: codec(&row.transfer_syntaxes),
                    slice_thickness_mm: row.slice_thickness_mm,
                    source_uri: row.source_uri,
                });
            }
            (NewestOutcome::Labelled { .. }, None) => rows.without_truth += 1,
            (NewestOutcome::Refused(code), Some(key)) => drop(rows.unlabelled.insert(key, (REFUSED.to_owned(), code))),
            (NewestOutcome::Failed(code), Some(key)) => drop(rows.unlabelled.insert(key, (FAILED.to_owned(), code))),
            (NewestOutcome::Refused(_) | NewestOutcome::Failed(_), None) => {}
        }
    }
}

/// Adds the slices' probabilities to the scans of one bundle.
async fn read_slices(lake: &Lake, digest: &str, places: &Places, rows: &mut BundleRows) -> anyhow::Result<()> {
    if rows.scans.is_empty() {
        return Ok(());
    }
    let filter = RowFilter { bundle_digest: Some(digest.to_owned()), ..RowFilter::default() };
    let mut scored = lake.slice_probabilities(&filter).await?;
    while let Some(part) = scored.next_rows().await? {
        for row in part {
            let place = places.get(&(row.key, row.created_at_us));
            if let Some(scan) = place.and_then(|index| rows.scans.get_mut(*index)) {
                scan.slices.extend(row.probabilities);
            }
        }
    }
    Ok(())
}

/// Drops labels of a series as a whole that later ones of its stacks replaced, and the other way round.
fn drop_replaced(places: &Places, rows: &mut BundleRows) {
    let mut newest: BTreeMap<SeriesUid, (i64, bool)> = BTreeMap::new();
    for ((_, at), index) in places {
        let Some(scan) = rows.scans.get(*index) else { continue };
        let entry = newest.entry(scan.series.clone()).or_insert((*at, scan.stack.is_some()));
        *entry = (*entry).max((*at, scan.stack.is_some()));
    }
    rows.scans.retain(|scan| newest.get(&scan.series).is_none_or(|(_, parted)| *parted == scan.stack.is_some()));
}

/// A query gives rows in any order, and the last bits of a sum depend on it.
fn sort(rows: &mut BundleRows) {
    rows.scans.sort_by(|a, b| (&a.series, a.stack).cmp(&(&b.series, b.stack)));
    for scan in &mut rows.scans {
        scan.slices.sort_by(f32::total_cmp);
    }
}

/// Counts rows whose probabilities are no numbers as failed: no figure could be made of them.
fn refuse_odd_numbers(rows: &mut BundleRows, truth: &LabelledSet) {
    let unit = |value: f64| (0.0..=1.0).contains(&value);
    let (sound, odd): (Vec<ScoredSeries>, Vec<ScoredSeries>) =
        std::mem::take(&mut rows.scans).into_iter().partition(|scan| {
            unit(scan.probability)
                && unit(scan.raw_probability)
                && scan.slices.iter().all(|probability| unit(f64::from(*probability)))
        });
    rows.scans = sound;
    for scan in odd {
        let key = truth.get(&scan.series, scan.stack).map(LabelledSeries::key);
        rows.unlabelled.extend(key.map(|key| (key, (FAILED.to_owned(), NOT_A_NUMBER.to_owned()))));
    }
}

/// Takes the thresholds from the bundles' manifests where these are at hand. Returns the bundles whose manifest is not.
pub fn look_up_thresholds(rows: &mut [BundleRows], folders: &[PathBuf]) -> Vec<String> {
    let folders = Bundle::folders(folders);
    let mut unknown = Vec::new();
    for rows in rows {
        match folders.iter().find_map(|folder| manifest(&folder.join(&rows.bundle.name), &rows.bundle.digest)) {
            Some(manifest) => {
                rows.thresholds = Thresholds {
                    slice: manifest.decision.slice_threshold,
                    scan: Some(manifest.decision.scan_threshold),
                    indeterminate: Some(manifest.decision.indeterminate),
                }
            }
            None => unknown.push(format!("{}@{}", rows.bundle.name, rows.bundle.version)),
        }
    }
    unknown
}

/// The manifest in `folder`, if it is the one of that digest.
fn manifest(folder: &Path, digest: &str) -> Option<Manifest> {
    let text = std::fs::read(folder.join("bundle.toml")).ok()?;
    (hex::encode(Sha256::digest(&text)) == digest).then_some(())?;
    Manifest::parse(std::str::from_utf8(&text).ok()?).ok()
}
