//! What the lake has of the series of a labelled set, bundle by bundle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context;
use bolus_evaluation::report::{BundleId, BundleRows, Scan, Thresholds};
use bolus_evaluation::truth::{LabelledSeries, LabelledSet};
use bolus_inference::{Bundle, Manifest};
use bolus_lake::Lake;
use bolus_study::{PredictedClass, SeriesUid};
use sha2::{Digest, Sha256};

use super::args::BundleChoice;
use crate::show;

/// The slice threshold that is taken where the bundle's manifest is not at hand; the lake's views take it too.
const SLICE_THRESHOLD: f32 = 0.5;
/// The reason that rows are counted under whose numbers are none.
const NOT_A_NUMBER: &str = "not_a_number";
/// What the version of a bundle is followed by for labels that `--adaptive` made from a part of the slices.
const IN_PART: &str = "+adaptive";
/// Between the transfer syntaxes of a row, in [`query`].
const BETWEEN: char = ' ';

/// The rows of all bundles, or of those chosen, that say something of a series of `truth`.
pub async fn read(lake: &Lake, truth: &LabelledSet, chosen: &[BundleChoice]) -> anyhow::Result<Vec<BundleRows>> {
    let mut collected = Collected::default();
    let mut result = lake.sql(&query(chosen)).await?;
    while let Some(rows) = result.next_rows().await? {
        for row in rows {
            let row = <[String; COLUMNS]>::try_from(row).map_err(|_| anyhow::anyhow!("the lake gives odd rows"))?;
            collected.add(&Row(row), truth)?;
        }
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

/// Columns of [`query`].
const COLUMNS: usize = 18;

/// The newest labelled row of each series, or of each of its stacks, under each bundle, whole labels apart from those of `--adaptive` that stopped early, and
/// the newest of what was refused or failed.
fn query(chosen: &[BundleChoice]) -> String {
    let names: Vec<String> = chosen.iter().map(|choice| format!("'{}'", choice.name.replace('\'', "''"))).collect();
    let only = if names.is_empty() { String::new() } else { format!(" AND bundle_name IN ({})", names.join(", ")) };
    format!(
        "SELECT series_instance_uid, row_key, made_at, bundle_name, bundle_version, bundle_digest, status, reason_code,
                probability, raw_probability, predicted_class, slices_planned, body_part, codecs, \
                slice_thickness_mm, source_uri, in_part, stack
         FROM (
             SELECT *, row_number() OVER (
                 PARTITION BY series_instance_uid, stack, bundle_digest, status = 'labelled', in_part ORDER BY made_at DESC, row_key
             ) AS newest
             FROM (
                 SELECT series_instance_uid, row_key, CAST(created_at AS BIGINT) AS made_at, bundle_name, \
                 bundle_version, bundle_digest,
                        status, reason_code, probability, raw_probability, predicted_class, slices_planned, body_part, stack,
                        coalesce(slices_planned > array_length(slices), false) AS in_part,
                        array_to_string(transfer_syntaxes, '{BETWEEN}') AS codecs, slice_thickness_mm, source_uri
                 FROM labels
                 WHERE series_instance_uid IS NOT NULL{only}
             )
         )
         WHERE newest = 1"
    )
}

/// One row of [`query`].
struct Row([String; COLUMNS]);

impl Row {
    fn text(&self, column: usize) -> Option<String> {
        Some(self.0[column].clone()).filter(|text| !text.is_empty())
    }

    /// The number in a column; one that cannot be read is no number.
    fn number(&self, column: usize) -> f64 {
        self.0[column].parse().unwrap_or(f64::NAN)
    }

    /// The bundle; labels from a part of the slices count as another, under a version of their own.
    fn bundle(&self) -> BundleId {
        let part = if self.0[16] == "true" { IN_PART } else { "" };
        BundleId { name: self.0[3].clone(), version: format!("{}{part}", self.0[4]), digest: self.0[5].clone() }
    }

    /// Which stack of its series the row is about, where there are several.
    fn stack(&self) -> Option<u32> {
        self.0[17].parse().ok()
    }

    fn scan(&self, series: SeriesUid) -> anyhow::Result<Scan> {
        let codecs: Vec<&str> = self.0[13].split(BETWEEN).filter(|uid| !uid.is_empty()).map(show::codec_name).collect();
        Ok(Scan {
            series,
            stack: self.stack(),
            row_key: self.0[1].clone(),
            probability: self.number(8),
            raw_probability: self.number(9),
            class: class(&self.0[10])?,
            slices: Vec::new(),
            slices_planned: self.0[11].parse().ok(),
            body_part: self.text(12),
            codec: Some(codecs.join(" + ")).filter(|names| !names.is_empty()),
            slice_thickness_mm: self.0[14].parse().ok(),
            source_uri: self.0[15].clone(),
        })
    }
}

fn class(name: &str) -> anyhow::Result<PredictedClass> {
    [PredictedClass::Enhanced, PredictedClass::Native, PredictedClass::Indeterminate]
        .into_iter()
        .find(|class| class.as_str() == name)
        .with_context(|| format!("the lake has a predicted class {name:?} that this program does not know"))
}

/// What identifies a row: the key, and the time, since a series that is relabelled keeps its key.
type RowIdentity = (String, String);

/// The index in its bundle's `scans` of each labelled row.
type Places = HashMap<RowIdentity, usize>;

/// The rows so far.
#[derive(Default)]
struct Collected {
    bundles: BTreeMap<BundleId, (BundleRows, Places)>,
}

impl Collected {
    fn add(&mut self, row: &Row, truth: &LabelledSet) -> anyhow::Result<()> {
        let id = row.bundle();
        let empty = || BundleRows {
            bundle: id.clone(),
            thresholds: Thresholds { slice: SLICE_THRESHOLD, scan: None, indeterminate: None },
            scans: Vec::new(),
            without_truth: 0,
            unlabelled: BTreeMap::new(),
            ambiguous: BTreeSet::new(),
        };
        let (rows, places) = self.bundles.entry(id.clone()).or_insert_with(|| (empty(), Places::new()));
        let series = SeriesUid::try_from(row.0[0].clone()).ok();
        let key = series.and_then(|series| truth.get(&series, row.stack())).map(LabelledSeries::key);
        let known = key.as_ref().map(|(series, _)| series.clone());
        match (known, row.0[6].as_str()) {
            (Some(series), "labelled") => {
                places.insert((row.0[1].clone(), row.0[2].clone()), rows.scans.len());
                rows.scans.push(row.scan(series)?);
            }
            (Some(_), status) => {
                rows.unlabelled.extend(key.map(|key| (key, (status.to_owned(), row.0[7].clone()))));
            }
            (None, "labelled") => rows.without_truth += 1,
            (None, _) => {}
        }
        Ok(())
    }
}

/// Adds the slices' probabilities to the scans of one bundle.
async fn read_slices(lake: &Lake, digest: &str, places: &Places, rows: &mut BundleRows) -> anyhow::Result<()> {
    if rows.scans.is_empty() {
        return Ok(());
    }
    let query = format!(
        "SELECT row_key, made_at, slice['probability'] AS probability
         FROM (
             SELECT row_key, CAST(created_at AS BIGINT) AS made_at, unnest(slices) AS slice
             FROM labels
             WHERE status = 'labelled' AND bundle_digest = '{}'
         )",
        digest.replace('\'', "''")
    );
    let mut result = lake.sql(&query).await?;
    while let Some(part) = result.next_rows().await? {
        for row in part {
            let [key, at, probability] =
                <[String; 3]>::try_from(row).map_err(|_| anyhow::anyhow!("the lake gives odd rows"))?;
            if let Some(scan) = places.get(&(key, at)).and_then(|index| rows.scans.get_mut(*index)) {
                scan.slices.push(probability.parse().unwrap_or(f32::NAN));
            }
        }
    }
    Ok(())
}

/// Drops labels of a series as a whole that later ones of its stacks replaced, and the other way round.
fn drop_replaced(places: &Places, rows: &mut BundleRows) {
    let mut newest: BTreeMap<SeriesUid, (i64, bool)> = BTreeMap::new();
    for ((_, at), index) in places {
        let (Some(scan), Ok(at)) = (rows.scans.get(*index), at.parse::<i64>()) else { continue };
        let entry = newest.entry(scan.series.clone()).or_insert((at, scan.stack.is_some()));
        *entry = (*entry).max((at, scan.stack.is_some()));
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
    let (sound, odd): (Vec<Scan>, Vec<Scan>) = std::mem::take(&mut rows.scans).into_iter().partition(|scan| {
        unit(scan.probability)
            && unit(scan.raw_probability)
            && scan.slices.iter().all(|probability| unit(f64::from(*probability)))
    });
    rows.scans = sound;
    for scan in odd {
        let key = truth.get(&scan.series, scan.stack).map(LabelledSeries::key);
        rows.unlabelled.extend(key.map(|key| (key, ("failed".to_owned(), NOT_A_NUMBER.to_owned()))));
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
