//! The configuration as an operator meets it.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const SECRET: &str = "hunter2";
const KAFKA: &str = "[kafka]\nservers = \"localhost:9092\"\n";
const LAKE: &str = "[lake]\nurl = \"s3://lake\"\n";

/// A folder with a configuration, and the program that is run in it.
struct Operator(TempDir);

/// What it said, and its exit status.
struct Said {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Operator {
    fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("worker.toml"), config).unwrap();
        Self(folder)
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bolus-worker"));
        command.current_dir(self.folder()).args(["--config", "worker.toml"]).args(arguments);
        let output = command.env("BOLUS_WORKER__KAFKA__SECURITY__PASSWORD", SECRET).output().unwrap();
        let Output { status, stdout, stderr } = output;
        let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(!out.contains(SECRET) && !err.contains(SECRET), "{out}{err}");
        Said { status: status.code(), out, err }
    }

    fn check(&self, more: &[&str]) -> Said {
        self.run(&[&["--check-config"], more].concat())
    }
}

#[test]
fn a_configuration_is_checked_without_any_server() {
    let said = Operator::with(&format!("{KAFKA}{LAKE}")).check(&[]);
    assert_eq!((said.status, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out, "the configuration is valid\n");
    assert_eq!(Operator::with(KAFKA).check(&["--lake", "s3://lake"]).status, Some(0));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_by_key_place_and_reason() {
    let operator = Operator::with(&format!(
        "{KAFKA}client = 1\n[kafka.security]\nprotocol = \"sasl_ssl\"\nmechanism = \"PLAIN\"\nca_file = \"ca.pem\"\n\
         [kafka.properties]\n\"linger\" = \"5\"\n{LAKE}[model]\nname = \"nonesuch\"\nfolders = [\"bundles\"]\n\
         [studies]\npatient_key_file = \"key\"\nspool = \"worker.toml\"\n[flush]\nrows = 0\n[limits]\nstudies = \"many\"\n"
    ));
    let said = operator.check(&["--lake", "worker.toml/lake"]);
    assert_eq!((said.status, said.out.as_str()), (Some(2), ""));
    for (key, place, reason) in [
        ("kafka.client", "worker.toml:3", "no such key"),
        ("limits.studies", "worker.toml:21", "expected usize"),
        ("kafka.security.username", "", "PLAIN needs it"),
        ("flush.rows", "worker.toml:19", "at least 1"),
        ("kafka.properties.linger", "worker.toml:9", "librdkafka"),
        ("kafka.security.ca_file", "worker.toml:7", "ca.pem cannot be read"),
        ("lake.url", "flag --lake", "cannot be made or written to"),
        ("model.folders", "worker.toml:14", "the folder bundles cannot be read"),
        ("model.name", "worker.toml:13", "looked in bundles"),
        ("studies.patient_key_file", "worker.toml:16", "cannot read the patient key key"),
        ("studies.spool", "worker.toml:17", "cannot be made or written to"),
    ] {
        let line = said.err.lines().find(|line| line.contains(&format!("`{key}`")));
        let line = line.unwrap_or_else(|| panic!("{key} is not told:\n{}", said.err));
        assert!(line.starts_with("bolus-worker: ") && line.contains(place) && line.contains(reason), "{line}");
    }
    assert_eq!(said.err.lines().count(), 11, "{}", said.err);
    assert_eq!(operator.run(&["--lake", "worker.toml/lake"]).err, said.err, "a start says the same");
    assert_eq!(std::fs::read_dir(operator.folder()).unwrap().count(), 1, "nothing is made");
}

#[test]
fn a_bundle_that_was_changed_is_told() {
    let operator = Operator::with(&format!("{KAFKA}{LAKE}[model]\nname = \"./bundle\"\n"));
    let (from, to) = (crate::world::bundles().join("cheap"), operator.folder().join("bundle"));
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    assert_eq!(operator.check(&[]).status, Some(0));
    std::fs::write(to.join("model.onnx"), "another").unwrap();
    let said = operator.check(&[]);
    assert!(said.status == Some(2) && said.err.contains("`model.name` (worker.toml:6)"), "{}", said.err);
    assert!(said.err.contains("the bundle is damaged or was changed"), "{}", said.err);
}

#[test]
fn a_secret_in_the_open_is_refused_and_not_repeated() {
    let security = "[kafka.security]\nprotocol = \"sasl_plaintext\"\nmechanism = \"PLAIN\"\nusername = \"u\"\n";
    let open = Operator::with(&format!("{LAKE}{KAFKA}{security}password = \"{SECRET}\"\n"));
    // The variable wins over the file, whose line is not read then.
    assert_eq!(open.check(&[]).status, Some(0));
    let key = format!("{LAKE}{KAFKA}{security}key_password = \"{SECRET}\"\n");
    let said = Operator::with(&key).check(&["--show"]);
    assert_eq!(said.status, Some(2));
    assert!(said.err.contains("`kafka.security.key_password` (worker.toml:9): a secret is taken from"), "{}", said.err);
}

#[test]
fn what_is_in_effect_is_shown_as_a_configuration_without_secrets() {
    let operator = Operator::with(&format!(
        "{LAKE}{KAFKA}[kafka.security]\nprotocol = \"sasl_plaintext\"\nmechanism = \"PLAIN\"\nusername = \"u\"\n\
         key_password_file = \"phrase\"\n\
         [kafka.properties]\n\"socket.timeout.ms\" = \"100\"\n\"ssl.cipher.suites\" = \"{SECRET}\"\n[flush]\nrows = 7\n"
    ));
    std::fs::write(operator.folder().join("phrase"), format!("{SECRET}\n")).unwrap();
    let said = operator.check(&["--show", "--group", "another"]);
    assert_eq!((said.status, said.err.as_str()), (Some(0), ""));
    for line in [
        "url = \"s3://lake\"  # worker.toml:2",
        "group = \"another\"  # flag --group",
        "rows = 7  # worker.toml:14",
        "interval = \"5s\"",
        "drain = \"25s\"",
        "password = \"[secret]\"  # environment variable BOLUS_WORKER__KAFKA__SECURITY__PASSWORD",
        "key_password = \"[secret]\"  # from the file that kafka.security.key_password_file names, worker.toml:9",
        "\"socket.timeout.ms\" = \"100\"  # worker.toml:11",
        "\"ssl.cipher.suites\" = \"[secret]\"  # worker.toml:12",
    ] {
        assert!(said.out.lines().any(|shown| shown == line), "no line {line} in\n{}", said.out);
    }
    let without = |line: &&str| !line.contains("[secret]");
    let again = Operator::with(&said.out.lines().filter(without).collect::<Vec<_>>().join("\n"));
    assert_eq!(again.check(&[]).status, Some(0));
    // What does not fit is told beside what is in effect.
    let said = operator.check(&["--show", "--group", "a/b"]);
    assert!(said.status == Some(2) && said.out.contains("group = \"a/b\"") && said.err.contains("consumer.group"));
    assert_eq!(operator.run(&["--show"]).status, Some(2), "only with --check-config");
}
