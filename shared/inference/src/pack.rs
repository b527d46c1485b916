//! From a network and a draft to a bundle.

use toml::{Table, Value};

use crate::bundle::{Bundle, digest};
use crate::error::InferenceError;
use crate::manifest::Manifest;
use crate::onnx;
use crate::patience::PATIENCE;
use crate::runtime::DeviceChoice;

/// A new bundle and the text of its manifest.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The bundle, as if it had been loaded.
    pub bundle: Bundle,
    /// The text of its `bundle.toml`.
    pub manifest: String,
}

impl Packed {
    /// Completes `draft`, a manifest of format 2 whose `network.sha256`, `reference.slices` and `reference.expected` may be
    /// missing and are made anew: the network is run on the reference input, on the CPU. Blocks while it loads and runs.
    ///
    /// # Errors
    /// [`InferenceError::Draft`] where the parts do not fit, and as [`Bundle::verify`].
    pub fn complete(
        draft: &str,
        network: Vec<u8>,
        reference_input: Vec<u8>,
        threads: usize,
    ) -> Result<Self, InferenceError> {
        onnx::check_whole(&network).map_err(|problem| InferenceError::Draft(problem.to_owned()))?;
        let mut manifest = draft_manifest(draft).map_err(InferenceError::Draft)?;
        let slices = whole_slices(&manifest, reference_input.len()).map_err(InferenceError::Draft)?;
        manifest.network.sha256 = digest(&network);
        manifest.reference.slices = slices;
        let mut bundle = Bundle::of_parts(manifest, &[], network, reference_input);
        let (expected, _) = bundle.run_reference_within(DeviceChoice::Cpu, threads, PATIENCE)?;
        bundle.manifest.reference.expected = expected;
        bundle.manifest.validate().map_err(InferenceError::Draft)?;
        let text = bundle.manifest.to_toml().map_err(InferenceError::Draft)?;
        let Bundle { manifest, network, reference_input, .. } = bundle;
        let reference = Bundle::reference_of(&manifest, text.as_bytes());
        Ok(Self { bundle: Bundle { manifest, reference, network, reference_input }, manifest: text })
    }
}

impl Packed {
    /// The files of the bundle's folder with their names, save the card.
    #[must_use]
    pub fn files(&self) -> [(&str, &[u8]); 3] {
        let Bundle { manifest, network, reference_input, .. } = &self.bundle;
        [
            (&manifest.network.file, network.as_slice()),
            (&manifest.reference.input, reference_input.as_slice()),
            (Bundle::MANIFEST, self.manifest.as_bytes()),
        ]
    }
}

/// The draft as a manifest, with placeholders for what is made from the network.
fn draft_manifest(draft: &str) -> Result<Manifest, String> {
    let mut table: Table = toml::from_str(draft).map_err(|error| format!("the draft: {error}"))?;
    if table.get("format").and_then(Value::as_integer) != Some(2) {
        return Err("the draft: expected format = 2".to_owned());
    }
    let placeholders: [(&str, &str, Value); 3] = [
        ("network", "sha256", "0".repeat(64).into()),
        ("reference", "slices", Value::Integer(1)),
        ("reference", "expected", Value::Array(vec![Value::Float(0.5)])),
    ];
    for (section, key, value) in placeholders {
        match table.get_mut(section) {
            Some(Value::Table(section)) => drop(section.insert(key.to_owned(), value)),
            _ => return Err(format!("the draft: the section [{section}] is missing")),
        }
    }
    let manifest: Manifest = table.try_into().map_err(|error: toml::de::Error| format!("the draft: {error}"))?;
    manifest.validate().map_err(|problem| format!("the draft: {problem}"))?;
    Ok(manifest)
}

/// The slices in a reference of `bytes` bytes: two at least, or nothing could be compared in a batch and alone.
fn whole_slices(manifest: &Manifest, bytes: usize) -> Result<usize, String> {
    let [_, rows, columns] = manifest.preprocessing.crop;
    let slice = rows * columns;
    if bytes < 2 * slice || !bytes.is_multiple_of(slice) {
        return Err(format!(
            "the reference input has {bytes} bytes, expected at least two whole slices of {rows} by {columns} bytes ({slice} each)"
        ));
    }
    Ok(bytes / slice)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bundles").join(name)
    }

    fn pack(change: impl Fn(&mut Manifest), network: &str, reference: &[u8]) -> Result<Packed, InferenceError> {
        let mut manifest = Manifest::parse(&std::fs::read_to_string(data("cheap/bundle.toml")).unwrap()).unwrap();
        change(&mut manifest);
        Packed::complete(&manifest.to_toml().unwrap(), std::fs::read(data(network)).unwrap(), reference.to_vec(), 1)
    }

    fn reference() -> Vec<u8> {
        std::fs::read(data("cheap/reference.u8")).unwrap()
    }

    #[test]
    fn what_the_network_gives_is_filled_in_and_the_same_parts_give_the_same_digest() {
        let wrong = |manifest: &mut Manifest| manifest.reference.expected = vec![0.0; 3];
        let packed = pack(wrong, "cheap/model.onnx", &reference()).unwrap();
        let known = Bundle::load(&data("cheap")).unwrap().manifest;
        let made = &packed.bundle.manifest;
        assert_eq!(made.network.sha256, known.network.sha256);
        let pairs = made.reference.expected.iter().zip(&known.reference.expected);
        assert!(pairs.clone().count() == 3 && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5), "{made:?}");
        assert_eq!(packed.bundle.verify(DeviceChoice::Cpu, 1, PATIENCE).unwrap().deviation, 0.0);
        let again = pack(|_| {}, "cheap/model.onnx", &reference()).unwrap();
        assert_eq!(again.bundle.reference, packed.bundle.reference);
        assert_eq!(Manifest::parse(&packed.manifest).as_ref(), Ok(made));
    }

    #[test]
    fn parts_that_do_not_fit_are_told_apart() {
        let problem = |change: &dyn Fn(&mut Manifest), reference: &[u8]| {
            pack(change, "cheap/model.onnx", reference).unwrap_err().to_string()
        };
        let one_slice = problem(&|_| {}, &reference()[..1024]);
        assert!(one_slice.contains("at least two whole slices of 32 by 32"), "{one_slice}");
        let input = problem(&|manifest| manifest.network.input = "image".into(), &reference());
        assert!(input.contains(r#"input is "slices", the manifest says "image""#), "{input}");
        let output = problem(&|manifest| manifest.network.output = "p".into(), &reference());
        assert!(output.contains(r#"no output "p", it has ["probability"]"#), "{output}");
        let channels = problem(&|manifest| manifest.network.channels = 3, &reference());
        assert!(channels.contains("[-1, 3, 32, 32]"), "{channels}");
        let size = problem(&|manifest| manifest.preprocessing.crop = [8, 16, 16], &reference());
        assert!(size.contains("[-1, 1, 16, 16]"), "{size}");
    }

    /// A network quantised with fixed ranges keeps the promise of equal bits; one quantised by the batch's own range does not, and
    /// is refused.
    #[test]
    fn static_int8_is_taken_and_dynamic_int8_is_refused() {
        let int8 = |manifest: &mut Manifest| manifest.network.precision = crate::Precision::Int8;
        let packed = pack(int8, "cheap-int8/model.onnx", &reference()).unwrap();
        assert_eq!(packed.bundle.verify(DeviceChoice::Cpu, 2, PATIENCE).unwrap().found.len(), 3);
        let refused = pack(int8, "cheap-dynamic.onnx", &reference()).unwrap_err();
        assert!(matches!(refused, InferenceError::BatchDependent { .. }), "{refused}");
    }
}
