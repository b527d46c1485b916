use std::collections::{BTreeMap, BTreeSet};

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
    loader.load().unwrap()
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

/// The messages about a configuration, in their order.
fn told(loaded: Loaded<Config>) -> Vec<String> {
    loaded.finish().unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_value_that_does_not_fit_the_others_is_named_with_its_origin() {
    let mut loaded = loader(&format!("{URL}rows = 1")).read::<Config>();
    loaded.check(|config| {
        let mut lake = Problems::default();
        lake.add(&["rows", "share"], at_least_one(usize::from(config.lake.rows.unwrap()) - 1));
        lake.add(&["flush"], Some("too short".into()));
        lake.add(&["buffer"], None);
        lake.need(&["share"], true, "rows rests on it");
        let mut problems = Problems::default();
        problems.table("lake", lake);
        problems
    });
    assert_eq!(
        told(loaded),
        [
            "`lake.rows` (test.toml:3): expected at least 1",
            "`lake.flush` (its default): too short",
            "`lake.share` is missing (rows rests on it): set it in test.toml or by the environment variable BOLUS_TEST__LAKE__SHARE",
        ]
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let toml = "topics = ['a', 2, 'b', 3]\nfirst = 1\nlast = 2\n[lake]\nflush = '60'\nrows = 70000\nurls = 3\n[security]\n\
                password = 'open, sesame'\nprotocol = 'ssh'\npassword_file = '/absent'\n";
    let read = loader(toml)
        .environment(variable("LAKE__SHARE", "half"))
        .flag("--compact", "lake.compact", Some("perhaps"))
        .read::<Config>();
    assert_eq!(read.show(), None, "of what was refused nothing is known");
    let told = told(read);
    let keys: Vec<&str> = told.iter().map(|line| line.split('`').nth(1).unwrap()).collect();
    let expected = [
        "first",
        "lake.compact",
        "lake.flush",
        "lake.rows",
        "lake.share",
        "lake.urls",
        "last",
        "lake.url",
        "security.password",
        "security.password_file",
        "security.protocol",
        "topics[1]",
        "topics[3]",
    ];
    let (mut keys, mut expected) = (keys, expected.to_vec());
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected, "{told:?}");
    assert!(!told.concat().contains("sesame"), "{told:?}");
}

/// Whatever goes wrong together: each fault is told, and nothing else.
#[test]
fn neither_more_nor_less_is_told_than_is_wrong() {
    const LINES: [(&str, &str, &str); 8] = [
        ("topics", "topics = ['a']", "topics = 1"),
        ("lake.url", "lake.url = 's3://a'", ""),
        ("lake.flush", "lake.flush = '1s'", "lake.flush = 1"),
        ("lake.rows", "lake.rows = 1", "lake.rows = -1"),
        ("lake.nothing", "", "lake.nothing = 1"),
        ("security.protocol", "security.protocol = 'plaintext'", "security.protocol = []"),
        ("security.password", "", "security.password = 'x'"),
        ("properties.a", "properties.a = 'b'", "properties.a = 1.5"),
    ];
    for wrong in 0_u32..1 << LINES.len() {
        let is_wrong = |place: usize| wrong >> place & 1 == 1;
        let lines = LINES.iter().enumerate();
        let toml: Vec<&str> =
            lines.clone().map(|(place, line)| if is_wrong(place) { line.2 } else { line.1 }).collect();
        let expected = lines.filter(|(place, _)| is_wrong(*place)).map(|(_, line)| line.0.to_owned()).collect();
        let errors = loader(&toml.join("\n")).load::<Config>().err();
        let told = errors.iter().flat_map(ConfigErrors::iter).map(ToString::to_string);
        let keys: BTreeSet<String> = told.map(|line| line.split('`').nth(1).unwrap().to_owned()).collect();
        assert_eq!(keys, expected, "{toml:?}");
    }
}

#[test]
fn what_follows_from_a_failure_is_not_told() {
    assert_eq!(told(loader("lake = 3").read()), ["`lake` (test.toml:1): expected struct Lake, found integer `3`"]);
    assert_eq!(
        told(loader("[lake]\nrows = 1").read()),
        ["`lake.url` is missing: set it in test.toml or by the environment variable BOLUS_TEST__LAKE__URL"]
    );
    assert_eq!(told(loader("").read()).len(), 1, "only lake.url, not lake as well");
    let odd: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
    let url = Loader::new("BOLUS_TEST").environment([(std::ffi::OsString::from("BOLUS_TEST__LAKE__URL"), odd)]);
    assert_eq!(told(url.read()), ["`lake.url` (environment variable BOLUS_TEST__LAKE__URL): expected UTF-8 text"]);
    let mut loaded = loader(&format!("{URL}rows = 'x'\nflush = '1s'")).read::<Config>();
    loaded.check(|_| {
        let mut problems = Problems::default();
        problems.add(&["lake.flush", "lake.rows"], Some("rests on the rows".into()));
        problems.add(&["lake"], Some("rests on all of it".into()));
        problems.add(&["lake.rows.of"], Some("rests on what is in it".into()));
        problems.add(&["lake.row"], Some("rests on another".into()));
        problems
    });
    let told = told(loaded);
    assert!(told.len() == 2 && told[1].contains("rests on another"), "{told:?}");
}

#[test]
fn a_table_is_set_aside_where_what_it_lacks_cannot_be_made_up() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        inner: Inner,
        other: u8,
        #[serde(default)]
        map: BTreeMap<String, Inner>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        protocol: Protocol,
        rows: u8,
    }
    let keys = |toml: &str| {
        let errors = loader(toml).load::<Outer>().unwrap_err();
        errors.iter().map(|error| error.to_string().split('`').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    // An enum takes no empty value, so what `rows` and `other` lack waits until it is there.
    assert_eq!(keys("[inner]\n"), ["inner.protocol"]);
    assert_eq!(keys("other = 'x'\n[inner]\nrows = 'y'\n"), ["inner.rows", "inner.protocol", "other"]);
    assert_eq!(keys("[inner]\nprotocol = 'sasl_ssl'\n"), ["inner.rows", "other"]);
    let good = "[inner]\nprotocol = 'sasl_ssl'\nrows = 1\n";
    assert_eq!(
        keys(&format!("other = 'x'\n{good}[map.a]\nrows = 1\n[map.b]\nrows = 'z'")),
        ["map.a.protocol", "map.b.rows", "map.b.protocol", "other"]
    );
}

#[test]
fn a_program_has_defaults_of_its_own_for_what_is_shared() {
    let shared = |toml: &str| loader(toml).default_value("lake.url", "s3://own").default_value("lake.rows", "7");
    let config = loaded(shared("[lake]\nrows = 8"));
    assert_eq!((config.lake.url.as_str(), config.lake.rows), ("s3://own", Some(8)));
    let mut wrong = shared("[lake]\nurl = 5\nrows = 'x'").read::<Config>();
    wrong.check(|config| {
        assert_eq!((config.lake.url.as_str(), config.lake.rows), ("s3://own", Some(7)), "to look at the rest");
        Problems::default()
    });
    assert_eq!(told(wrong).len(), 2);
    assert_eq!(told(shared("lake = 5").read()).len(), 1);
}

#[test]
fn every_error_of_syntax_is_told_and_nothing_else() {
    let told = told(loader("[lake]\nurl = \nrows = 1\nflush = =\n").read());
    assert!(
        told.len() == 2 && told[0].starts_with("test.toml:2: ") && told[1].starts_with("test.toml:4: "),
        "{told:?}"
    );
}

#[test]
fn what_is_in_effect_is_shown_with_its_origins_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "open, sesame\n").unwrap();
    let toml = format!(
        "topics = ['a']\n{URL}[security]\npassword_file = '{}'\n[properties]\n'a.b' = \"x\\u202e\"",
        path.display()
    );
    let load = |toml: &str| loader(toml).environment(variable("LAKE__ROWS", "3"));
    let shown = load(&toml).read::<Config>().show().unwrap();
    assert!(shown.starts_with("topics = [\"a\"]  # test.toml:1\n"), "{shown}");
    for line in [
        "url = \"s3://bucket/lake\"  # test.toml:3\n",
        "flush = \"1s\"\n",
        "rows = 3  # environment variable BOLUS_TEST__LAKE__ROWS\n",
        "password = \"[secret]\"  # from the file that security.password_file names, test.toml:5\n",
        "\"a.b\" = \"x\\u202e\"  # test.toml:7\n",
    ] {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
    assert!(!shown.contains("sesame"));
    let unmasked = shown.replace("password = \"[secret]\"", &format!("password_file = '{}'", path.display()));
    assert_eq!(loaded(loader(&unmasked)), loaded(load(&toml)), "it can be loaded again");
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
