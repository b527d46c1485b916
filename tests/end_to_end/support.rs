//! Running the program and reading what it prints.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// How long the program may take on a busy machine, in seconds; what takes longer has come to a standstill.
const DEADLINE_S: &str = "900";

/// The program under test, as `bolus ARGS`, killed at the deadline.
pub fn bolus() -> Command {
    let mut command = clean(Command::new("timeout"));
    command.args(["--foreground", "--signal=KILL", DEADLINE_S, env!("CARGO_BIN_EXE_bolus")]);
    command
}

/// The program as a process of its own, for a test that sends it signals or kills it.
pub fn program() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_bolus")))
}

fn clean(mut command: Command) -> Command {
    // What a developer has set must not decide a test, nor what the tests set for themselves.
    for name in [
        "BOLUS_LAKE",
        "BOLUS_MODEL",
        "BOLUS_MODELS",
        "BOLUS_PATIENT_KEY_FILE",
        "ORT_DISABLE_TELEMETRY",
        "ORT_TELEMETRY_DISABLED",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// What one run of `bolus label --json` or `bolus inspect --json` printed.
pub struct Run {
    pub code: i32,
    pub lines: Vec<Value>,
    pub stderr: String,
}

impl Run {
    pub fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        Self {
            code: output.status.code().unwrap_or(-1),
            lines: text.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn summary(&self) -> &Value {
        let last = self.lines.last().unwrap_or_else(|| panic!("no output, stderr: {}", self.stderr));
        assert_eq!(last["type"], "summary");
        last
    }

    pub fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["type"] == kind).collect()
    }

    pub fn count(&self, field: &str) -> u64 {
        self.summary()[field].as_u64().unwrap_or_else(|| panic!("no count {field} in {}", self.summary()))
    }

    /// Asserts that files seen = files used + files refused.
    pub fn assert_accounted(&self) {
        let refused: u64 =
            self.summary()["files_refused"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(self.count("files_seen"), self.count("files_used") + refused, "{}", self.summary());
    }
}

/// Runs `bolus label INPUTS --lake LAKE --json MORE`.
pub fn label(inputs: &[&Path], lake: &Path, more: &[&str]) -> Run {
    let output = bolus()
        .arg("label")
        .args(inputs)
        .arg("--lake")
        .arg(lake)
        .args(["--json", "--device", "cpu"])
        .args(more)
        .output();
    Run::of(&output.unwrap())
}

/// Runs a query and gives its rows.
pub fn sql(lake: &Path, query: &str) -> Vec<Value> {
    let output = bolus().args(["sql", "--format", "json", query, "--lake"]).arg(lake).output().unwrap();
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn data() -> PathBuf {
    bolus_testkit::real_data()
}

pub fn chest() -> PathBuf {
    data().join("series/chest-noncontrast-every10th")
}

pub fn abdomen() -> PathBuf {
    data().join("series/totalsegmentator-abdomen-contrast")
}

/// Copies the bundle at `from` to the folder `to`, its manifest changed by `edit`.
pub fn edited_bundle(from: &Path, to: &Path, edit: impl Fn(String) -> String) {
    std::fs::create_dir_all(to).unwrap();
    for path in files_below(from) {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    let manifest = to.join("bundle.toml");
    std::fs::write(&manifest, edit(std::fs::read_to_string(&manifest).unwrap())).unwrap();
}

pub fn temp() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
