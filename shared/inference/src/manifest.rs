//! `bundle.toml`: see `schemas/bundle.md` and `schemas/bundle.v2.schema.json`.

use bolus_preprocess::Spec;
use bolus_study::BodyPart;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::calibration::Calibration;

/// The manifest format that this version writes. It reads format 1 as well, as the manifest of format 2 that says the same.
const FORMAT: u32 = 2;

/// A bundle manifest, format 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of the manifest: 2, whatever the file's.
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
    /// How a series is scored in part; without it all slices are scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveSpec>,
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

/// What the network's weights and arithmetic are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    Float32,
    /// Half precision.
    Float16,
    /// Eight-bit integers, quantised with fixed ranges; input and output stay floating point.
    Int8,
}

impl Precision {
    /// The name used in manifests and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
        }
    }
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
    /// What the weights and the arithmetic are, for people: nothing is decided by it.
    pub precision: Precision,
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
    /// How the band widens where a label rests on few slices; without it the band is the same for one slice and for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_slices: Option<FewSlices>,
}

/// How much wider the band of the indeterminate is for few slices: on the logit, each end moves outwards by
/// `widening · √(1/n − 1/enough)` for `n` slices of fewer than `enough`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewSlices {
    /// Factor on the logit, fitted.
    pub widening: f64,
    /// Slices from which the band is that of `indeterminate`.
    pub enough: usize,
    /// What the factor was fitted on.
    pub fitted_on: String,
}

/// How a series may be scored in part: outputs are taken in a spread-out order until a sequential test settles the class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveSpec {
    /// Outputs that are scored at first.
    pub first: usize,
    /// Outputs that are added a round.
    pub step: usize,
    /// Critical value of the sequential test, in standard errors.
    pub critical: f64,
    /// Most of the slab's outputs that are scored before all are, above 0 and up to 1.
    pub share: f64,
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
    /// Reads and checks a manifest of format 1 or 2.
    ///
    /// # Errors
    /// A text that names the key and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: i64,
        }
        let head: Head = toml::from_str(text).map_err(|error| error.to_string())?;
        let (table, manifest): (Table, Result<Self, _>) = match head.format {
            1 => {
                let table = upgraded(text)?;
                (table.clone(), table.try_into())
            }
            2 => (toml::from_str(text).map_err(|error| error.to_string())?, toml::from_str(text)),
            other => return Err(format!("format: {other} is not known, only 1 and 2 are; a newer bolus may read it")),
        };
        let manifest = manifest.map_err(|error| error.to_string())?;
        let taken = Table::try_from(&manifest).map_err(|error| error.to_string())?;
        all_taken("", &Value::Table(table), &Value::Table(taken))?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// The manifest as the text of a `bundle.toml`; the same manifest gives the same text, and so the same digest.
    ///
    /// # Errors
    /// A text that says what TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// A text that names the key and what is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        let plain = |file: &str| !matches!(file, "" | "." | ".." | "bundle.toml") && !file.contains(['/', '\\']);
        let checks = [
            (self.format == FORMAT, "format: a manifest in memory is of format 2"),
            (is_bundle_name(&self.name), "name: expected lower case letters, digits and dashes"),
            (!self.body_parts.is_empty(), "body_parts: expected at least one"),
            (plain(&self.network.file), "network.file: expected the name of a file beside the manifest"),
            (is_sha256(&self.network.sha256), "network.sha256: expected 64 hex digits"),
            ((1..=16).contains(&self.network.channels), "network.channels: expected 1 to 16"),
            (plain(&self.reference.input), "reference.input: expected the name of a file beside the manifest"),
            (
                self.reference.slices > 0 && self.reference.expected.len() == self.reference.slices,
                "reference.expected: expected one number a reference slice, and at least one",
            ),
            (self.reference.tolerance > 0.0, "reference.tolerance: expected a positive number"),
        ];
        first_breach(&checks)?;
        self.decision.validate()?;
        self.calibration.validate()?;
        self.adaptive.as_ref().map_or(Ok(()), AdaptiveSpec::validate)?;
        self.preprocessing.validate().map_err(|error| error.to_string())
    }
}

impl DecisionSpec {
    /// The closed band of the indeterminate for a label that rests on so many source slices.
    #[must_use]
    pub fn band(&self, slices: usize) -> [f64; 2] {
        let [low, high] = self.indeterminate;
        let Some(law) = self.few_slices.as_ref().filter(|law| slices < law.enough) else { return [low, high] };
        let by = law.widening * (1.0 / slices.max(1) as f64 - 1.0 / law.enough as f64).sqrt();
        [shifted(low, -by), shifted(high, by)]
    }

    fn validate(&self) -> Result<(), String> {
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        let [low, high] = self.indeterminate;
        first_breach(&[
            (unit(f64::from(self.slice_threshold)), "decision.slice_threshold: expected 0 to 1"),
            (unit(self.scan_threshold), "decision.scan_threshold: expected 0 to 1"),
            (
                unit(low) && unit(high) && low <= high,
                "decision.indeterminate: expected two rising numbers within 0 to 1",
            ),
            (
                self.few_slices
                    .as_ref()
                    .is_none_or(|law| law.widening.is_finite() && law.widening >= 0.0 && law.enough > 0),
                "decision.few_slices: expected a widening of 0 or more and at least 1 slice that is enough",
            ),
        ])
    }
}

impl AdaptiveSpec {
    fn validate(&self) -> Result<(), String> {
        first_breach(&[
            (self.first > 0, "adaptive.first: expected at least 1"),
            (self.step > 0, "adaptive.step: expected at least 1"),
            (self.critical.is_finite() && self.critical > 0.0, "adaptive.critical: expected a positive number"),
            (self.share > 0.0 && self.share <= 1.0, "adaptive.share: expected above 0 and up to 1"),
        ])
    }
}

/// `probability` moved by `by` on the logit.
fn shifted(probability: f64, by: f64) -> f64 {
    1.0 / (1.0 + (1.0 - probability) / probability * (-by).exp())
}

fn first_breach(checks: &[(bool, &str)]) -> Result<(), String> {
    checks.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, problem)| Err((*problem).to_owned()))
}

fn is_bundle_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Checks that nothing of what was read has been passed over: serde takes the first values of an array that is too long, and an
/// array for a section.
fn all_taken(place: &str, read: &Value, taken: &Value) -> Result<(), String> {
    match (read, taken) {
        (Value::Table(read), Value::Table(taken)) => read.iter().try_for_each(|(key, value)| {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            let taken = taken.get(key).ok_or_else(|| format!("{place}: unknown key"))?;
            all_taken(&place, value, taken)
        }),
        (Value::Array(read), Value::Array(taken)) if read.len() != taken.len() => {
            Err(format!("{place}: expected {} values, found {}", taken.len(), read.len()))
        }
        (Value::Array(_), Value::Table(_)) => Err(format!("{place}: expected a section, found an array")),
        _ => Ok(()),
    }
}

/// A manifest of format 1 as one of format 2: its calibration is Platt's, its arithmetic that of its tensors.
fn upgraded(text: &str) -> Result<Table, String> {
    let mut table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let has = |section: &str, key: &str| table.get(section).is_some_and(|section| section.get(key).is_some());
    let clips = table.get("preprocessing").and_then(|spec| spec.get("scale")).and_then(Value::as_str) == Some("clip");
    let newer = [
        (table.contains_key("adaptive"), "adaptive"),
        (has("calibration", "method"), "calibration.method"),
        (has("network", "precision"), "network.precision"),
        (clips, "preprocessing.scale = \"clip\""),
        (has("decision", "few_slices"), "decision.few_slices"),
    ];
    if let Some((_, key)) = newer.iter().find(|(found, _)| *found) {
        return Err(format!("{key}: needs format = 2"));
    }
    table.insert("format".to_owned(), Value::Integer(FORMAT.into()));
    if let Some(Value::Table(calibration)) = table.get_mut("calibration") {
        calibration.insert("method".to_owned(), "platt".into());
    }
    if let Some(Value::Table(network)) = table.get_mut("network")
        && let Some(dtype) = network.get("dtype").cloned()
    {
        network.insert("precision".to_owned(), dtype);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn cheap() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bundles/cheap/bundle.toml");
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn format_1_is_read_as_the_format_2_that_says_the_same() {
        let manifest = Manifest::parse(&cheap()).unwrap();
        assert_eq!((manifest.format, manifest.network.precision), (2, Precision::Float32));
        assert!(manifest.calibration.is_identity());
        let written = manifest.to_toml().unwrap();
        assert!(written.starts_with("format = 2\n"), "{written}");
        assert_eq!(Manifest::parse(&written), Ok(manifest.clone()));
        assert_eq!(Manifest::parse(&written).unwrap().to_toml(), Ok(written));
    }

    #[test]
    fn the_band_widens_with_fewer_slices_and_never_beyond_0_and_1() {
        let law = FewSlices { widening: 2.0, enough: 16, fitted_on: String::new() };
        let mut decision = Manifest::parse(&cheap()).unwrap().decision;
        assert_eq!(decision.band(1), decision.indeterminate);
        decision.few_slices = Some(law);
        let bands: Vec<[f64; 2]> = [16, 8, 4, 2, 1].map(|slices| decision.band(slices)).to_vec();
        assert_eq!(bands[0], decision.indeterminate);
        assert!(bands.windows(2).all(|pair| pair[1][0] < pair[0][0] && pair[1][1] > pair[0][1]), "{bands:?}");
        assert!(bands.iter().all(|[low, high]| *low > 0.0 && *high < 1.0), "{bands:?}");
        decision.indeterminate = [0.0, 1.0];
        assert_eq!(decision.band(1), [0.0, 1.0]);
    }

    #[test]
    fn format_1_takes_no_key_of_format_2() {
        for (old, new) in [
            ("[reference]", "[adaptive]\nfirst = 1\n[reference]"),
            ("[calibration]", "[calibration]\nmethod = \"platt\""),
            ("[network]", "[network]\nprecision = \"int8\""),
            ("\"min-max\"", "\"clip\""),
            ("[reference]", "[decision.few_slices]\nwidening = 1.0\nenough = 20\nfitted_on = \"\"\n[reference]"),
        ] {
            let problem = Manifest::parse(&cheap().replacen(old, new, 1)).unwrap_err();
            assert!(problem.contains("needs format = 2"), "{new}: {problem}");
        }
        let problem = Manifest::parse(&cheap().replacen("format = 1", "format = 3", 1)).unwrap_err();
        assert!(problem.starts_with("format: 3 is not known"), "{problem}");
    }
}
