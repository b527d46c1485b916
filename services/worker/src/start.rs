//! From a configuration to a running worker: everything that may be wrong is found before the first event is taken.

use std::sync::Arc;

use anyhow::Context;
use bolus_broker::Consumer;
use bolus_inference::{BatchObserver, EngineOptions};
use bolus_labeling::{Engines, Labeler, LabelerOptions, Progress};
use bolus_ops::CpuPool;
use bolus_ops::health::Health;
use bolus_setup::{EngineSettings, open_shared_lake};
use bolus_storage::{Location, Spool};
use tokio_util::sync::CancellationToken;

use crate::begun::Begun;
use crate::commit::Committer;
use crate::config::Config;
use crate::gate::Gate;
use crate::lookups::Lookups;
use crate::meters::Meters;
use crate::resources::Resources;
use crate::shell::Shell;
use crate::study::StudyHandler;

/// Lanes: live and backfill.
const LANES: usize = 2;

/// Runs a worker until `shutdown`.
///
/// # Errors
/// What is wrong with the lake or the broker, and what ended the worker.
pub async fn run(config: Config, resources: Resources, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (meters, health) = (Arc::new(Meters::new()), Health::new());
    health.set_ready("start", false, "the network is loaded and the lake is opened");
    bolus_ops::raise_open_files();
    let serving = CancellationToken::new();
    let server = bolus_ops::http::serve(config.http.listen, meters.registry(), health.clone(), serving.clone()).await?;
    tracing::info!(address = %server.address(), "metrics and health are served");
    let outcome = work(&config, resources, meters, health, shutdown).await;
    serving.cancel();
    server.stopped().await;
    outcome
}

async fn work(
    config: &Config,
    resources: Resources,
    meters: Arc<Meters>,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let progress = Arc::new(Progress::default());
    let options = engine_options(config, &progress, &meters);
    let cpu = CpuPool::new(options.threads)?;
    let engines = Engines::lazily(resources.bundles, options);
    let labeler_options = LabelerOptions {
        patient_key: resources.patient_key,
        previews: 0,
        adaptive: config.model.adaptive,
        allowed: config.model.allowed()?,
    };
    let labeler = Arc::new(Labeler::new(engines, cpu.clone(), labeler_options, Arc::clone(&progress))?);
    // A network that is the only one loads while the lake is opened; of several each when a series first needs it.
    let loading = Arc::clone(&labeler);
    let loaded = tokio::spawn(async move { loading.engines().start_only().await });
    let Some(lake) = shutdown.run_until_cancelled(open_shared_lake(&config.lake.url)).await else { return Ok(()) };
    let lake = Arc::new(lake?);
    loaded.await.context("the network's loading ended unexpectedly")??;
    let (lookups, asking) = Lookups::start(Arc::clone(&lake));
    let handler = StudyHandler {
        labeler,
        lookups,
        begun: Begun::new(config.retry.deaths),
        spool: Spool::new(config.studies.spool.as_deref())?,
        cpu,
        progress,
        studies: Gate::new(config.limits.studies, LANES, config.limits.live_reserve),
        series: Gate::new(Labeler::concurrency(), LANES, 0),
        retry: config.retry.clone(),
        allowed_buckets: config.studies.allowed_buckets.clone(),
        lake_uri: Location::parse(&config.lake.url)?.uri(),
        locate: |bucket, key| Location::S3 { bucket: bucket.to_owned(), key: key.to_owned() },
        meters: Arc::clone(&meters),
    };
    let committer = Committer { lake, group: config.consumer.group.clone(), meters, health: health.clone() };
    let consumer = Consumer::start(config.consumer()).context("cannot join the consumer group")?;
    health.set_ready("start", true, "");
    tracing::info!(group = config.consumer.group, topics = ?config.topics.all(), "waiting for studies");
    let outcome = Shell::new(config, Arc::new(handler), committer, consumer).run(shutdown).await;
    // It may be waiting for a lake that does not answer.
    asking.abort();
    outcome
}

/// How networks are run; decoding gets as many threads.
fn engine_options(config: &Config, progress: &Progress, meters: &Meters) -> EngineOptions {
    let settings = EngineSettings {
        device: config.device(),
        cuda_memory_bytes: config.model.cuda_memory.map(|size| size.as_usize()),
        threads: config.model.threads,
        batch: config.model.batch,
    };
    let fill = meters.batch_fill.clone();
    let on_batch = BatchObserver::new(move |slices, capacity| fill.observe(slices as f64 / capacity as f64));
    settings.options(progress, Some(on_batch))
}
