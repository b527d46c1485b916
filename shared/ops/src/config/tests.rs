use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Config {
    lake: Lake,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    security: Security,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Lake {
    url: String,
    #[serde(default = "flush")]
    flush: Period,
    rows: Option<u16>,
    share: Option<f64>,
    compact: Option<bool>,
    buffer: Option<ByteSize>,
}

fn flush() -> Period {
    Period::from_secs(1)
}

#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Security {
    protocol: Option<Protocol>,
    password: Option<Secret>,
    ca_file: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Protocol {
    Plaintext,
    SaslSsl,
}

const URL: &str = "[lake]\nurl = 's3://bucket/lake'\n";

fn loader(toml: &str) -> Loader {
    Loader::new("BOLUS_TEST").text("test.toml", toml)
}

fn variable(name: &str, value: &str) -> [(String, String); 1] {
    [(format!("BOLUS_TEST__{name}"), value.to_owned())]
}

fn loaded(loader: Loader) -> Config {
    loader.load().unwrap().value
}

/// Checks the whole message of a refused configuration.
fn refused(loader: Loader, message: &str) {
    assert_eq!(loader.load::<Config>().unwrap_err().to_string(), message);
}

#[test]
fn later_layers_win_and_text_becomes_what_the_field_asks_for() {
    let toml = format!("{URL}rows = 1\nflush = '2s'\ncompact = false\n[properties]\n'socket.timeout.ms' = '100'\n");
    let config = loaded(
        loader(&toml)
            .environment(variable("LAKE__ROWS", "20"))
            .environment(variable("LAKE__COMPACT", "true"))
            .environment(variable("LAKE__SHARE", "0.5"))
            .environment(variable("LAKE__BUFFER", "64 KiB"))
            .environment(variable("TOPICS", "bolus.studies, bolus.studies.backfill"))
            .environment(variable("SECURITY__PROTOCOL", "sasl_ssl"))
            .environment(variable("LAKE__FLUSH", ""))
            .environment([("BOLUS_TESTING", "x"), ("BOLUS_TEST_CONFIG", "x"), ("HOME", "x")])
            .flag("--rows", "lake.rows", Some(300))
            .flag("--share", "lake.share", None::<f64>),
    );
    let expected = Config {
        lake: Lake {
            url: "s3://bucket/lake".into(),
            flush: Period::from_secs(2),
            rows: Some(300),
            share: Some(0.5),
            compact: Some(true),
            buffer: Some(ByteSize(65_536)),
        },
        topics: vec!["bolus.studies".into(), "bolus.studies.backfill".into()],
        security: Security { protocol: Some(Protocol::SaslSsl), ..Security::default() },
        properties: BTreeMap::from([("socket.timeout.ms".into(), "100".into())]),
    };
    assert_eq!(config, expected);
}

#[test]
fn a_file_is_not_needed() {
    let config = loaded(Loader::new("BOLUS_TEST").environment(variable("LAKE__URL", "7")));
    assert_eq!((config.lake.url.as_str(), config.lake.flush), ("7", flush()));
}

#[test]
fn errors_name_the_key_its_origin_and_the_mend() {
    refused(
        loader("[lake]\nflush = '1s'"),
        "`lake.url` is missing: set it in test.toml or by the environment variable BOLUS_TEST__LAKE__URL",
    );
    refused(
        loader(&format!("{URL}\nurls = 3")),
        "`lake.urls` (test.toml:4): no such key; there are url, flush, rows, share, compact, buffer",
    );
    refused(loader(&format!("{URL}rows = 70000")), "`lake.rows` (test.toml:3): expected u16, found integer `70000`");
    refused(loader(&format!("{URL}rows = 1.5")), "`lake.rows` (test.toml:3): expected u16, found floating point `1.5`");
    refused(
        loader(&format!("{URL}flush = '60'")),
        "`lake.flush` (test.toml:3): expected a time with its unit, as \"250ms\", \"60s\" or \"5m\", found \"60\"",
    );
    refused(
        loader(&format!("topics = ['a', 2]\n{URL}")),
        "`topics[1]` (test.toml:1): expected a string, found integer `2`",
    );
    refused(
        loader(URL).environment(variable("LAKE__ROWS", "many")),
        "`lake.rows` (environment variable BOLUS_TEST__LAKE__ROWS): \
         expected a whole number from 0 to 65535, found \"many\"",
    );
    refused(
        loader(URL).environment(variable("LAK__ROWS", "1")),
        "`lak` (environment variable BOLUS_TEST__LAK__ROWS): no such key; there are lake, topics, security, properties",
    );
    refused(
        loader(URL).flag("--protocol", "security.protocol", Some("ssh")),
        "`security.protocol` (flag --protocol): expected one of plaintext, sasl_ssl, found `ssh`",
    );
    refused(loader("lake = 3"), "`lake` (test.toml:1): expected struct Lake, found integer `3`");
    let syntax = loader("[lake]\nurl = ").load::<Config>().unwrap_err().to_string();
    assert!(syntax.starts_with("test.toml:2: not valid TOML: "), "{syntax}");
    let absent = Loader::new("BOLUS_TEST").file("absent.toml").load::<Config>().unwrap_err().to_string();
    assert!(absent.starts_with("configuration file absent.toml cannot be read"), "{absent}");
}

#[test]
fn a_value_that_does_not_fit_the_others_is_named_with_its_origin() {
    let loaded = loader(&format!("{URL}rows = 1")).load::<Config>().unwrap();
    assert_eq!(loaded.invalid("lake.rows", "too few").to_string(), "`lake.rows` (test.toml:3): too few");
    assert_eq!(loaded.invalid("lake.flush", "too short").to_string(), "`lake.flush` (its default): too short");
}

#[test]
fn secrets_come_from_files_and_the_environment_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "open, sesame\n").unwrap();
    let toml = format!("{URL}[security]\nca_file = 'ca.pem'\npassword_file = '{}'", path.display());

    let config = loaded(loader(&toml));
    assert_eq!(config.security.password.as_ref().map(Secret::expose), Some("open, sesame"));
    assert_eq!(config.security.ca_file.as_deref(), Some("ca.pem"), "a field of its own, not a secret's");
    let shown = format!("{config:?} {}", toml::to_string(&config).unwrap());
    assert!(shown.contains("[secret]") && !shown.contains("sesame"), "{shown}");

    let config = loaded(loader(URL).environment(variable("SECURITY__PASSWORD", "1234")));
    assert_eq!(config.security.password.as_ref().map(Secret::expose), Some("1234"));
    let config = loaded(loader(URL).environment(variable("SECURITY__PASSWORD_FILE", &path.display().to_string())));
    assert_eq!(config.security.password.as_ref().map(Secret::expose), Some("open, sesame"));
}

#[test]
fn a_secret_in_the_open_is_refused_and_not_repeated() {
    let mend = "a secret is taken from the environment or, by the same key with `_file` added, from a file";
    refused(
        loader(&format!("{URL}[security]\npassword = 'open, sesame'")),
        &format!("`security.password` (test.toml:4): {mend}"),
    );
    refused(
        loader(URL).flag("--password", "security.password", Some("open, sesame")),
        &format!("`security.password` (flag --password): {mend}"),
    );
    let both = variable("SECURITY__PASSWORD", "open, sesame");
    refused(
        loader(&format!("{URL}[security]\npassword_file = 'x'")).environment(both),
        "`security.password_file` (test.toml:4): `password` is set as well: keep one of the two",
    );
    let error =
        loader(&format!("{URL}[security]\npassword_file = '/absent'")).load::<Config>().unwrap_err().to_string();
    assert!(error.starts_with("`security.password_file` (test.toml:4): /absent cannot be read: "), "{error}");
}
