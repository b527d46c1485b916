//! Times the lake's steps on a local folder: `cargo run --release -p bolus-lake --example lake_timings [ROWS]`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Instant;

use bolus_lake::{AppendOptions, Lake};
use bolus_study::{Audit, Outcome, PredictedClass, Prediction, SliceScore};
use bolus_study::{
    BundleRef, ContentDigest, InstanceFingerprint, LabelRow, RowKey, SeriesFacts, SeriesUid, SopInstanceUid,
};
use object_store::local::LocalFileSystem;
use url::Url;

/// Slices in each generated row.
const SLICES: u16 = 20;

/// Rows in each append.
const BATCH: usize = 50_000;

fn row(number: usize) -> Result<LabelRow, Box<dyn std::error::Error>> {
    let series = SeriesUid::new(&format!("1.2.826.0.1.3680043.{number}"))?;
    let content = ContentDigest::of(vec![InstanceFingerprint { instance: number.to_string(), etag: String::new() }]);
    let slice = |z: u16| {
        let sop_instance_uid = SopInstanceUid::new(&format!("1.2.826.0.1.3680043.{number}.{z}"))?;
        Ok(SliceScore { z_mm: f64::from(z), sop_instance_uid, probability: f32::from(z) / f32::from(SLICES) })
    };
    let slices = (0..SLICES).map(slice).collect::<Result<Vec<_>, bolus_study::UidError>>()?;
    Ok(LabelRow {
        key: RowKey::of(series.as_str(), &content, "timings"),
        study_uid: None,
        series_uid: Some(series),
        series_uid_derived: false,
        stack: None,
        patient_key: None,
        source_uri: format!("s3://archive/{number}/"),
        content,
        bundle: BundleRef { name: "timings".into(), version: "1.0.0".into(), digest: "timings".into() },
        facts: SeriesFacts { slices: usize::from(SLICES), ..SeriesFacts::default() },
        body_part: None,
        declared: None,
        outcome: Outcome::Labelled(Prediction {
            class: PredictedClass::Enhanced,
            probability: 0.75,
            raw_probability: 0.75,
            audit: Audit::FillsGap,
            slices,
            slices_planned: Some(usize::from(SLICES)),
            coverage: None,
            device: "cpu".into(),
            runtime: "none".into(),
        }),
        files: usize::from(SLICES),
        refused_slices: Vec::new(),
        remarks: Vec::new(),
        seconds: 0.5,
        created_at_us: 1_750_000_000_000_000,
        program_version: env!("CARGO_PKG_VERSION").into(),
        event: None,
        attempts: 1,
    })
}

struct Clock(Instant);

impl Clock {
    fn lap(&mut self, what: &str) {
        println!("{what}: {:.1} ms", self.0.elapsed().as_secs_f64() * 1e3);
        self.0 = Instant::now();
    }
}

fn peak_mib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let total: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let url = Url::from_directory_path(folder.path()).map_err(|()| "not a path")?;
    let store = Arc::new(LocalFileSystem::new_with_prefix(folder.path())?);
    let options = AppendOptions::default();

    let mut clock = Clock(Instant::now());
    let lake = Lake::open_or_create(&url, store.clone()).await?;
    clock.lap("make a lake");
    lake.append(&[row(usize::MAX)?], &options).await?;
    clock.lap("append 1 row to it");
    lake.append(&[row(usize::MAX - 1)?], &options).await?;
    clock.lap("append 1 row more");
    let lake = Lake::open_or_create(&url, store.clone()).await?;
    clock.lap("open it again");
    lake.known_keys(&[row(1)?.key]).await?;
    clock.lap("look for 1 key");
    lake.sql("SELECT count(*) FROM series_labels").await?.to_table().await?;
    clock.lap("count series_labels");

    for first in (0..total).step_by(BATCH) {
        let rows = (first..total.min(first + BATCH)).map(row).collect::<Result<Vec<_>, _>>()?;
        clock.0 = Instant::now();
        lake.append(&rows, &options).await?;
        if first == 0 {
            clock.lap(&format!("append {} rows", rows.len()));
        }
    }
    println!("{} rows of {SLICES} slices, peak memory {}", lake.row_count().await?, peak_mib());
    let lake = Lake::open(&url, store).await?;
    clock.0 = Instant::now();
    for count in [1, 1_000, 50_000] {
        let keys = (0..count)
            .map(|number| Ok(row(number * 2)?.key))
            .collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?;
        clock.0 = Instant::now();
        let known = lake.known_keys(&keys).await?.len();
        clock.lap(&format!("look for {count} keys ({known} there)"));
    }
    for query in [
        "SELECT predicted_class, count(*) FROM labels GROUP BY 1",
        "SELECT predicted_class, count(*), sum(positive_slices) FROM series_labels GROUP BY 1",
        "SELECT count(*) FROM slice_scores WHERE series_instance_uid = '1.2.826.0.1.3680043.5'",
        "SELECT count(*), avg(probability) FROM slice_scores",
    ] {
        let (_, rows) = lake.sql(query).await?.to_table().await?;
        clock.lap(&format!("{query} = {:?}", rows.first()));
    }
    println!("peak memory {}", peak_mib());
    Ok(())
}
