//! The inference thread: requests of whole series in, batches that cross series through the network, scores out.
//!
//! `Session::run` takes the session for itself, so one thread owns it and nobody locks it. The queue is short and bounded: callers that
//! wait hold their tensors, which is the backpressure on decoding.

use std::collections::VecDeque;

use bolus_preprocess::Tensor;
use tokio::sync::{mpsc, oneshot};

use crate::bundle::Bundle;
use crate::error::InferenceError;
use crate::runtime::{CudaOptions, Device, DeviceChoice, runtime};
use crate::session::BatchSession;

/// Series that may wait for the inference thread; each holds one tensor (10 MB for 70 slices of 192 × 192).
const QUEUED_SERIES: usize = 2;

/// How a network is run.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The device.
    pub device: DeviceChoice,
    /// What the CUDA provider is told.
    pub cuda: CudaOptions,
    /// Threads of one operator on the CPU.
    pub threads: usize,
    /// Most slices in one batch. Memory grows with it.
    pub batch: usize,
}

struct Request {
    tensor: Tensor,
    reply: oneshot::Sender<Result<Vec<f32>, InferenceError>>,
}

/// A request that is being scored.
struct Open {
    request: Request,
    scores: Vec<f32>,
    /// Slices handed to the network, scored or being scored.
    taken: usize,
}

/// A handle to the inference thread. Clones share it; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Engine {
    requests: mpsc::Sender<Request>,
    device: Device,
    runtime_version: String,
}

impl Engine {
    /// Opens the bundle's network, checks its reference output and starts the thread. Blocks while the network loads.
    ///
    /// # Errors
    /// [`InferenceError`] when the library, the device, the network or the reference output is not right.
    pub fn start(bundle: &Bundle, options: &EngineOptions) -> Result<Self, InferenceError> {
        let mut session = BatchSession::open(bundle, options)?;
        check_reference(&mut session, bundle)?;
        let device = session.device.clone();
        let runtime_version = runtime(options.device)?.version.clone();
        let batch = options.batch.max(1);
        let (requests, queue) = mpsc::channel(QUEUED_SERIES);
        std::thread::Builder::new()
            .name("bolus-inference".into())
            .spawn(move || serve(session, queue, batch))
            .map_err(|error| InferenceError::Runtime(error.to_string()))?;
        Ok(Self { requests, device, runtime_version })
    }

    /// Version of ONNX Runtime, as stored in rows.
    #[must_use]
    pub fn runtime_version(&self) -> &str {
        &self.runtime_version
    }

    /// The device that was taken.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Scores every slice of `tensor`, in order. Dropping the future gives the work up.
    ///
    /// # Errors
    /// [`InferenceError`] when the network fails; kind `Reject` costs this series alone.
    pub async fn score(&self, tensor: Tensor) -> Result<Vec<f32>, InferenceError> {
        let (reply, scores) = oneshot::channel();
        self.requests.send(Request { tensor, reply }).await.map_err(|_| InferenceError::Stopped)?;
        scores.await.unwrap_or(Err(InferenceError::Stopped))
    }
}

/// Serves requests until every handle is gone.
fn serve(mut session: BatchSession, mut queue: mpsc::Receiver<Request>, batch: usize) {
    let mut open: VecDeque<Open> = VecDeque::new();
    loop {
        fill(&mut open, &mut queue, batch);
        if open.is_empty() {
            return;
        }
        run_batch(&mut session, &mut open, batch);
    }
}

/// Takes requests until a batch is full or none waits; blocks only when there is nothing to do.
fn fill(open: &mut VecDeque<Open>, queue: &mut mpsc::Receiver<Request>, batch: usize) {
    while open.iter().map(|series| series.request.tensor.slices - series.taken).sum::<usize>() < batch {
        let next = if open.is_empty() { queue.blocking_recv() } else { queue.try_recv().ok() };
        let Some(request) = next else { return };
        if !request.reply.is_closed() {
            open.push_back(Open { request, scores: Vec::new(), taken: 0 });
        }
    }
}

/// Runs one batch over the oldest open series and answers those that are done.
fn run_batch(session: &mut BatchSession, open: &mut VecDeque<Open>, batch: usize) {
    open.retain(|series| !series.request.reply.is_closed());
    let mut slices: Vec<&[f32]> = Vec::with_capacity(batch);
    let mut shares: Vec<usize> = Vec::new();
    for series in open.iter() {
        let tensor = &series.request.tensor;
        let before = slices.len();
        let room = batch - before;
        slices.extend((series.taken..tensor.slices).take(room).filter_map(|index| tensor.slice(index)));
        shares.push(slices.len() - before);
    }
    let outcome = if slices.is_empty() { Ok(Vec::new()) } else { session.run(&slices) };
    match outcome {
        Ok(scores) => {
            let mut rest = scores.as_slice();
            for (series, share) in open.iter_mut().zip(shares) {
                let (mine, others) = rest.split_at(share);
                series.scores.extend_from_slice(mine);
                series.taken += share;
                rest = others;
            }
            answer_finished(open);
        }
        Err(error) => fail_batch(open, &shares, &error.to_string()),
    }
}

fn answer_finished(open: &mut VecDeque<Open>) {
    while open.front().is_some_and(|series| series.taken >= series.request.tensor.slices) {
        if let Some(done) = open.pop_front() {
            // A caller that has gone wants no answer.
            let _ = done.request.reply.send(Ok(done.scores));
        }
    }
}

/// Fails the series that had slices in the batch; the others stay.
fn fail_batch(open: &mut VecDeque<Open>, shares: &[usize], problem: &str) {
    for share in shares {
        let Some(series) = open.pop_front() else { return };
        if *share > 0 {
            let _ = series.request.reply.send(Err(InferenceError::Runtime(problem.to_owned())));
        } else {
            open.push_back(series);
        }
    }
}

fn check_reference(session: &mut BatchSession, bundle: &Bundle) -> Result<(), InferenceError> {
    let reference = &bundle.manifest.reference;
    let [_, rows, columns] = bundle.manifest.preprocessing.crop;
    let values: Vec<f32> = bundle.reference_input.iter().map(|byte| f32::from(*byte) / 255.0).collect();
    let slices: Vec<&[f32]> = values.chunks_exact(rows * columns).collect();
    let found = session.run(&slices)?;
    let close = found.len() == reference.expected.len()
        && found.iter().zip(&reference.expected).all(|(a, b)| (a - b).abs() <= reference.tolerance);
    if close {
        return Ok(());
    }
    Err(InferenceError::Reference {
        bundle: bundle.manifest.name.clone(),
        expected: reference.expected.clone(),
        found,
        tolerance: reference.tolerance,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn bundle() -> Bundle {
        Bundle::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/torso-b4")).unwrap()
    }

    fn options(batch: usize, threads: usize) -> EngineOptions {
        EngineOptions { device: DeviceChoice::Cpu, cuda: CudaOptions::default(), threads, batch }
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

    #[tokio::test]
    async fn scores_have_the_same_bits_whatever_the_batch_the_threads_and_the_company() {
        let bundle = bundle();
        let whole = tensor(&bundle, 11);
        let mut expected = Vec::new();
        let one = Engine::start(&bundle, &options(1, 1)).unwrap();
        for slice in 0..whole.slices {
            let data = whole.slice(slice).unwrap().to_vec();
            expected.extend(one.score(Tensor { data, slices: 1, ..whole }).await.unwrap());
        }
        for (batch, threads) in [(4, 2), (16, 1), (32, 2)] {
            let engine = Engine::start(&bundle, &options(batch, threads)).unwrap();
            let (first, second, other) = tokio::join!(
                engine.score(whole.clone()),
                engine.score(whole.clone()),
                engine.score(tensor(&bundle, 3))
            );
            assert_eq!(first.unwrap(), expected, "batch {batch}, {threads} threads");
            assert_eq!(second.unwrap(), expected, "batch {batch}, {threads} threads");
            assert_eq!(other.unwrap(), expected[..3], "batch {batch}, {threads} threads");
        }
    }

    #[test]
    fn cuda_without_a_gpu_names_what_is_missing() {
        if Path::new("/dev/nvidia0").exists() {
            println!("skipped: this machine has a GPU");
            return;
        }
        let bundle = bundle();
        let asked = EngineOptions { device: DeviceChoice::Cuda(0), ..options(1, 1) };
        let error = Engine::start(&bundle, &asked).err().unwrap().to_string();
        assert!(error.contains("cuda:0") && error.contains("driver"), "{error}");
        let auto = Engine::start(&bundle, &EngineOptions { device: DeviceChoice::Auto, ..asked }).unwrap();
        assert_eq!(auto.device().name(), "cpu");
        assert!(auto.device().why.contains("driver"), "{}", auto.device());
    }
}
