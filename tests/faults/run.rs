//! One run: set up, mischief, drain, judgement.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bolus_broker::{Admin, BrokerConfig, NewTopic, Producer};

use crate::feed::feed;
use crate::fleet::{Fleet, program_path};
use crate::oracle::{Bolus, Verdict, blind_spots, judge, progress};
use crate::plan::{Form, plan};
use crate::processes::Janitor;
use crate::servers::{Kafka, Store};
use crate::settings::{self, LAKE};
use crate::studies::{GOOD, Message, Poisoned, Study, announce, poison, topic, upload};

/// Partitions of every topic.
const PARTITIONS: i32 = 6;
/// Poisoned messages of a run: four of every kind.
const POISONED: usize = 20;
/// How long the programs may take to finish after the mischief.
const DRAIN: Duration = Duration::from_secs(120);

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Options {
    pub seed: u64,
    pub studies: usize,
    pub span: Duration,
    pub nodes: usize,
}

/// What came of it.
pub struct Outcome {
    pub verdict: Verdict,
    pub folder: PathBuf,
}

struct Servers {
    // Fields end in this order: the janitor last, as it stops the servers.
    kafka: Arc<Kafka>,
    store: Store,
    janitor: Janitor,
}

/// Carries out one run. Its folder stays only where something is wrong.
pub async fn run(options: &Options) -> Result<Outcome> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}-{}", options.seed, std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("faults: {options:?}; the same seed gives the same plan, not the same timing");
    eprintln!("faults: logs in {}", folder.display());
    let servers = tokio::task::block_in_place(|| start_servers(&folder, options.nodes))?;
    let verdict = with_servers(options, &folder, &servers).await;
    drop(servers);
    let verdict = verdict.with_context(|| format!("seed {}, logs in {}", options.seed, folder.display()))?;
    if verdict.is_good() && std::env::var_os("BOLUS_FAULTS_KEEP").is_none() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(Outcome { verdict, folder })
}

fn start_servers(folder: &Path, nodes: usize) -> Result<Servers> {
    let janitor = Janitor::start(folder)?;
    let store = Store::start(&folder.join("s3"))?;
    let kafka = Kafka::start(&folder.join("kafka"), nodes)?;
    Ok(Servers { kafka: Arc::new(kafka), store, janitor })
}

async fn with_servers(options: &Options, folder: &Path, servers: &Servers) -> Result<Verdict> {
    let Servers { kafka, store, janitor } = servers;
    let mut broker = BrokerConfig::plaintext(&kafka.servers);
    // A broker that is away for a while is no reason to send a message a second time.
    broker.properties.insert("message.timeout.ms".into(), "300000".into());
    let (admin, producer) = (Admin::start(&broker)?, Producer::start(&broker)?);
    create_topics(&admin, kafka.nodes).await?;

    let client = store.client()?;
    let studies = upload(&client, options.seed, options.studies).await?;
    let poisoned = poison(&client, &store.bucket, options.seed, POISONED, options.span).await?;
    let bolus = Bolus { program: program_path("bolus")?, store };
    let (lake, reference) = (format!("s3://{}/{LAKE}", store.bucket), format!("s3://{}/reference", store.bucket));
    tokio::task::block_in_place(|| bolus.label(&format!("s3://{}/{GOOD}", store.bucket), &reference))?;

    let mut fleet = Fleet::start(folder, kafka, store, options.seed, janitor).await?;
    let messages = messages(&studies, &poisoned, store, options);
    eprintln!("faults: {} studies, {} messages", studies.len(), messages.len());
    let form = Form { span: options.span, nodes: options.nodes, failpoints: settings::FAILPOINTS };
    let (fed, suffered) = tokio::join!(feed(&producer, messages), fleet.suffer(plan(options.seed, &form)));
    fed.and(suffered)?;
    fleet.calm()?;
    let drained = drain(&mut fleet, &admin, store).await?;
    let mut wrong = fleet.stop().await?;
    wrong.extend(fleet.panics());
    wrong.extend(drained);
    if fleet.fired.is_empty() {
        wrong.push("no worker ever ended at a failpoint: was bolus-worker built without them?".to_owned());
    }
    report(&fleet);

    let (lake, reference) = tokio::task::block_in_place(|| anyhow::Ok((bolus.read(&lake)?, bolus.read(&reference)?)))?;
    let mut verdict = judge(&lake, &reference, &studies, &poisoned);
    wrong.extend(progress(&store.files.join(LAKE).join("labels"))?.1);
    verdict.wrong.extend(wrong);
    if verdict.is_good() {
        verdict.wrong = blind_spots(&lake, &reference, &studies, &poisoned);
    }
    Ok(verdict)
}

async fn create_topics(admin: &Admin, nodes: usize) -> Result<()> {
    let topics = topic::ALL.map(|name| NewTopic {
        name: name.to_owned(),
        partitions: PARTITIONS,
        replication: nodes as i32,
        config: Vec::new(),
    });
    Ok(admin.create_topics(&topics).await?)
}

fn messages(studies: &[Study], poisoned: &[Poisoned], store: &Store, options: &Options) -> Vec<Message> {
    let mut messages = announce(studies, &store.bucket, options.seed, options.span);
    messages.extend(poisoned.iter().map(|poisoned| poisoned.message.clone()));
    messages
}

fn report(fleet: &Fleet) {
    eprintln!("faults: faults of the store: {:?}", fleet.struck());
    eprintln!("faults: failpoints: {:?}", fleet.fired);
    eprintln!("faults: the workers told of: {:?}", fleet.told());
    for exit in &fleet.exits {
        eprintln!("faults: {exit}");
    }
}

/// Waits until nothing is left to do; says in words what was left when the time was over.
async fn drain(fleet: &mut Fleet, admin: &Admin, store: &Store) -> Result<Option<String>> {
    let deadline = Instant::now() + DRAIN;
    let mut marks = None;
    loop {
        fleet.look_after()?;
        let left = match left_to_do(admin, store, &mut marks).await {
            Ok(None) => return Ok(None),
            Ok(Some(left)) => left,
            // The broker may still be coming back.
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() > deadline {
            return Ok(Some(format!("not drained after {DRAIN:?}: {left}")));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What is left to do, in words: first of the assembler's stages, by their offsets at the broker, then of the workers, by the lake.
///
/// The topic between the stages grows for ever, as one tells the other how far it is; `marks` are its ends once the first
/// stage was done.
async fn left_to_do(admin: &Admin, store: &Store, marks: &mut Option<Vec<i64>>) -> Result<Option<String>> {
    let routed = admin.group_lag(settings::ROUTE_GROUP, topic::OBJECTS).await?;
    if let Some(lag) = routed.iter().find(|lag| lag.lag > 0) {
        *marks = None;
        return Ok(Some(format!("{}: {lag:?}", topic::OBJECTS)));
    }
    let assembled = admin.group_lag(settings::ASSEMBLE_GROUP, topic::BY_STUDY).await?;
    let marks = marks.get_or_insert_with(|| assembled.iter().map(|lag| lag.end).collect());
    let behind = assembled.iter().zip(marks).find(|(lag, mark)| **mark > lag.committed.unwrap_or(0));
    if let Some((lag, mark)) = behind {
        return Ok(Some(format!("{} up to {mark}: {lag:?}", topic::BY_STUDY)));
    }
    let done = progress(&store.files.join(LAKE).join("labels"))?.0;
    for topic in [topic::LIVE, topic::BACKFILL] {
        for offsets in admin.topic_offsets(topic).await? {
            let app = format!("bolus/{}/{topic}/{}", settings::WORKER_GROUP, offsets.partition);
            let next = done.get(&app).copied().unwrap_or(offsets.earliest);
            if next < offsets.end {
                return Ok(Some(format!("{topic}/{}: {next} of {}", offsets.partition, offsets.end)));
            }
        }
    }
    Ok(None)
}
