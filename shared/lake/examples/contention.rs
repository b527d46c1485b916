//! Many workers commit to one lake; nothing may be lost or land twice, and an append may not slow down as the log grows.
//!
//! ```text
//! contention race   LAKE [--workers 50] [--seconds 600] [--rate 1.5]   LAKE: a folder, or `s3` for the server of BOLUS_TEST_S3_*
//! contention growth LAKE [--commits 2000]
//! ```
//! `race`: every worker has a handle, two partitions and an interval of its own, such that all together commit `--rate`
//! times a second (0: as fast as they can). At the end rows and transactions are counted in the table itself; it prints one
//! line, and exits with 1 unless `lost` and `duplicated` are 0. `growth`: one writer; the time of its appends along the way.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bolus_lake::{AppendOptions, ErrorKind, Lake, LakeError, TransactionStep};
use bolus_study::{
    BundleRef, ContentDigest, InstanceFingerprint, LabelRow, Outcome, Reason, ReasonCode, RowKey, SeriesFacts,
};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use tokio::task::JoinSet;
use url::Url;
use uuid::Uuid;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PARTITIONS: usize = 2;
/// Events that a partition has finished by each commit; each is one row.
const EVENTS: i64 = 2;
/// The appends of `growth` whose median is told, at each of these numbers of commits.
const TOLD: [usize; 5] = [10, 100, 500, 1_000, 2_000];

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: f64| -> Result<f64, Failure> {
        let place = arguments.iter().position(|argument| argument == name);
        Ok(place.and_then(|place| arguments.get(place + 1)).map_or(Ok(default), |text| text.parse())?)
    };
    match arguments.as_slice() {
        [mode, lake, ..] if mode == "race" => {
            let rate = number("--rate", 1.5)?;
            race(lake, number("--workers", 50.0)? as usize, number("--seconds", 600.0)?, rate).await
        }
        [mode, lake, ..] if mode == "growth" => growth(lake, number("--commits", 2_000.0)? as usize).await,
        _ => Err("usage: contention race|growth LAKE [--workers N] [--seconds S] [--rate R] [--commits N]".into()),
    }
}

/// The store that `lake` names, and the URL of a new lake in it.
fn open_store(lake: &str) -> Result<(Url, Arc<dyn ObjectStore>), Failure> {
    if lake != "s3" {
        std::fs::create_dir_all(lake)?;
        let folder = std::fs::canonicalize(lake)?;
        let url = Url::from_directory_path(&folder).map_err(|()| "not a folder's path")?;
        return Ok((url, Arc::new(LocalFileSystem::new_with_prefix(folder)?)));
    }
    let variable = |name: &str| std::env::var(format!("BOLUS_TEST_S3_{name}"));
    let bucket = AmazonS3Builder::new()
        .with_endpoint(variable("ENDPOINT")?)
        .with_bucket_name(variable("BUCKET")?)
        .with_region(variable("REGION")?)
        .with_access_key_id(variable("ACCESS_KEY")?)
        .with_secret_access_key(variable("SECRET_KEY")?)
        .with_virtual_hosted_style_request(false)
        .with_allow_http(true)
        .build()?;
    let name = format!("contention-{}", Uuid::new_v4());
    let url = Url::parse(&format!("s3://{}/{name}", variable("BUCKET")?))?;
    Ok((url, Arc::new(PrefixStore::new(bucket, name))))
}

fn app_id(worker: usize, partition: usize) -> String {
    format!("bolus/contention/studies/{}", worker * PARTITIONS + partition)
}

/// The row of one event of a partition.
fn row(app_id: &str, offset: i64) -> LabelRow {
    let instance = format!("{app_id}@{offset}");
    let content = ContentDigest::of(vec![InstanceFingerprint { instance: instance.clone(), etag: "e".into() }]);
    LabelRow {
        key: RowKey::of(&instance, &content, "bundle"),
        outcome: Outcome::Refused(Reason::new(ReasonCode::BodyPart, "no inference in this measurement")),
        study_uid: None,
        series_uid: None,
        series_uid_derived: false,
        stack: None,
        patient_key: None,
        source_uri: app_id.to_owned(),
        content,
        bundle: BundleRef { name: "contention".into(), version: "1".into(), digest: "bundle".into() },
        facts: SeriesFacts::default(),
        body_part: None,
        declared: None,
        files: 1,
        refused_slices: Vec::new(),
        remarks: Vec::new(),
        seconds: 0.0,
        created_at_us: chrono::Utc::now().timestamp_micros(),
        program_version: "0".into(),
        event: None,
        attempts: 1,
    }
}

/// What one worker did.
#[derive(Default)]
struct Done {
    /// Where each partition stands, by the worker's own account.
    next: [i64; PARTITIONS],
    appends: Vec<Duration>,
    conflicts: u32,
    most_conflicts: u32,
    /// Appends that gave up; the worker made them again.
    failed: usize,
}

async fn worker(lake: Lake, number: usize, interval: Duration, end: Instant) -> Result<Done, LakeError> {
    let mut done = Done::default();
    // The first commits are spread over an interval, the others keep their distance by chance.
    tokio::time::sleep(interval.mul_f64(chance())).await;
    while Instant::now() < end {
        let start = Instant::now();
        let (mut rows, mut options) = (Vec::new(), AppendOptions::default());
        for (partition, next) in done.next.iter().enumerate() {
            let app_id = app_id(number, partition);
            rows.extend((*next..next + EVENTS).map(|offset| row(&app_id, offset)));
            let expected = (*next > 0).then_some(*next);
            options.transactions.push(TransactionStep { app_id, expected, version: next + EVENTS });
        }
        match lake.append(&rows, &options).await {
            Ok(commit) => {
                done.appends.push(start.elapsed());
                done.conflicts += commit.conflicts;
                done.most_conflicts = done.most_conflicts.max(commit.conflicts);
                done.next.iter_mut().for_each(|next| *next += EVENTS);
            }
            Err(error) if error.kind() == ErrorKind::Retry => {
                eprintln!("worker {number}: {error}");
                done.failed += 1;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(interval.mul_f64(0.5 + chance()).saturating_sub(start.elapsed())).await;
    }
    lake.finish().await;
    Ok(done)
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let [a, b, ..] = *Uuid::new_v4().as_bytes();
    f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
}

async fn race(lake: &str, workers: usize, seconds: f64, rate: f64) -> Result<ExitCode, Failure> {
    let (url, store) = open_store(lake)?;
    Lake::open_or_create(&url, Arc::clone(&store)).await?.probe().await?;
    let interval = if rate > 0.0 { Duration::from_secs_f64(workers as f64 / rate) } else { Duration::ZERO };
    let mut lakes = Vec::new();
    for _ in 0..workers {
        lakes.push(Lake::open(&url, Arc::clone(&store)).await?);
    }
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for (number, lake) in lakes.into_iter().enumerate() {
        tasks.spawn(async move { worker(lake, number, interval, end).await.map(|done| (number, done)) });
    }
    let mut all: Vec<(usize, Done)> = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        all.push(ended??);
    }
    let lake = Lake::open(&url, store).await?;
    let (rows, lost, duplicated) = compare(&lake, &all).await?;
    let mut appends: Vec<Duration> = all.iter().flat_map(|(_, done)| done.appends.iter().copied()).collect();
    appends.sort();
    let percentile = |share: f64| {
        let place = ((appends.len().max(1) - 1) as f64 * share) as usize;
        appends.get(place).copied().unwrap_or_default().as_millis()
    };
    println!(
        "contention workers={workers} seconds={seconds} commits={} rows={rows} lost={lost} duplicated={duplicated} \
         conflicts={} p50_ms={} p99_ms={} max_ms={} most_conflicts={} gave_up={} fewest={} most={}",
        appends.len(),
        all.iter().map(|(_, done)| done.conflicts).sum::<u32>(),
        percentile(0.5),
        percentile(0.99),
        percentile(1.0),
        all.iter().map(|(_, done)| done.most_conflicts).max().unwrap_or_default(),
        all.iter().map(|(_, done)| done.failed).sum::<usize>(),
        all.iter().map(|(_, done)| done.appends.len()).min().unwrap_or_default(),
        all.iter().map(|(_, done)| done.appends.len()).max().unwrap_or_default(),
    );
    Ok(if lost == 0 && duplicated == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rows of the table, and how many are lost or there twice against what the workers and the transactions say.
async fn compare(lake: &Lake, all: &[(usize, Done)]) -> Result<(usize, i64, i64), Failure> {
    let query = "SELECT source_uri, count(*), count(DISTINCT row_key) FROM labels GROUP BY source_uri";
    let (_, counts) = lake.sql(query).await?.to_table().await?;
    let (mut rows, mut lost, mut duplicated) = (0, 0, 0);
    for (number, done) in all {
        for (partition, next) in done.next.iter().enumerate() {
            let app_id = app_id(*number, partition);
            let of_partition = counts.iter().find(|row| row.first() == Some(&app_id));
            let count = |column: usize| of_partition.and_then(|row| row.get(column)?.parse().ok()).unwrap_or(0_i64);
            let stands = lake.transaction_version(&app_id).await?.unwrap_or(0);
            rows += count(1);
            lost += (next - count(2)).max(0) + (next - stands).abs();
            duplicated += count(1) - count(2) + (count(2) - next).max(0);
        }
    }
    Ok((usize::try_from(rows)?, lost, duplicated))
}

async fn growth(lake: &str, commits: usize) -> Result<ExitCode, Failure> {
    let (url, store) = open_store(lake)?;
    let lake = Lake::open_or_create(&url, Arc::clone(&store)).await?;
    let app_id = app_id(0, 0);
    let mut next = lake.transaction_version(&app_id).await?.unwrap_or(0);
    let mut appends = Vec::new();
    for commit in 1..=commits {
        let start = Instant::now();
        let step = TransactionStep { app_id: app_id.clone(), expected: (next > 0).then_some(next), version: next + 3 };
        let rows: Vec<LabelRow> = (next..next + 3).map(|offset| row(&app_id, offset)).collect();
        lake.append(&rows, &AppendOptions { relabel: false, transactions: vec![step] }).await?;
        appends.push(start.elapsed());
        next += 3;
        if TOLD.contains(&commit) {
            told(&url, &store, &lake, commit, &mut appends).await?;
        }
    }
    lake.finish().await;
    Ok(ExitCode::SUCCESS)
}

/// Tells the median of the appends since the last time, and what a look costs here and in a program that has just started.
async fn told(
    url: &Url,
    store: &Arc<dyn ObjectStore>,
    lake: &Lake,
    commit: usize,
    appends: &mut Vec<Duration>,
) -> Result<(), Failure> {
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    let mut last: Vec<Duration> = appends.iter().rev().take(50).copied().collect();
    appends.clear();
    let keys: Vec<RowKey> = (0..100).map(|offset| row("nobody", offset).key).collect();
    let time = Instant::now();
    lake.known_keys(&keys).await?;
    let look = time.elapsed().as_secs_f64() * 1e3;
    let time = Instant::now();
    let fresh = Lake::open(url, Arc::clone(store)).await?;
    let open = time.elapsed().as_secs_f64() * 1e3;
    let time = Instant::now();
    let app_ids: Vec<String> = (0..50).map(|worker| app_id(worker, 0)).collect();
    fresh.transaction_versions(&app_ids).await?;
    let assignment = time.elapsed().as_secs_f64() * 1e3;
    let time = Instant::now();
    fresh.known_keys(&keys).await?;
    let first_look = time.elapsed().as_secs_f64() * 1e3;
    println!(
        "growth commits={commit} append_median_ms={:.1} look_ms={look:.1} open_ms={open:.0} \
         assignment_of_50_ms={assignment:.0} first_look_ms={first_look:.0}",
        median(&mut last)
    );
    Ok(())
}
