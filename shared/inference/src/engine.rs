//! The inference threads: whole series in, batches that cross series through the network, scores out.
//!
//! `Session::run` takes the session for itself, so each thread owns one and nobody locks it. On the CPU there are several sessions of few
//! threads rather than one of many: operators need not wait for each other's slowest thread, and no thread spins while decoding wants
//! its core (two sessions of one thread: 7 % faster than one of two without spinning). The price is one copy of the weights a session.
//! The queue is short and bounded: callers that wait hold their tensors, which is the backpressure on decoding.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bolus_preprocess::Tensor;
use tokio::sync::{Semaphore, oneshot};

use crate::bundle::Bundle;
use crate::error::InferenceError;
use crate::options::{BatchObserver, EngineOptions};
use crate::patience::{PATIENCE, within};
use crate::queue::{Queue, Share};
use crate::runtime::{Device, DeviceChoice, runtime};
use crate::session::BatchSession;
use crate::turns::Turns;

/// Series that may be scored or wait for it; each holds one tensor (10 MB for 70 slices of 192 × 192).
const QUEUED_SERIES: usize = 3;

/// How long the end of an engine waits for the batches under way: one takes seconds on a busy machine.
const LAST_BATCH: Duration = Duration::from_secs(60);

/// A handle to the inference threads. Clones share them; they have ended when the last clone is dropped, which waits for the batches
/// under way.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue>,
    room: Semaphore,
    device: Device,
    runtime_version: String,
    threads: Threads,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
        self.threads.join();
    }
}

/// The inference threads. A process that ends while ONNX Runtime computes takes its globals away from under it, and dies of that.
struct Threads {
    running: Vec<JoinHandle<()>>,
    /// Each thread holds the other end while it runs.
    ended: Mutex<Receiver<()>>,
}

impl Threads {
    /// Waits for the batches under way, though not for ever: a network may hold loops.
    fn join(&mut self) {
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(LAST_BATCH) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("a network computes on although nobody waits for it");
            return;
        }
        // Panics of a batch are caught; one beyond that has cost its series, which have been told.
        self.running.drain(..).for_each(|thread| drop(thread.join()));
    }
}

impl Engine {
    /// Opens the bundle's network, checks its reference output and starts the threads. Blocks while the network loads.
    ///
    /// # Errors
    /// [`InferenceError`] when the library, the device, the network or the reference output is not right.
    pub fn start(bundle: &Bundle, options: &EngineOptions) -> Result<Self, InferenceError> {
        Self::start_beside(bundle, options, &Turns::of(options))
    }

    /// Like [`Engine::start`], for one of several engines that share out the cores: as many batches run at a time, over all engines that
    /// hold `turns`, as one engine alone would run.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_beside(bundle: &Bundle, options: &EngineOptions, turns: &Turns) -> Result<Self, InferenceError> {
        let runtime_version = runtime(options.device)?.version.clone();
        let (own, asked) = (bundle.clone(), options.clone());
        let sessions = within(PATIENCE, &bundle.manifest.name, move || open_sessions(&own, &asked))?;
        let device = sessions.first().map(|session| session.device.clone()).ok_or(InferenceError::Stopped)?;
        let queue = Arc::new(Queue::default());
        let batch = options.batch_on(&device);
        let (running, ended) = channel();
        let mut threads = Threads { running: Vec::new(), ended: Mutex::new(ended) };
        for (index, session) in sessions.into_iter().enumerate() {
            let running = running.clone();
            let (queue, scored) = (Arc::clone(&queue), Arc::clone(&options.scored));
            let (observer, turns) = (options.on_batch.clone(), turns.clone());
            let thread = std::thread::Builder::new().name(format!("bolus-infer-{index}")).spawn(move || {
                serve(session, &queue, batch, &turns, &scored, observer.as_ref());
                drop(running);
            });
            threads.running.push(thread.map_err(|error| InferenceError::Runtime(error.to_string()))?);
        }
        let room = Semaphore::new(QUEUED_SERIES);
        Ok(Self { shared: Arc::new(Handle { queue, room, device, runtime_version, threads }) })
    }

    /// Version of ONNX Runtime, as stored in rows.
    #[must_use]
    pub fn runtime_version(&self) -> &str {
        &self.shared.runtime_version
    }

    /// The device that was taken.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// Scores every slice of `tensor`, in order. Dropping the future gives the work up.
    ///
    /// # Errors
    /// [`InferenceError`] when the network fails; kind `Reject` costs this series alone.
    pub async fn score(&self, tensor: Tensor) -> Result<Vec<f32>, InferenceError> {
        let _room = self.shared.room.acquire().await.map_err(|_| InferenceError::Stopped)?;
        let (reply, scores) = oneshot::channel();
        self.shared.queue.push(tensor, reply);
        scores.await.unwrap_or(Err(InferenceError::Stopped))
    }
}

/// The sessions, the first of which has given the reference output. On CUDA one, on the CPU several that share out the threads.
fn open_sessions(bundle: &Bundle, options: &EngineOptions) -> Result<Vec<BatchSession>, InferenceError> {
    let threads = options.threads.max(1);
    let count = options.cpu_sessions();
    let mine = EngineOptions { threads: threads / count, ..options.clone() };
    let others = EngineOptions { device: DeviceChoice::Cpu, ..mine.clone() };
    std::thread::scope(|scope| {
        // All load at once; the others are for nothing where the first finds itself on a GPU, which costs them only time.
        let more: Vec<_> = match options.device {
            DeviceChoice::Cuda(_) => Vec::new(),
            _ => (1..count).map(|_| scope.spawn(|| BatchSession::open(bundle, &others))).collect(),
        };
        let mut first = BatchSession::open(bundle, &mine)?;
        check_reference(&mut first, bundle)?;
        let on_cpu = first.device.cuda.is_none();
        let mut sessions = vec![first];
        for session in more {
            let session = session.join().map_err(|_| InferenceError::Stopped)??;
            sessions.extend(on_cpu.then_some(session));
        }
        Ok(sessions)
    })
}

/// Runs batches until every handle is gone.
fn serve(
    mut session: BatchSession,
    queue: &Queue,
    batch: usize,
    turns: &Turns,
    scored: &AtomicU64,
    observer: Option<&BatchObserver>,
) {
    while let Some(shares) = queue.next_batch(batch) {
        let slices: Vec<&[f32]> = shares.iter().flat_map(Share::slices).collect();
        let turn = turns.take();
        // A thread that died would leave its series waiting for ever.
        let outcome = catch_unwind(AssertUnwindSafe(|| session.run(&slices)))
            .unwrap_or_else(|_| Err(InferenceError::Runtime("the network's thread panicked".into())));
        drop(turn);
        scored.fetch_add(slices.len() as u64, Ordering::Relaxed);
        if let Some(observer) = observer {
            observer.tell(slices.len(), batch);
        }
        queue.settle(&shares, outcome);
    }
}

fn check_reference(session: &mut BatchSession, bundle: &Bundle) -> Result<(), InferenceError> {
    let input = bundle.reference_values();
    let found = session.run(&bundle.slices_of(&input))?;
    bundle.deviation(&found)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::runtime::CudaOptions;

    /// Every bundle in `folder`.
    fn bundles(folder: &str) -> Vec<Bundle> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
        let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.join(Bundle::MANIFEST).is_file()).map(|path| Bundle::load(&path).unwrap()).collect()
    }

    fn options(batch: usize, threads: usize) -> EngineOptions {
        EngineOptions {
            device: DeviceChoice::Cpu,
            cuda: CudaOptions::default(),
            threads,
            batch: Some(batch),
            scored: Arc::default(),
            on_batch: None,
        }
    }

    /// Slices made of the reference slices by shifting them, so that all differ.
    fn tensor(bundle: &Bundle, slices: usize) -> Tensor {
        let [_, rows, columns] = bundle.manifest.preprocessing.crop;
        let pixels = rows * columns;
        let bytes = &bundle.reference_input;
        let value = |place: usize| f32::from(bytes[place % bytes.len()]) / 255.0;
        let data = (0..slices).flat_map(|slice| (0..pixels).map(move |pixel| value(slice * (pixels + 531) + pixel)));
        Tensor { data: data.collect(), slices, rows, columns }
    }

    async fn assert_same_bits(bundle: &Bundle, slices: usize) {
        let name = &bundle.manifest.name;
        let whole = tensor(bundle, slices);
        let mut expected = Vec::new();
        let one = Engine::start(bundle, &options(1, 1)).unwrap();
        for slice in 0..whole.slices {
            let data = whole.slice(slice).unwrap().to_vec();
            expected.extend(one.score(Tensor { data, slices: 1, ..whole }).await.unwrap());
        }
        for (batch, threads) in [(4, 2), (16, 1), (32, 2)] {
            let engine = Engine::start(bundle, &options(batch, threads)).unwrap();
            let (first, second, other) =
                tokio::join!(engine.score(whole.clone()), engine.score(whole.clone()), engine.score(tensor(bundle, 3)));
            assert_eq!(first.unwrap(), expected, "{name}: batch {batch}, {threads} threads");
            assert_eq!(second.unwrap(), expected, "{name}: batch {batch}, {threads} threads");
            assert_eq!(other.unwrap(), expected[..3], "{name}: batch {batch}, {threads} threads");
        }
    }

    #[tokio::test]
    async fn scores_have_the_same_bits_whatever_the_batch_the_threads_and_the_company() {
        for bundle in bundles("tests/data/bundles") {
            assert_same_bits(&bundle, 37).await;
        }
        for bundle in bundles("models") {
            assert_same_bits(&bundle, 5).await;
        }
    }

    #[test]
    fn cuda_without_a_gpu_names_what_is_missing() {
        if Path::new("/dev/nvidia0").exists() {
            println!("skipped: this machine has a GPU");
            return;
        }
        let bundle = bundles("tests/data/bundles").remove(0);
        let asked = EngineOptions { device: DeviceChoice::Cuda(0), ..options(1, 1) };
        let error = Engine::start(&bundle, &asked).err().unwrap().to_string();
        assert!(error.contains("cuda:0") && error.contains("driver"), "{error}");
        let auto = Engine::start(&bundle, &EngineOptions { device: DeviceChoice::Auto, ..asked }).unwrap();
        assert_eq!(auto.device().name(), "cpu");
        assert!(auto.device().why.contains("driver"), "{}", auto.device());
    }
}
