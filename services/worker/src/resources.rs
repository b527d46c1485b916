//! What the configuration names on this machine. A start and `--check-config` look for it alike, before anything else is done, and
//! neither asks a server.

use std::path::Path;
use std::sync::Arc;

use bolus_inference::{Adaptive, BundleSet};
use bolus_labeling::PatientKey;
use bolus_ops::config::{Loaded, Problems};
use bolus_ops::files::probe_folder;
use bolus_setup::{SetupError, read_patient_key};
use bolus_storage::Location;

use crate::config::{Config, ModelConfig};

/// What mends a bundle that is not found.
const BUNDLE_MEND: &str = "name a bundle's folder, or in model.folders the folder that holds it";

/// What was found and read.
#[derive(Debug)]
pub struct Resources {
    /// The bundles that may be needed. All are read at the start, so that a damaged one is found then.
    pub(crate) bundles: Arc<BundleSet>,
    /// The key under which Patient IDs are digested.
    pub(crate) patient_key: Option<PatientKey>,
}

impl Resources {
    /// Looks for all of it. What is missing or damaged is noted in `loaded`; none then.
    pub fn find(loaded: &mut Loaded<Config>) -> Option<Self> {
        let (mut bundles, mut patient_key) = (None, None);
        loaded.check(|config| {
            let mut problems = Problems::default();
            problems.table("kafka", config.kafka.problems_here());
            problems.add(&["lake.url"], lake_problem(&config.lake.url));
            problems.table("model", find_bundles(&config.model, &mut bundles));
            if let Some(path) = &config.studies.patient_key_file {
                let read = read_patient_key(path).map_err(told);
                problems.add(&["studies.patient_key_file"], read.as_ref().err().cloned());
                patient_key = read.ok();
            }
            let spool = config.studies.spool.clone().unwrap_or_else(std::env::temp_dir);
            let problem = folder_problem(&spool, "archives could not be expanded");
            problems.add(&["studies.spool"], problem);
            problems
        });
        Some(Self { bundles: Arc::new(bundles?), patient_key })
    }
}

fn lake_problem(url: &str) -> Option<String> {
    match Location::parse(url) {
        Ok(Location::Local(folder)) => folder_problem(&folder, "the lake could not be written"),
        _ => None,
    }
}

fn folder_problem(folder: &Path, consequence: &str) -> Option<String> {
    let error = probe_folder(folder).err()?;
    Some(format!("the folder {} cannot be made or written to, so {consequence}: {error}", folder.display()))
}

fn find_bundles(config: &ModelConfig, bundles: &mut Option<BundleSet>) -> Problems {
    let mut problems = Problems::default();
    for folder in &config.folders {
        let unreadable = std::fs::read_dir(folder).err();
        let problem = unreadable.map(|error| format!("the folder {} cannot be read: {error}", folder.display()));
        problems.add(&["folders"], problem);
    }
    match bolus_setup::find_bundles(&config.name, &config.folders, BUNDLE_MEND) {
        Ok(found) => {
            let unfit = found.bundles().iter().find_map(|bundle| Adaptive::of(bundle).err());
            let unfit = unfit.filter(|_| config.adaptive);
            problems.add(&["adaptive", "name", "folders"], unfit.map(|error| error.to_string()));
            *bundles = Some(found);
        }
        Err(error) => problems.add(&["name", "folders"], Some(told(error))),
    }
    problems
}

/// The error with its causes, in one line.
fn told(error: SetupError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

#[cfg(test)]
mod tests {
    use bolus_ops::config::Loader;

    use super::*;
    use crate::config::ENVIRONMENT;

    const BUNDLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/bundles");

    fn told(toml: &str) -> Vec<String> {
        let kafka = "[kafka]\nservers = 'localhost:1'\n";
        let mut loaded = Config::read(Loader::new(ENVIRONMENT).text("worker.toml", format!("{kafka}{toml}")));
        let found = Resources::find(&mut loaded);
        match loaded.finish() {
            Ok(_) => {
                assert!(found.is_some());
                Vec::new()
            }
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn what_is_there_is_found_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "0123456789abcdef\n").unwrap();
        let here = folder.path().display();
        let toml = format!(
            "[lake]\nurl = '{here}/lake'\n[model]\nname = 'cheap'\nfolders = ['{BUNDLES}']\n\
             [studies]\nspool = '{here}/spool/deep'\npatient_key_file = '{here}/key'"
        );
        assert_eq!(told(&toml), Vec::<String>::new());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the key");
    }

    #[test]
    fn all_that_is_missing_is_told_with_its_key_and_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("short"), "short").unwrap();
        let here = folder.path().display();
        let toml = format!(
            "[lake]\nurl = '{here}/short/lake'\n[model]\nname = 'nonesuch'\nfolders = ['{here}/none', '{BUNDLES}']\n\
             [studies]\nspool = '{here}/short'\npatient_key_file = '{here}/short'\n\
             [kafka.security]\nprotocol = 'ssl'\nca_file = '{here}/ca.pem'\n[flush]\nrows = 0"
        );
        let told = told(&toml);
        let expected = [
            ("`flush.rows` (worker.toml:15): expected at least 1", ""),
            ("`kafka.security.ca_file` (worker.toml:13): ", "ca.pem cannot be read"),
            ("`lake.url` (worker.toml:4): the folder ", "cannot be made or written to"),
            ("`model.folders` (worker.toml:7): the folder ", "none cannot be read"),
            ("`model.name` (worker.toml:6): no bundle \"nonesuch\": looked in ", "model.folders"),
            ("`studies.patient_key_file` (worker.toml:10): patient key ", "at least 16 are needed"),
            ("`studies.spool` (worker.toml:9): the folder ", "cannot be made or written to"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, (start, part)) in told.iter().zip(expected) {
            assert!(told.starts_with(start) && told.contains(part), "{told}");
        }
    }

    #[test]
    fn a_damaged_bundle_is_told_and_one_that_cannot_be_adaptive() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("damaged");
        std::fs::create_dir(&bundle).unwrap();
        for entry in std::fs::read_dir(Path::new(BUNDLES).join("cheap")).unwrap().map(Result::unwrap) {
            std::fs::copy(entry.path(), bundle.join(entry.file_name())).unwrap();
        }
        std::fs::write(bundle.join("model.onnx"), "damaged").unwrap();
        let lake = format!("[lake]\nurl = '{}'\n", folder.path().display());
        let damaged = told(&format!("{lake}[model]\nname = '{}'", bundle.display()));
        assert!(damaged.len() == 1 && damaged[0].contains("model.onnx has sha256"), "{damaged:?}");
        std::fs::remove_file(bundle.join("model.onnx")).unwrap();
        let gone = told(&format!("{lake}[model]\nname = '{}'", bundle.display()));
        assert!(gone.len() == 1 && gone[0].contains("model.onnx") && gone[0].contains("No such file"), "{gone:?}");

        let adaptive = told(&format!("{lake}[model]\nname = 'cheap'\nadaptive = true\nfolders = ['{BUNDLES}']"));
        assert!(
            adaptive.len() == 1 && adaptive[0].starts_with("`model.adaptive` (worker.toml:7): bundle cheap"),
            "{adaptive:?}"
        );
    }
}
