//! Runs queries on threads of their own, under their limits.
//!
//! Planning and running recurse over the query: the threads have stacks that hold what [`QueryLimits::terms`] lets through,
//! many times over. Whoever asked waits elsewhere, so that time and memory are watched whatever the query does, and gets an
//! error even where the query cannot be stopped before its current step ends.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::execution::context::SQLOptions;
use deltalake::datafusion::physical_plan::coop::CooperativeExec;
use deltalake::datafusion::physical_plan::{ExecutionPlan, execute_stream};
use deltalake::datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::error::LakeError;
use crate::limits::{QueryLimit, QueryLimits, check_plan};

/// Threads that queries use at most.
pub(crate) const QUERY_THREADS: usize = 4;

/// Stack of a thread that plans and runs queries: 128 KiB a term. Only what is used of it takes memory.
const STACK_BYTES: usize = 256 << 20;

/// Batches that may wait for the reader.
const BATCHES_AHEAD: usize = 2;

/// Rows that are handed over at a time: what a reader makes of a batch is many times as large as the batch.
const ROWS_AT_ONCE: usize = 1_024;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A query that runs.
pub(crate) struct Running {
    pub schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch, LakeError>>,
    /// What is left of the last batch.
    rest: Option<RecordBatch>,
    rows: usize,
    watch: Watch,
    /// The one task that runs it; aborted with this.
    task: JoinSet<()>,
}

impl Running {
    /// Plans `query` and begins to run it.
    pub async fn start(context: SessionContext, query: String, limits: &QueryLimits) -> Result<Self, LakeError> {
        let mut watch = Watch::new(limits);
        let (schema_sender, schema) = oneshot::channel();
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let mut task = JoinSet::new();
        task.spawn_on(run(context, query, limits.disk_bytes, schema_sender, sender), runtime()?.handle());
        let schema = match watch.until(schema).await? {
            Ok(schema) => schema?,
            Err(_gone) => {
                end(&mut task).await?;
                return Err(LakeError::Query("the query gave no answer".into()));
            }
        };
        Ok(Self { schema, batches, rest: None, rows: 0, watch, task })
    }

    /// The next rows; none at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, LakeError> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.watch.until(self.batches.recv()).await? {
                Some(batch) => batch?,
                None => return end(&mut self.task).await.map(|()| None),
            },
        };
        let rows = batch.num_rows().min(ROWS_AT_ONCE);
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.rows += rows;
        let limit = self.watch.limits.rows;
        if self.rows > limit {
            return Err(QueryLimit::Rows { limit }.into());
        }
        Ok(Some(batch.slice(0, rows)))
    }

    /// The limits that it runs under.
    pub fn limits(&self) -> &QueryLimits {
        &self.watch.limits
    }
}

/// How a query ended after its last batch.
async fn end(task: &mut JoinSet<()>) -> Result<(), LakeError> {
    match task.join_next().await {
        Some(Err(error)) => Err(LakeError::Query(format!("the query broke off: {error}"))),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Plans and runs `query`, and sends what comes of it.
async fn run(
    context: SessionContext,
    query: String,
    disk_bytes: u64,
    schema: oneshot::Sender<Result<SchemaRef, LakeError>>,
    batches: mpsc::Sender<Result<RecordBatch, LakeError>>,
) {
    let mut stream = match plan(&context, &query, disk_bytes).await {
        Ok(stream) => stream,
        Err(error) => {
            // Whoever asked may have gone, here and below.
            let _ = schema.send(Err(error));
            return;
        }
    };
    if schema.send(Ok(stream.schema())).is_err() {
        return;
    }
    loop {
        let batch = match stream.try_next().await {
            Ok(Some(batch)) if batch.num_rows() == 0 => continue,
            Ok(Some(batch)) => Ok(batch),
            Ok(None) => return,
            Err(error) => Err(told(error, disk_bytes)),
        };
        let is_last = batch.is_err();
        if batches.send(batch).await.is_err() || is_last {
            return;
        }
    }
}

async fn plan(context: &SessionContext, query: &str, disk_bytes: u64) -> Result<SendableRecordBatchStream, LakeError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let plan = context.state().create_logical_plan(query).await?;
    check_plan(&plan)??;
    options.verify_plan(&plan)?;
    let frame = context.execute_logical_plan(plan).await?;
    let task = Arc::new(frame.task_ctx());
    let plan = yielding(frame.create_physical_plan().await?)?;
    execute_stream(plan, task).map_err(|error| told(error, disk_bytes))
}

/// Makes every step of a plan give way now and then, so that a query can be stopped and leaves its thread to others.
///
/// The library does so where data are read alone: a join that makes a billion rows of one batch would not end before the last.
fn yielding(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    plan.transform_up(|step| {
        let reads = step.children().is_empty();
        Ok(if reads { Transformed::no(step) } else { Transformed::yes(Arc::new(CooperativeExec::new(step)) as _) })
    })
    .data()
}

/// The library tells a full disk by words alone.
fn told(error: DataFusionError, disk_bytes: u64) -> LakeError {
    if error.to_string().contains("exceeded the allowable limit") {
        return QueryLimit::Disk { limit: disk_bytes }.into();
    }
    error.into()
}

/// The threads of all queries of this process.
fn runtime() -> Result<&'static Runtime, LakeError> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).clamp(2, QUERY_THREADS);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads).thread_stack_size(STACK_BYTES).thread_name("query").enable_all().build().ok()
    });
    started.as_ref().ok_or_else(|| LakeError::Query("the threads for queries cannot be started".into()))
}

/// Looks at time and memory while somebody waits for a query.
struct Watch {
    limits: QueryLimits,
    waited: Duration,
    /// Memory of the process at the beginning; none where it is not watched.
    memory_before: Option<usize>,
}

impl Watch {
    fn new(limits: &QueryLimits) -> Self {
        let memory_before = limits.watched.then(resident_bytes).flatten();
        Self { limits: limits.clone(), waited: Duration::ZERO, memory_before }
    }

    /// Waits for `future`, as long as the limits hold.
    async fn until<T>(&mut self, future: impl Future<Output = T>) -> Result<T, QueryLimit> {
        let mut future = std::pin::pin!(future);
        loop {
            let start = Instant::now();
            let found = tokio::time::timeout(LOOK, future.as_mut()).await;
            self.waited += start.elapsed();
            self.check_memory()?;
            if let Ok(found) = found {
                return Ok(found);
            }
            if let Some(limit) = self.limits.time.filter(|limit| self.waited > *limit) {
                return Err(QueryLimit::Time { limit });
            }
        }
    }

    fn check_memory(&self) -> Result<(), QueryLimit> {
        let limit = self.limits.memory_bytes;
        let Some(before) = self.memory_before else { return Ok(()) };
        let grown = resident_bytes().map_or(0, |now| now.saturating_sub(before));
        if grown > limit { Err(QueryLimit::Memory { limit }) } else { Ok(()) }
    }
}

/// Memory of this process; none where the system does not say (Linux does).
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<usize>().ok()?.checked_mul(1024)
}
