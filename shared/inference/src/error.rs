//! Errors of bundles and of the runtime.

use std::path::PathBuf;
use std::time::Duration;

use bolus_study::BodyPart;

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The series cannot be labelled; others can.
    Reject,
    /// Nothing can be labelled: stop.
    Fatal,
}

/// The reason a bundle, the runtime or a batch failed.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// No bundle of that name was found.
    #[error("no bundle {name:?}: looked in {looked_in}")]
    NoSuchBundle {
        /// The name asked for.
        name: String,
        /// The folders that were searched.
        looked_in: String,
    },
    /// No folder holds bundles.
    #[error("no bundles: looked in {looked_in}")]
    NoDefaults {
        /// The folders that were searched.
        looked_in: String,
    },
    /// Several bundles cover a body part, and nothing says which is meant.
    #[error(
        "bundles {} and {} of {} both cover {part}: name one of them, or write a default.toml beside them",
        bundles[0], bundles[1], folder.display()
    )]
    Ambiguous {
        /// The body part.
        part: BodyPart,
        /// The first two bundles that cover it.
        bundles: [String; 2],
        /// The folder that holds them.
        folder: PathBuf,
    },
    /// A bundle cannot score series in part.
    #[error("bundle {bundle} cannot be adaptive: {problem}")]
    NotAdaptive {
        /// The bundle's name.
        bundle: String,
        /// What its manifest lacks.
        problem: &'static str,
    },
    /// A file of the bundle cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The manifest is not valid.
    #[error("bundle manifest {path}: {problem}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, naming the key.
        problem: String,
    },
    /// A file differs from the digest in the manifest.
    #[error("{path} has sha256 {found}, the manifest says {expected}: the bundle is damaged or was changed")]
    Digest {
        /// The file.
        path: PathBuf,
        /// The digest in the manifest.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// The network answers the reference input differently from the manifest.
    #[error(
        "bundle {bundle}: the network gives {found:?} for the reference input, the manifest expects {expected:?} \
         within {tolerance}"
    )]
    Reference {
        /// The bundle's name.
        bundle: String,
        /// The manifest's values.
        expected: Vec<f32>,
        /// The network's values.
        found: Vec<f32>,
        /// The allowed difference.
        tolerance: f32,
    },
    /// The network's input or output is not what the manifest says.
    #[error("bundle {bundle}: {problem}")]
    Tensors {
        /// The bundle's name.
        bundle: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// The network gives a slice another value in a batch than alone.
    #[error(
        "bundle {bundle}: slice {slice} of the reference gives {alone:?} alone and {together:?} in a batch, so a label would depend on \
         its neighbours; quantise with fixed ranges (static, not dynamic) and export dense layers as 1 × 1 convolutions"
    )]
    BatchDependent {
        /// The bundle's name.
        bundle: String,
        /// The slice of the reference input, from 0; one past its end is the first one dimmed.
        slice: usize,
        /// Its value in a batch of one.
        alone: f32,
        /// Its value in a batch of all.
        together: f32,
    },
    /// The network took too long to load or to answer its reference.
    #[error("bundle {bundle}: the network has not loaded and answered its reference within {} s: it is too slow, or never ends", limit.as_secs())]
    TooSlow {
        /// The bundle's name.
        bundle: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The network's file is not one that is run.
    #[error("{path}: {problem}")]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The parts of a new bundle do not fit.
    #[error("cannot pack: {0}")]
    Draft(String),
    /// ONNX Runtime cannot be loaded.
    #[error(
        "ONNX Runtime cannot be loaded: {0}; run `make demo` or infra/bootstrap once, or set ORT_DYLIB_PATH to libonnxruntime.so"
    )]
    Library(String),
    /// The device asked for cannot be used.
    #[error("device {device} cannot be used: {missing}")]
    Device {
        /// The device asked for.
        device: String,
        /// What is missing.
        missing: String,
    },
    /// ONNX Runtime refused the network or failed on a batch.
    #[error("ONNX Runtime: {0}")]
    Runtime(String),
    /// The inference thread has ended.
    #[error("the inference thread has ended")]
    Stopped,
}

impl InferenceError {
    /// What the caller should do.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Runtime(_) => Kind::Reject,
            _ => Kind::Fatal,
        }
    }
}

impl<T> From<ort::Error<T>> for InferenceError {
    fn from(error: ort::Error<T>) -> Self {
        Self::Runtime(error.to_string())
    }
}
