//! The servers and the Python interpreter that `infra/test` starts or names.
//!
//! Each function gives what the environment names. Where it names nothing, the test fails if `BOLUS_TEST_REQUIRE` is 1,
//! and otherwise leaves out what needs it, and says so on standard error.

use std::path::PathBuf;
use std::process::Command;

use crate::required::{Missing, found_or_missing, variable};

/// An S3 server with a bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Where it listens, as a URL.
    pub endpoint: String,
    /// A bucket that exists. Each test writes below a prefix of its own.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The name of the test's key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

impl S3 {
    /// The standard variables by which a program finds the server.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_key),
        ]
    }

    /// The settings of a client in the words of the crate `object_store`, whose `AmazonS3ConfigKey` parses the names.
    #[must_use]
    pub fn options(&self) -> [(&'static str, &str); 6] {
        [
            ("aws_endpoint", &self.endpoint),
            ("aws_bucket_name", &self.bucket),
            ("aws_region", &self.region),
            ("aws_access_key_id", &self.access_key),
            ("aws_secret_access_key", &self.secret_key),
            ("aws_allow_http", "true"),
        ]
    }
}

/// The listener of the broker that asks for a password over TLS.
#[derive(Debug, Clone)]
pub struct SecureKafka {
    /// Bootstrap servers.
    pub servers: String,
    /// The name of the user, who logs in by SCRAM-SHA-512.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The certificate that vouches for the broker.
    pub ca_file: PathBuf,
}

/// The S3 server.
#[must_use]
pub fn s3() -> Option<S3> {
    found_or_missing(s3_in(variable))
}

/// The bootstrap servers of the broker's plain listener.
#[must_use]
pub fn kafka() -> Option<String> {
    found_or_missing(kafka_in(variable))
}

/// The broker's listener for SASL over TLS.
#[must_use]
pub fn secure_kafka() -> Option<SecureKafka> {
    found_or_missing(secure_kafka_in(variable))
}

/// The interpreter that `BOLUS_PYTHON` names, once it has imported `modules`.
#[must_use]
pub fn python(modules: &[&str]) -> Option<PathBuf> {
    found_or_missing(python_in(variable, modules))
}

fn named(get: impl Fn(&str) -> Option<String>, name: &str, mend: &str) -> Result<String, Missing> {
    get(name).ok_or_else(|| Missing { what: format!("{name} is not set"), mend: mend.to_owned() })
}

fn s3_in(get: impl Fn(&str) -> Option<String>) -> Result<S3, Missing> {
    let setting = |name: &str| {
        named(
            &get,
            &format!("BOLUS_TEST_S3_{name}"),
            "eval what `infra/s3-server start DIR` prints, or run `infra/test`",
        )
    };
    Ok(S3 {
        endpoint: setting("ENDPOINT")?,
        bucket: setting("BUCKET")?,
        region: setting("REGION")?,
        access_key: setting("ACCESS_KEY")?,
        secret_key: setting("SECRET_KEY")?,
    })
}

/// How to get a broker.
const START_KAFKA: &str = "eval what `infra/kafka-server start DIR --secure` prints, or run `infra/test`";

fn kafka_in(get: impl Fn(&str) -> Option<String>) -> Result<String, Missing> {
    named(get, "BOLUS_TEST_KAFKA_SERVERS", START_KAFKA)
}

fn secure_kafka_in(get: impl Fn(&str) -> Option<String>) -> Result<SecureKafka, Missing> {
    let setting = |name: &str| named(&get, &format!("BOLUS_TEST_KAFKA_{name}"), START_KAFKA);
    Ok(SecureKafka {
        servers: setting("SASL_SERVERS")?,
        user: setting("USER")?,
        password: setting("PASSWORD")?,
        ca_file: setting("CA")?.into(),
    })
}

fn python_in(get: impl Fn(&str) -> Option<String>, modules: &[&str]) -> Result<PathBuf, Missing> {
    let mend = "name the interpreter of ~/.cache/bolus/venv, which `infra/bootstrap --test` makes, or run `infra/test`";
    let python = named(get, "BOLUS_PYTHON", mend)?;
    let import = format!("import {}", modules.join(", "));
    let what = match Command::new(&python).args(["-c", &import]).output() {
        Ok(output) if output.status.success() => return Ok(python.into()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Missing { what: format!("{python} cannot {import}: {what}"), mend: mend.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{kafka_in, python_in, s3_in, secure_kafka_in};

    /// Everything but `without` is set, to its own name.
    fn all_but(without: &str) -> impl Fn(&str) -> Option<String> {
        move |name| (name != without).then(|| name.to_owned())
    }

    #[test]
    fn one_variable_that_is_not_set_is_named_with_its_mend() {
        for name in ["ENDPOINT", "BUCKET", "REGION", "ACCESS_KEY", "SECRET_KEY"] {
            let name = format!("BOLUS_TEST_S3_{name}");
            let missing = s3_in(all_but(&name)).expect_err("one is not set");
            assert_eq!(missing.what, format!("{name} is not set"));
            assert!(missing.mend.contains("infra/s3-server start"), "{missing:?}");
        }
        let missing = kafka_in(all_but("BOLUS_TEST_KAFKA_SERVERS")).expect_err("it is not set");
        assert!(missing.mend.contains("infra/kafka-server start DIR --secure"), "{missing:?}");
        for name in ["SASL_SERVERS", "USER", "PASSWORD", "CA"] {
            let name = format!("BOLUS_TEST_KAFKA_{name}");
            let missing = secure_kafka_in(all_but(&name)).expect_err("one is not set");
            assert_eq!(missing.what, format!("{name} is not set"));
        }
        let set = s3_in(all_but("")).expect("all are set");
        assert_eq!((set.endpoint.as_str(), set.bucket.as_str()), ("BOLUS_TEST_S3_ENDPOINT", "BOLUS_TEST_S3_BUCKET"));
    }

    #[test]
    fn an_interpreter_without_the_module_is_missing_and_says_which() {
        let missing = python_in(all_but("BOLUS_PYTHON"), &["numpy"]).expect_err("it is not set");
        assert_eq!(missing.what, "BOLUS_PYTHON is not set");
        let missing = python_in(|_| Some("/no/such/python".into()), &["numpy"]).expect_err("there is none");
        assert!(missing.what.starts_with("/no/such/python cannot import numpy: "), "{missing:?}");
        let missing = python_in(|_| Some("/bin/false".into()), &["numpy", "duckdb"]).expect_err("it fails");
        assert!(missing.what.starts_with("/bin/false cannot import numpy, duckdb"), "{missing:?}");
        assert!(python_in(|_| Some("/bin/true".into()), &["numpy"]).is_ok());
    }
}
