//! The bundles that a run may use: one that was named, or for each body part its default.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bolus_study::{BodyPart, BundleRef};
use sha2::{Digest, Sha256};

use crate::bundle::{Bundle, MOST_MANIFEST_BYTES, read};
use crate::error::InferenceError;
use crate::manifest::Manifest;

/// The name that stands for "the default bundle of the body part".
pub const AUTO: &str = "auto";

/// The file beside the bundles that says which is the default for which body part: see `schemas/bundle.md`.
const DEFAULTS: &str = "default.toml";

/// One bundle that takes what it takes, or several of which each series gets the one for its body part.
#[derive(Debug)]
pub struct BundleSet {
    bundles: Vec<Arc<Bundle>>,
    /// The bundle of each body part; none where one bundle was named.
    routes: Option<BTreeMap<BodyPart, usize>>,
    reference: BundleRef,
}

impl BundleSet {
    /// The bundles that `name` stands for: [`AUTO`], a bundle's name below one of `folders`, or a bundle's folder. All are read and their
    /// digests checked.
    ///
    /// For [`AUTO`] the first of `folders` that holds a `default.toml` decides alone. Where none does, the first that holds any bundle:
    /// all of its bundles are taken, which then must cover different body parts.
    ///
    /// # Errors
    /// [`InferenceError`] names what is missing, damaged or ambiguous.
    pub fn find(name: &str, folders: &[PathBuf]) -> Result<Self, InferenceError> {
        if name != AUTO {
            return Ok(Self::only(Bundle::load(&Bundle::locate(name, folders)?)?));
        }
        if let Some(folder) = folders.iter().find(|folder| folder.join(DEFAULTS).is_file()) {
            return Self::routed(folder, &defaults(&folder.join(DEFAULTS))?);
        }
        for folder in folders {
            let routes = covered(folder)?;
            if !routes.is_empty() {
                return Self::routed(folder, &routes);
            }
        }
        let looked_in = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        Err(InferenceError::NoDefaults { looked_in })
    }

    /// The one bundle that was named.
    #[must_use]
    pub fn only(bundle: Bundle) -> Self {
        let reference = bundle.reference.clone();
        Self { bundles: vec![Arc::new(bundle)], routes: None, reference }
    }

    /// The bundles below `folder` that `names` gives to body parts.
    fn routed(folder: &Path, names: &BTreeMap<BodyPart, String>) -> Result<Self, InferenceError> {
        let mut bundles: Vec<Arc<Bundle>> = Vec::new();
        for name in names.values().collect::<BTreeSet<_>>() {
            bundles.push(Arc::new(Bundle::load(&folder.join(name))?));
        }
        let mut routes = BTreeMap::new();
        for (part, name) in names {
            let place = bundles.iter().position(|bundle| bundle.manifest.name == *name);
            let place = place.filter(|place| bundles[*place].manifest.body_parts.contains(part));
            let Some(place) = place else {
                let problem = format!("{part}: bundle {name} does not cover it, or its manifest has another name");
                return Err(InferenceError::Manifest { path: folder.join(DEFAULTS), problem });
            };
            routes.insert(*part, place);
        }
        let lines = routes.iter().map(|(part, place)| format!("{part}={}\n", bundles[*place].reference.digest));
        let digest = hex::encode(Sha256::digest(lines.collect::<String>()));
        let reference = BundleRef { name: AUTO.into(), version: env!("CARGO_PKG_VERSION").into(), digest };
        Ok(Self { bundles, routes: Some(routes), reference })
    }

    /// The bundles, in the order of their names.
    #[must_use]
    pub fn bundles(&self) -> &[Arc<Bundle>] {
        &self.bundles
    }

    /// Whether each series gets the bundle of its body part, rather than the one that was named.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        self.routes.is_some()
    }

    /// What stands in the rows of files and of series that no bundle takes: the one bundle, or `auto` with a digest over which bundle is
    /// for which body part.
    #[must_use]
    pub fn reference(&self) -> &BundleRef {
        &self.reference
    }

    /// The body parts that series may show, in the order of the body.
    #[must_use]
    pub fn body_parts(&self) -> Vec<BodyPart> {
        match &self.routes {
            Some(routes) => routes.keys().copied().collect(),
            None => self.bundles.iter().flat_map(|bundle| bundle.manifest.body_parts.clone()).collect(),
        }
    }

    /// The place among [`BundleSet::bundles`] of the one for a series that shows `parts`: the one that is for most of them, and of equals
    /// the one for the part nearest to the head. None where none is for any.
    #[must_use]
    pub fn covering(&self, parts: &[BodyPart]) -> Option<usize> {
        let place = |part: &BodyPart| match &self.routes {
            Some(routes) => routes.get(part).copied(),
            None => self.bundles.first().filter(|bundle| bundle.manifest.body_parts.contains(part)).map(|_| 0),
        };
        // From head to foot: the first of equals is the cranial one.
        let sorted: BTreeSet<BodyPart> = parts.iter().copied().collect();
        let found: Vec<usize> = sorted.iter().filter_map(place).collect();
        let most = found.iter().map(|one| found.iter().filter(|other| *other == one).count()).max()?;
        found.iter().copied().find(|one| found.iter().filter(|other| *other == one).count() == most)
    }
}

/// The lines of a `default.toml`: body part = name of the bundle's folder beside the file.
fn defaults(path: &Path) -> Result<BTreeMap<BodyPart, String>, InferenceError> {
    let wrong = |problem: String| InferenceError::Manifest { path: path.to_owned(), problem };
    let text = text_of(path)?;
    let named: BTreeMap<String, String> = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if named.is_empty() {
        return Err(wrong("it names no bundle".into()));
    }
    let parsed = named.into_iter().map(|(part, name)| match part.parse::<BodyPart>() {
        Ok(_) if name.contains(['/', '\\']) => {
            Err(wrong(format!("{part}: expected the name of a folder beside the file")))
        }
        Ok(part) => Ok((part, name)),
        Err(problem) => Err(wrong(problem)),
    });
    parsed.collect()
}

/// The bundle of each body part, where no two bundles of `folder` cover the same.
fn covered(folder: &Path) -> Result<BTreeMap<BodyPart, String>, InferenceError> {
    // A folder that is not there holds none.
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(BTreeMap::new()) };
    let mut places: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    places.retain(|place| place.join(Bundle::MANIFEST).is_file());
    places.sort();
    let mut routes = BTreeMap::new();
    for place in places {
        let Some(name) = place.file_name().and_then(|name| name.to_str()) else { continue };
        for part in manifest_of(&place)?.body_parts {
            if let Some(other) = routes.insert(part, name.to_owned()) {
                return Err(InferenceError::Ambiguous {
                    part,
                    bundles: [other, name.to_owned()],
                    folder: folder.to_owned(),
                });
            }
        }
    }
    Ok(routes)
}

fn manifest_of(folder: &Path) -> Result<Manifest, InferenceError> {
    let path = folder.join(Bundle::MANIFEST);
    let text = text_of(&path)?;
    Manifest::parse(&text).map_err(|problem| InferenceError::Manifest { path, problem })
}

fn text_of(path: &Path) -> Result<String, InferenceError> {
    let not_text = |error: std::string::FromUtf8Error| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        InferenceError::Read { path: path.to_owned(), source }
    };
    String::from_utf8(read(path, MOST_MANIFEST_BYTES)?).map_err(not_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of bundles that share the smallest network of the tests: name and body parts of each.
    fn shelf(bundles: &[(&str, &str)], defaults: Option<&str>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bundles/cheap");
        let manifest = std::fs::read_to_string(source.join(Bundle::MANIFEST)).unwrap();
        for (name, parts) in bundles {
            let own = folder.path().join(name);
            std::fs::create_dir(&own).unwrap();
            for entry in std::fs::read_dir(&source).unwrap().map(|entry| entry.unwrap().path()) {
                std::fs::copy(&entry, own.join(entry.file_name().unwrap())).unwrap();
            }
            let keep = |line: &&str| !line.starts_with("name =") && !line.starts_with("body_parts =");
            let rest: Vec<&str> = manifest.lines().filter(keep).collect();
            let text = format!("name = \"{name}\"\nbody_parts = [{parts}]\n{}", rest.join("\n"));
            std::fs::write(own.join(Bundle::MANIFEST), text).unwrap();
        }
        if let Some(text) = defaults {
            std::fs::write(folder.path().join(DEFAULTS), text).unwrap();
        }
        folder
    }

    const HEAD: (&str, &str) = ("head", "\"head-neck\"");
    const TORSO: (&str, &str) = ("torso", "\"chest\", \"abdomen\"");

    fn auto(folder: &tempfile::TempDir) -> Result<BundleSet, InferenceError> {
        BundleSet::find(AUTO, &[PathBuf::from("/nonesuch"), folder.path().to_owned()])
    }

    #[test]
    fn a_series_goes_to_the_bundle_of_most_of_its_parts_and_of_equals_to_the_cranial_one() {
        use BodyPart::{Abdomen, Chest, Extremity, HeadNeck, Pelvis};
        let folder = shelf(&[HEAD, TORSO], None);
        let set = auto(&folder).unwrap();
        let name = |parts: &[BodyPart]| set.covering(parts).map(|place| set.bundles()[place].manifest.name.clone());
        for (parts, expected) in [
            (&[HeadNeck][..], Some("head")),
            (&[Chest], Some("torso")),
            (&[Pelvis, Abdomen, Chest], Some("torso")),
            (&[Chest, HeadNeck], Some("head")),
            (&[HeadNeck, Chest, Abdomen], Some("torso")),
            (&[Pelvis], None),
            (&[Extremity, Pelvis], None),
            (&[], None),
        ] {
            assert_eq!(name(parts).as_deref(), expected, "{parts:?}");
        }
        assert_eq!(set.body_parts(), [HeadNeck, Chest, Abdomen]);
    }

    #[test]
    fn the_defaults_decide_where_bundles_overlap() {
        let bundles = [HEAD, TORSO, ("torso-lite", "\"chest\", \"abdomen\"")];
        let error = auto(&shelf(&bundles, None)).unwrap_err().to_string();
        assert!(error.contains("torso and torso-lite") && error.contains("default.toml"), "{error}");
        let set = auto(&shelf(&bundles, Some("# by hand\nchest = \"torso-lite\"\n"))).unwrap();
        assert_eq!(set.body_parts(), [BodyPart::Chest]);
        assert_eq!(set.bundles().len(), 1);
        for (text, problem) in [
            ("pelvis = \"torso\"", "pelvis: bundle torso does not cover it"),
            ("chest = \"nonesuch\"", "nonesuch"),
            ("chest = \"../torso\"", "beside the file"),
            ("brain = \"head\"", "unknown body part \"brain\""),
            ("", "names no bundle"),
        ] {
            let error = auto(&shelf(&bundles, Some(text))).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn the_digest_tells_which_bundle_is_for_which_part() {
        let digest = |text: &str| auto(&shelf(&[HEAD, TORSO], Some(text))).unwrap().reference().digest.clone();
        let both = digest("chest = \"torso\"\nabdomen = \"torso\"");
        assert_eq!(both, digest("abdomen = \"torso\"\nchest = \"torso\""));
        assert_ne!(both, digest("chest = \"torso\""));
        assert_eq!(both.len(), 64);
    }

    #[test]
    fn what_is_named_is_taken_alone_and_what_is_missing_is_told() {
        let folder = shelf(&[HEAD, TORSO], Some("chest = \"torso\""));
        let set = BundleSet::find("head", &[folder.path().to_owned()]).unwrap();
        assert!(!set.is_auto());
        assert_eq!(set.reference(), &set.bundles()[0].reference);
        assert!(matches!(BundleSet::find(AUTO, &[]), Err(InferenceError::NoDefaults { .. })));
        std::fs::write(folder.path().join("torso/model.onnx"), b"damaged").unwrap();
        assert!(matches!(auto(&folder), Err(InferenceError::Digest { .. })));
    }
}
