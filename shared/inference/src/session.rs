//! One ONNX Runtime session and the buffer of its input tensor.

use half::f16;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;

use crate::bundle::Bundle;
use crate::engine::EngineOptions;
use crate::error::InferenceError;
use crate::manifest::{Dtype, Layout, NetworkSpec};
use crate::runtime::{Device, DeviceChoice, Runtime, cuda_obstacle, runtime};

/// A session that takes batches of grey slices.
pub(crate) struct BatchSession {
    session: Session,
    network: NetworkSpec,
    rows: usize,
    columns: usize,
    /// The number of slices that every batch is padded to; none where batches may have any size.
    fixed_batch: Option<usize>,
    values: Vec<f32>,
    halves: Vec<f16>,
    pub device: Device,
}

impl BatchSession {
    /// Opens the bundle's network on the device that `options` ask for.
    pub fn open(bundle: &Bundle, options: &EngineOptions) -> Result<Self, InferenceError> {
        let runtime = runtime(options.device)?;
        let (session, device) = open_on_device(runtime, bundle, options)?;
        let network = &bundle.manifest.network;
        check_names(&session, network)?;
        let [_, rows, columns] = bundle.manifest.preprocessing.crop;
        Ok(Self {
            session,
            network: network.clone(),
            rows,
            columns,
            // cuDNN may choose another algorithm for another batch size, so CUDA always gets full batches and the rest is padding.
            fixed_batch: device.cuda.map(|_| options.batch_on(&device)),
            values: Vec::new(),
            halves: Vec::new(),
            device,
        })
    }

    /// Runs `slices`, each `[row, column]` row-major in 0..1, and gives one probability a slice.
    pub fn run(&mut self, slices: &[&[f32]]) -> Result<Vec<f32>, InferenceError> {
        let batch = self.fixed_batch.unwrap_or(slices.len()).max(slices.len());
        self.fill(slices, batch);
        let [rows, columns, channels] = [self.rows, self.columns, self.network.channels].map(|size| size as i64);
        let shape = match self.network.layout {
            Layout::Nchw => [batch as i64, channels, rows, columns],
            Layout::Nhwc => [batch as i64, rows, columns, channels],
        };
        let name = self.network.input.as_str();
        let outputs = match self.network.dtype {
            Dtype::Float32 => {
                self.session.run(ort::inputs![name => TensorRef::from_array_view((shape, self.values.as_slice()))?])?
            }
            Dtype::Float16 => {
                self.halves.clear();
                self.halves.extend(self.values.iter().map(|value| f16::from_f32(*value)));
                self.session.run(ort::inputs![name => TensorRef::from_array_view((shape, self.halves.as_slice()))?])?
            }
        };
        let output = outputs
            .get(&self.network.output)
            .ok_or_else(|| InferenceError::Runtime(format!("the network gave no output {:?}", self.network.output)))?;
        let probabilities: Vec<f32> = match self.network.dtype {
            Dtype::Float32 => output.try_extract_tensor::<f32>()?.1.to_vec(),
            Dtype::Float16 => output.try_extract_tensor::<f16>()?.1.iter().map(|value| value.to_f32()).collect(),
        };
        checked(probabilities, batch, slices.len())
    }

    /// Repeats each slice into every channel of the input buffer; slices beyond the last are zeros.
    fn fill(&mut self, slices: &[&[f32]], batch: usize) {
        let (pixels, channels) = (self.rows * self.columns, self.network.channels);
        self.values.clear();
        self.values.reserve(batch * pixels * channels);
        for slice in slices {
            match self.network.layout {
                Layout::Nchw => (0..channels).for_each(|_| self.values.extend_from_slice(slice)),
                Layout::Nhwc => {
                    self.values.extend(slice.iter().flat_map(|value| std::iter::repeat_n(*value, channels)));
                }
            }
        }
        self.values.resize(batch * pixels * channels, 0.0);
    }
}

/// The session with the device it runs on: CUDA by choice or where nothing stands in its way, else CPU.
fn open_on_device(
    runtime: &Runtime,
    bundle: &Bundle,
    options: &EngineOptions,
) -> Result<(Session, Device), InferenceError> {
    let on_cuda = |number: i32| -> Result<Session, String> {
        if let Some(obstacle) = cuda_obstacle(&runtime.library) {
            return Err(obstacle);
        }
        builder(runtime, options)
            .and_then(|builder| Ok(builder.with_execution_providers([options.cuda.provider(number)])?))
            .and_then(|mut builder| Ok(builder.commit_from_memory(&bundle.network)?))
            .map_err(|error| format!("the CUDA provider did not start: {error}"))
    };
    let on_cpu = |why: String| {
        let session = builder(runtime, options)?.commit_from_memory(&bundle.network)?;
        Ok((session, Device { cuda: None, why }))
    };
    match options.device {
        DeviceChoice::Cpu => on_cpu("asked for".into()),
        DeviceChoice::Cuda(number) => {
            let session = on_cuda(number)
                .map_err(|missing| InferenceError::Device { device: format!("cuda:{number}"), missing })?;
            Ok((session, Device { cuda: Some(number), why: "asked for".into() }))
        }
        DeviceChoice::Auto => match on_cuda(0) {
            Ok(session) => Ok((session, Device { cuda: Some(0), why: "auto: a CUDA device is usable".into() })),
            Err(missing) => on_cpu(format!("auto: {missing}")),
        },
    }
}

fn builder(runtime: &Runtime, options: &EngineOptions) -> Result<SessionBuilder, InferenceError> {
    Ok(Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        .with_intra_threads(options.threads)?
        // Spinning threads would take the cores from decoding between two operators.
        .with_intra_op_spinning(false)?
        // A pattern a batch size would keep one more arena for each size that a series' last batch happens to have.
        .with_memory_pattern(false)?
        .with_deterministic_compute(true)?)
}

fn check_names(session: &Session, network: &NetworkSpec) -> Result<(), InferenceError> {
    let missing = |what: &str, name: &str, known: Vec<&str>| {
        Err(InferenceError::Runtime(format!("the network has no {what} {name:?}, it has {known:?}")))
    };
    let inputs: Vec<&str> = session.inputs().iter().map(|outlet| outlet.name()).collect();
    let outputs: Vec<&str> = session.outputs().iter().map(|outlet| outlet.name()).collect();
    if !inputs.contains(&network.input.as_str()) {
        return missing("input", &network.input, inputs);
    }
    if !outputs.contains(&network.output.as_str()) {
        return missing("output", &network.output, outputs);
    }
    Ok(())
}

/// Takes the probabilities of the real slices and refuses what is none.
fn checked(mut probabilities: Vec<f32>, batch: usize, slices: usize) -> Result<Vec<f32>, InferenceError> {
    if probabilities.len() != batch {
        let found = probabilities.len();
        return Err(InferenceError::Runtime(format!("the network gave {found} values for {batch} slices")));
    }
    probabilities.truncate(slices);
    match probabilities.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        Some(value) => Err(InferenceError::Runtime(format!("the network gave {value}, which is no probability"))),
        None => Ok(probabilities),
    }
}
