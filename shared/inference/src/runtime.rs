//! Finding ONNX Runtime and choosing the device.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use etcetera::base_strategy::{BaseStrategy, Xdg};
use ort::environment::Environment;

use crate::error::InferenceError;
use crate::telemetry;

/// The version that the bootstrap fetches.
const RUNTIME_VERSION: &str = "1.31.1";
/// The shared library's stable name.
const LIBRARY: &str = "libonnxruntime.so";
/// The CUDA provider, which lies beside the library.
const CUDA_PROVIDER: &str = "libonnxruntime_providers_cuda.so";
/// NVIDIA's driver library.
const CUDA_DRIVER: &str = "libcuda.so.1";

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA where it can be used, else CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device by its number, or an error.
    Cuda(i32),
}

impl FromStr for DeviceChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .filter(|number| *number >= 0)
                .map(Self::Cuda)
                .ok_or_else(|| format!("unknown device {other:?}: expected auto, cpu, cuda or cuda:N")),
        }
    }
}

/// The device that runs the network, and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The CUDA device number; none on the CPU.
    pub cuda: Option<i32>,
    /// Why this device was taken, for the log.
    pub why: String,
}

impl Device {
    /// `cpu` or `cuda`, as stored in rows.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.cuda.is_some() { "cuda" } else { "cpu" }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cuda {
            Some(number) => write!(f, "cuda:{number} ({})", self.why),
            None => write!(f, "cpu ({})", self.why),
        }
    }
}

/// Everything that the CUDA provider is told, in one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CudaOptions {
    /// Largest size of the provider's arena in bytes; none leaves it unlimited.
    pub memory_limit_bytes: Option<usize>,
}

impl CudaOptions {
    /// The execution provider for device `number`. TF32 is off and the algorithm fixed, so that a batch gives the same bits each time.
    pub(crate) fn provider(&self, number: i32) -> ort::ep::ExecutionProviderDispatch {
        let mut provider = ort::ep::CUDA::default()
            .with_device_id(number)
            .with_tf32(false)
            .with_conv_algorithm_search(ort::ep::cuda::ConvAlgorithmSearch::Default);
        if let Some(limit) = self.memory_limit_bytes {
            provider = provider.with_memory_limit(limit);
        }
        provider.build().error_on_failure()
    }
}

/// The loaded library: one a process, as ONNX Runtime demands.
pub(crate) struct Runtime {
    pub environment: Environment,
    pub library: PathBuf,
    /// `1.<minor>`, as the library states it.
    pub version: String,
}

/// Loads the library once. The first call decides between the CPU and the CUDA build; later calls get the same.
pub(crate) fn runtime(choice: DeviceChoice) -> Result<&'static Runtime, InferenceError> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME.get_or_init(|| load(choice)).as_ref().map_err(|problem| InferenceError::Library(problem.clone()))
}

fn load(choice: DeviceChoice) -> Result<Runtime, String> {
    if !telemetry::is_disabled() {
        return Err(
            "ORT_DISABLE_TELEMETRY and ORT_TELEMETRY_DISABLED are not 1: ONNX Runtime would report what it runs"
                .to_owned(),
        );
    }
    let library = find_library(choice)?;
    let environment = ort::init_from(&library)
        .map_err(|error| format!("{}: {error}", library.display()))?
        .with_name("bolus")
        .with_telemetry(false)
        .build()
        .map_err(|error| error.to_string())?;
    let version = ort::util::probe(&library).map_or_else(|| "unknown".to_owned(), |minor| format!("1.{minor}"));
    Ok(Runtime { environment, library, version })
}

/// `ORT_DYLIB_PATH`, else the bootstrap's cache folder.
fn find_library(choice: DeviceChoice) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let cache = Xdg::new().map_err(|_| "neither ORT_DYLIB_PATH, XDG_CACHE_HOME nor HOME is set")?.cache_dir();
    let builds: &[&str] = if choice == DeviceChoice::Cpu { &["cpu", "cuda"] } else { &["cuda", "cpu"] };
    let candidates: Vec<PathBuf> = builds
        .iter()
        .map(|build| cache.join("bolus/onnxruntime").join(format!("{RUNTIME_VERSION}-{build}")).join(LIBRARY))
        .collect();
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let looked = candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ");
        format!("no library at {looked}")
    })
}

/// What stands in the way of CUDA, seen without starting it; `None` when nothing does.
pub(crate) fn cuda_obstacle(library: &Path) -> Option<String> {
    if ort::util::preload_dylib(CUDA_DRIVER).is_err() {
        return Some(format!("no NVIDIA driver ({CUDA_DRIVER} cannot be loaded)"));
    }
    let real = std::fs::canonicalize(library).unwrap_or_else(|_| library.to_owned());
    let beside = |path: &Path| path.parent().is_some_and(|folder| folder.join(CUDA_PROVIDER).is_file());
    if !beside(library) && !beside(&real) {
        return Some(format!(
            "the loaded ONNX Runtime ({}) has no CUDA provider ({CUDA_PROVIDER} is missing beside it); run infra/bootstrap on this machine",
            library.display()
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_parsed() {
        assert_eq!("cuda:2".parse(), Ok(DeviceChoice::Cuda(2)));
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert!("cuda:-1".parse::<DeviceChoice>().is_err());
        assert!("gpu".parse::<DeviceChoice>().is_err());
    }
}
