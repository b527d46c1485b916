//! The configuration as an operator meets it.

use std::process::Command;

fn check(config: &str, more: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.toml");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bolus-worker"));
    command.args(["--check-config", "--config"]).arg(path).args(more);
    let output = command.env("BOLUS_WORKER__KAFKA__SECURITY__PASSWORD", "hunter2").output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const KAFKA: &str = "[kafka]\nservers = \"localhost:9092\"\n";

#[test]
fn a_configuration_is_checked_without_any_server() {
    assert_eq!(check(&format!("{KAFKA}[lake]\nurl = \"s3://lake\""), &[]), (true, String::new()));
    assert!(check(KAFKA, &["--lake", "s3://lake"]).0);
}

#[test]
fn what_is_wrong_is_named_by_its_key_and_secrets_stay_out() {
    let (good, message) = check(&format!("{KAFKA}[lake]\nurl = \"s3://lake\"\n[flush]\nrows = 0"), &[]);
    assert!(!good && message.contains("flush.rows") && message.contains("worker.toml"), "{message}");
    let (good, message) = check(&format!("{KAFKA}[lake]\nurl = \"s3://lake\"\n[flash]"), &[]);
    assert!(!good && message.contains("flash"), "{message}");
    let (good, message) = check("", &["--lake", "ftp://x", "--kafka", "localhost:1"]);
    assert!(!good && message.contains("lake.url") && message.contains("--lake"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}
