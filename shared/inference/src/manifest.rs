//! `bundle.toml`, format 1: see `schemas/bundle.md`.

use bolus_preprocess::Spec;
use bolus_study::BodyPart;
use serde::{Deserialize, Serialize};

/// The manifest format that this version reads.
const FORMAT: u32 = 1;

/// A bundle manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of the manifest, 1.
    pub format: u32,
    /// Name of the bundle: lower case letters, digits and dashes.
    pub name: String,
    /// Version of the bundle.
    pub version: String,
    /// Licence of the network, as an SPDX expression.
    pub licence: String,
    /// What it may be used for.
    pub intended_use: String,
    /// The body parts it covers.
    pub body_parts: Vec<BodyPart>,
    /// The network and its tensors.
    pub network: NetworkSpec,
    /// From decoded slices to the input tensor.
    pub preprocessing: Spec,
    /// From slice probabilities to a class.
    pub decision: DecisionSpec,
    /// From aggregate to calibrated probability.
    pub calibration: Calibration,
    /// The reference input, checked on load.
    pub reference: ReferenceSpec,
    /// What it was trained on.
    pub training: TrainingStatement,
}

/// Axis order of the input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[slice, channel, row, column]`.
    Nchw,
    /// `[slice, row, column, channel]`.
    Nhwc,
}

/// Element type of the input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE 754 single precision.
    Float32,
    /// IEEE 754 half precision.
    Float16,
}

/// The network and its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// The ONNX file, beside the manifest.
    pub file: String,
    /// sha256 of the file, lower-case hex.
    pub sha256: String,
    /// Name of the input.
    pub input: String,
    /// Axis order of the input.
    pub layout: Layout,
    /// Element type of input and output.
    pub dtype: Dtype,
    /// Channels, into each of which the grey slice is repeated.
    pub channels: usize,
    /// Name of the output: one probability of intravenous contrast a slice.
    pub output: String,
}

/// How slice probabilities become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    /// The arithmetic mean.
    Mean,
}

/// From slice probabilities to a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionSpec {
    /// A slice is positive at or above this.
    pub slice_threshold: f32,
    /// How slice probabilities become one.
    pub aggregation: Aggregation,
    /// A series is enhanced above this.
    pub scan_threshold: f64,
    /// Calibrated probabilities in this closed band are indeterminate.
    pub indeterminate: [f64; 2],
}

/// `calibrated = sigmoid(scale · logit(aggregate) + shift)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor on the logit; 1 leaves it.
    pub scale: f64,
    /// Term added to the logit; 0 leaves it.
    pub shift: f64,
    /// What the two were fitted on.
    pub fitted_on: String,
}

/// The reference input and its expected output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceSpec {
    /// File of bytes, `[slice, row, column]`; value / 255 is the input.
    pub input: String,
    /// Number of slices in the file.
    pub slices: usize,
    /// The probabilities that the network gives.
    pub expected: Vec<f32>,
    /// Largest allowed difference.
    pub tolerance: f32,
}

/// What the network was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingStatement {
    /// In words.
    pub statement: String,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// A text that names the key and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        manifest.validate()?;
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), String> {
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        let plain = |file: &str| !file.is_empty() && !file.contains(['/', '\\']) && file != "..";
        let decision = &self.decision;
        let checks = [
            (self.format == FORMAT, "format: only 1 is known"),
            (
                !self.name.is_empty()
                    && self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "name: expected lower case letters, digits and dashes",
            ),
            (!self.body_parts.is_empty(), "body_parts: expected at least one"),
            (plain(&self.network.file), "network.file: expected the name of a file beside the manifest"),
            (self.network.sha256.len() == 64, "network.sha256: expected 64 hex digits"),
            ((1..=16).contains(&self.network.channels), "network.channels: expected 1 to 16"),
            (unit(f64::from(decision.slice_threshold)), "decision.slice_threshold: expected 0 to 1"),
            (unit(decision.scan_threshold), "decision.scan_threshold: expected 0 to 1"),
            (
                unit(decision.indeterminate[0])
                    && unit(decision.indeterminate[1])
                    && decision.indeterminate[0] <= decision.indeterminate[1],
                "decision.indeterminate: expected two rising numbers within 0 to 1",
            ),
            (
                self.calibration.scale.is_finite()
                    && self.calibration.scale > 0.0
                    && self.calibration.shift.is_finite(),
                "calibration: expected a positive scale and a finite shift",
            ),
            (plain(&self.reference.input), "reference.input: expected the name of a file beside the manifest"),
            (
                self.reference.slices > 0 && self.reference.expected.len() == self.reference.slices,
                "reference.expected: expected one number a reference slice, and at least one",
            ),
            (self.reference.tolerance > 0.0, "reference.tolerance: expected a positive number"),
        ];
        if let Some((_, problem)) = checks.iter().find(|(holds, _)| !holds) {
            return Err((*problem).to_owned());
        }
        self.preprocessing.validate().map_err(|error| error.to_string())
    }
}
