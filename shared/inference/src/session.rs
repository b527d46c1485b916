//! One ONNX Runtime session and the buffer of its input tensor.

use half::f16;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use crate::bundle::Bundle;
use crate::error::InferenceError;
use crate::manifest::{Dtype, Layout, NetworkSpec};
use crate::options::EngineOptions;
use crate::runtime::{Device, DeviceChoice, Runtime, cuda_obstacle, runtime};

/// A dimension of any size, as ONNX Runtime gives it.
const ANY: i64 = -1;

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
        check_tensors(&session, bundle)?;
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

/// Refuses a network whose input or output is not what the manifest says.
fn check_tensors(session: &Session, bundle: &Bundle) -> Result<(), InferenceError> {
    let [_, rows, columns] = bundle.manifest.preprocessing.crop;
    check_input(session.inputs(), &bundle.manifest.network, [rows, columns])
        .and_then(|()| check_output(session.outputs(), &bundle.manifest.network))
        .map_err(|problem| InferenceError::Tensors { bundle: bundle.manifest.name.clone(), problem })
}

fn check_input(inputs: &[Outlet], network: &NetworkSpec, slice: [usize; 2]) -> Result<(), String> {
    let [input] = inputs else {
        return Err(format!("the network has the inputs {:?}, expected one", names(inputs)));
    };
    if input.name() != network.input {
        return Err(format!("the network's input is {:?}, the manifest says {:?}", input.name(), network.input));
    }
    let [rows, columns, channels] = [slice[0], slice[1], network.channels].map(|size| size as i64);
    let expected = match network.layout {
        Layout::Nchw => [ANY, channels, rows, columns],
        Layout::Nhwc => [ANY, rows, columns, channels],
    };
    let takes = |shape: &[i64]| {
        shape.len() == expected.len()
            && shape.first() == Some(&ANY)
            && shape.iter().zip(expected).all(|(found, expected)| *found == ANY || *found == expected)
    };
    match input.dtype() {
        ValueType::Tensor { ty, shape, .. } if *ty == element(network.dtype) && takes(shape) => Ok(()),
        found => {
            let element = element(network.dtype);
            Err(format!("the network's input is {found}, expected {element} {expected:?}, {ANY} being any number"))
        }
    }
}

fn check_output(outputs: &[Outlet], network: &NetworkSpec) -> Result<(), String> {
    let Some(output) = outputs.iter().find(|output| output.name() == network.output) else {
        return Err(format!("the network has no output {:?}, it has {:?}", network.output, names(outputs)));
    };
    // An exporter that does not follow the shapes leaves it empty.
    let gives = |shape: &[i64]| matches!(shape, [] | [_] | [_, ANY | 1]);
    match output.dtype() {
        ValueType::Tensor { ty, shape, .. } if *ty == element(network.dtype) && gives(shape) => Ok(()),
        found => {
            let element = element(network.dtype);
            Err(format!("the network's output is {found}, expected {element} [slice] or [slice, 1]"))
        }
    }
}

fn names(outlets: &[Outlet]) -> Vec<&str> {
    outlets.iter().map(Outlet::name).collect()
}

fn element(dtype: Dtype) -> TensorElementType {
    match dtype {
        Dtype::Float32 => TensorElementType::Float32,
        Dtype::Float16 => TensorElementType::Float16,
    }
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
