//! Rows, lakes and answers for the tests.

use std::sync::Arc;
use std::time::Duration;

use bolus_lake::{AppendOptions, Lake, TransactionStep};
use bolus_study::{
    Audit, BodyPart, BodyPartFinding, BodyPartSource, BundleRef, ContentDigest, Declared, DeclaredContrast, Evidence,
    InstanceFingerprint, LabelRow, Outcome, PredictedClass, Prediction, Reason, ReasonCode, RowKey, Says, SeriesFacts,
    SeriesUid, SliceScore, SopInstanceUid, StudyUid,
};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const KEEP: AppendOptions = AppendOptions { relabel: false, transactions: Vec::new() };

/// The transaction of [`step`].
pub const PARTITION: &str = "bolus/group/topic/0";

/// Moves [`PARTITION`] with an append.
pub fn step(expected: Option<i64>, version: i64) -> AppendOptions {
    let app_id = PARTITION.to_owned();
    AppendOptions { relabel: false, transactions: vec![TransactionStep { app_id, expected, version }] }
}

/// The store of the lake at [`folder_url`].
pub fn local_store(folder: &TempDir) -> Arc<dyn ObjectStore> {
    let lake = folder.path().join("my lake");
    std::fs::create_dir_all(&lake).unwrap();
    Arc::new(LocalFileSystem::new_with_prefix(lake).unwrap())
}

/// A store on the S3 server, below a prefix of its own; none where there is no server.
pub fn s3_store() -> Option<Arc<dyn ObjectStore>> {
    let server = bolus_testkit::servers::s3()?;
    let settings = server.options().into_iter().map(|(name, value)| (name.parse().unwrap(), value));
    let builder = settings.fold(AmazonS3Builder::new(), |builder, (name, value)| builder.with_config(name, value));
    Some(Arc::new(PrefixStore::new(builder.build().unwrap(), format!("lake-{}", Uuid::new_v4()))))
}

pub fn memory_store() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

pub fn memory_url() -> Url {
    Url::parse("memory://archive/a%20lake").unwrap()
}

pub fn folder_url(folder: &TempDir) -> Url {
    Url::from_directory_path(folder.path().join("my lake")).unwrap()
}

pub async fn memory_lake() -> Lake {
    Lake::open_or_create(&memory_url(), memory_store()).await.unwrap()
}

/// A labelled series of three slices, of which two are positive.
pub fn labelled(number: usize) -> LabelRow {
    let series = SeriesUid::new(&format!("1.2.840.{number}")).unwrap();
    let content =
        ContentDigest::of(vec![InstanceFingerprint { instance: format!("1.2.{number}"), etag: format!("e{number}") }]);
    let slices = (0..3_u8).map(|z| SliceScore {
        z_mm: f64::from(z) * 2.5 - 3.0,
        sop_instance_uid: SopInstanceUid::new(&format!("1.2.840.{number}.{z}")).unwrap(),
        probability: 0.25 + 0.25 * f32::from(z),
    });
    LabelRow {
        key: RowKey::of(series.as_str(), &content, "bundle"),
        study_uid: Some(StudyUid::new("1.2.840").unwrap()),
        series_uid: Some(series),
        series_uid_derived: false,
        stack: None,
        patient_key: None,
        source_uri: format!("s3://archive/study/{number}/"),
        content,
        bundle: BundleRef { name: "torso".into(), version: "1.0.0".into(), digest: "bundle".into() },
        facts: facts(),
        body_part: Some(BodyPartFinding {
            parts: vec![BodyPart::Chest, BodyPart::Abdomen],
            source: BodyPartSource::Words,
        }),
        declared: Some(DeclaredContrast { verdict: Declared::Yes, evidence: vec![evidence()] }),
        outcome: Outcome::Labelled(Prediction {
            class: PredictedClass::Enhanced,
            probability: 0.9,
            raw_probability: 0.875,
            audit: Audit::Agrees,
            slices: slices.collect(),
            slices_planned: Some(7),
            coverage: Some(0.875),
            device: "cpu".into(),
            runtime: "1.27.0".into(),
        }),
        files: 3,
        refused_slices: vec![("truncated".into(), 2)],
        remarks: Vec::new(),
        seconds: 0.5,
        created_at_us: 1_750_000_000_000_000 + i64::try_from(number).unwrap(),
        program_version: "0.1.0".into(),
        event: None,
        attempts: 1,
    }
}

fn facts() -> SeriesFacts {
    SeriesFacts {
        modality: Some("CT".into()),
        transfer_syntaxes: vec!["1.2.840.10008.1.2.1".into(), "1.2.840.10008.1.2.4.90".into()],
        manufacturer: Some("Maker, \"Co\"".into()),
        kernel: Some("B30f".into()),
        slices: 3,
        rows: Some(512),
        columns: Some(256),
        pixel_spacing_mm: Some([0.75, 0.5]),
        slice_spacing_mm: Some(2.5),
        slice_thickness_mm: Some(3.0),
        gaps: 1,
        shear_deg: Some(0.5),
    }
}

fn evidence() -> Evidence {
    Evidence {
        attribute: "ContrastBolusAgent".into(),
        value: "ULTRAVIST".into(),
        says: Says::Enhanced,
        rule: "agent-named".into(),
    }
}

/// A refused series.
pub fn refused(number: usize) -> LabelRow {
    LabelRow {
        outcome: Outcome::Refused(Reason::new(ReasonCode::TooFewSlices, "2 slices, the bundle needs 8")),
        ..labelled(number)
    }
}

pub fn rows(numbers: impl IntoIterator<Item = usize>) -> Vec<LabelRow> {
    numbers.into_iter().map(labelled).collect()
}

/// The only value of the only row of the answer.
pub async fn one(lake: &Lake, query: &str) -> String {
    let (_, rows) = lake.sql(query).await.unwrap().to_table().await.unwrap();
    assert_eq!(rows.len(), 1, "{query}");
    rows[0].join("|")
}

/// Asserts that every one of `keys` rows is in the lake, each once.
pub async fn assert_each_once(lake: &Lake, keys: usize) {
    let counts = one(lake, "SELECT count(*), count(DISTINCT row_key) FROM labels").await;
    assert_eq!(counts, format!("{keys}|{keys}"));
}
