//! The check of a bundle's network against its reference.

use std::sync::Arc;
use std::time::Duration;

use crate::bundle::Bundle;
use crate::error::InferenceError;
use crate::options::EngineOptions;
use crate::patience::within;
use crate::runtime::{CudaOptions, Device, DeviceChoice};
use crate::session::BatchSession;

/// Brightness of the slice that is added to a batch, as a share of the first reference slice's: a network that takes its ranges
/// from the batch gives it away, however alike the reference slices are.
const DIMMED: f32 = 0.25;

/// What a bundle's network gave for its reference input, and the device that it ran on.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The probabilities of the reference slices.
    pub found: Vec<f32>,
    /// The largest difference from what the manifest expects.
    pub deviation: f32,
    /// The device.
    pub device: Device,
}

impl Bundle {
    /// Runs the network on the reference input, in one batch and slice by slice, which must give the same bits. Blocks while it loads
    /// and runs, for `limit` at most.
    ///
    /// # Errors
    /// [`InferenceError`] where the network cannot be run, deviates from the reference beyond the tolerance, or gives a slice
    /// other bits in a batch than alone. After [`InferenceError::TooSlow`] the network may still run, until the process ends.
    pub fn verify(&self, device: DeviceChoice, threads: usize, limit: Duration) -> Result<Verified, InferenceError> {
        let (found, device) = self.run_reference_within(device, threads, limit)?;
        let deviation = self.deviation(&found)?;
        Ok(Verified { found, deviation, device })
    }

    /// As [`Bundle::run_reference`], on a thread that is waited for for `limit`.
    pub(crate) fn run_reference_within(
        &self,
        device: DeviceChoice,
        threads: usize,
        limit: Duration,
    ) -> Result<(Vec<f32>, Device), InferenceError> {
        let bundle = self.clone();
        within(limit, &self.manifest.name, move || bundle.run_reference(device, threads))
    }

    /// The network's values for the reference input: the same bits in one batch, with a dimmed slice more, and slice by slice.
    fn run_reference(&self, device: DeviceChoice, threads: usize) -> Result<(Vec<f32>, Device), InferenceError> {
        let options = EngineOptions {
            device,
            cuda: CudaOptions::default(),
            threads: threads.max(1),
            batch: None,
            scored: Arc::default(),
            on_batch: None,
        };
        let mut session = BatchSession::open(self, &options)?;
        let mut input = self.reference_values();
        let first = self.slices_of(&input).first().map(|slice| slice.to_vec()).unwrap_or_default();
        input.extend(first.iter().map(|value| value * DIMMED));
        let slices = self.slices_of(&input);
        let mut found = session.run(&slices)?;
        for (slice, (values, together)) in slices.iter().zip(&found).enumerate() {
            let alone = session.run(&[*values])?.first().copied().unwrap_or(f32::NAN);
            if alone.to_bits() != together.to_bits() {
                let bundle = self.manifest.name.clone();
                return Err(InferenceError::BatchDependent { bundle, slice, alone, together: *together });
            }
        }
        found.truncate(self.manifest.reference.slices);
        Ok((found, session.device.clone()))
    }

    /// The reference input as the network takes it, before the channels are repeated.
    pub(crate) fn reference_values(&self) -> Vec<f32> {
        self.reference_input.iter().map(|byte| f32::from(*byte) / 255.0).collect()
    }

    /// `values` cut into slices.
    pub(crate) fn slices_of<'a>(&self, values: &'a [f32]) -> Vec<&'a [f32]> {
        let [_, rows, columns] = self.manifest.preprocessing.crop;
        values.chunks_exact(rows * columns).collect()
    }

    /// The largest difference of `found` from the expected values, which must be within the tolerance.
    pub(crate) fn deviation(&self, found: &[f32]) -> Result<f32, InferenceError> {
        let reference = &self.manifest.reference;
        let deviation = found.iter().zip(&reference.expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if found.len() == reference.expected.len() && deviation <= reference.tolerance {
            return Ok(deviation);
        }
        Err(InferenceError::Reference {
            bundle: self.manifest.name.clone(),
            expected: reference.expected.clone(),
            found: found.to_vec(),
            tolerance: reference.tolerance,
        })
    }
}
