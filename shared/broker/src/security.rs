//! Encryption and identity.

use std::path::{Path, PathBuf};

use bolus_ops::config::{Problems, Secret};
use bolus_ops::files::read_regular;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use serde::{Deserialize, Serialize};

use crate::client::ErrorLog;

/// Most bytes of a PEM file: all authorities of a system take a quarter of a megabyte.
const MOST_PEM_BYTES: u64 = 16 << 20;

/// Encryption and identity.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// Whether the connection is encrypted, and whether the client names itself.
    pub protocol: Protocol,
    /// PEM file of the authorities that may vouch for the broker, or a folder of such; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client's own certificate (mutual TLS).
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the private key of `certificate_file`.
    pub key_file: Option<PathBuf>,
    /// The pass phrase of `key_file`: from the environment, or the content of `key_password_file`.
    pub key_password: Option<Secret>,
    /// How the client proves its name; needed by the `sasl_` protocols.
    pub mechanism: Option<Mechanism>,
    /// The name, for PLAIN and SCRAM.
    pub username: Option<String>,
    /// The password, for PLAIN and SCRAM: from the environment, or the content of `password_file`.
    pub password: Option<Secret>,
    /// Where OAUTHBEARER tokens come from.
    pub oauth: Option<OauthConfig>,
}

/// Kafka's `security.protocol`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// No encryption, no identity.
    #[default]
    Plaintext,
    /// TLS; identity by the client's certificate if one is set.
    Ssl,
    /// Identity by SASL without encryption.
    SaslPlaintext,
    /// Identity by SASL over TLS.
    SaslSsl,
}

/// Kafka's `sasl.mechanism`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Mechanism {
    /// Name and password as they are: only over TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Salted challenge and response (RFC 5802) over SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Salted challenge and response (RFC 5802) over SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// Tokens from an OpenID Connect provider (KIP-768).
    #[serde(rename = "OAUTHBEARER")]
    OauthBearer,
}

/// Client credentials at an OpenID Connect provider (KIP-768).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OauthConfig {
    /// The provider's token endpoint.
    pub token_endpoint_url: String,
    /// The client's public name.
    pub client_id: String,
    /// The client's secret: from the environment, or the content of `client_secret_file`.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// What is asked for.
    #[serde(default)]
    pub scope: Option<String>,
}

impl SecurityConfig {
    /// What does not fit.
    pub(crate) fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        let keys = ["mechanism", "protocol"];
        match self.mechanism {
            None => problems.need(&keys, self.protocol.has_sasl(), "security.protocol is a sasl_ one"),
            Some(_) if !self.protocol.has_sasl() => {
                problems.add(&keys, Some("is set, but security.protocol is not a sasl_ one".into()));
            }
            Some(Mechanism::OauthBearer) => {
                problems.need(&["oauth", "mechanism"], self.oauth.is_none(), "OAUTHBEARER needs it");
                let without = self.oauth.as_ref().is_some_and(|oauth| oauth.client_secret.is_none());
                let keys = ["oauth.client_secret_file", "oauth.client_secret", "mechanism"];
                problems.need(
                    &keys,
                    without,
                    "OAUTHBEARER needs it, or security.oauth.client_secret in the environment",
                );
            }
            Some(mechanism) => {
                let name = mechanism.name();
                problems.need(&["username", "mechanism"], self.username.is_none(), &format!("{name} needs it"));
                let why = format!("{name} needs it, or security.password in the environment");
                problems.need(&["password_file", "password", "mechanism"], self.password.is_none(), &why);
            }
        }
        problems
    }

    /// What is not there on this machine, or is refused by the client library together with the `free` settings.
    pub(crate) fn problems_here(&self, free: &[(&str, &str)]) -> Problems {
        let mut problems = Problems::default();
        for (key, _, path) in self.files() {
            let Some(path) = path else { continue };
            let problem = if key == "ca_file" && path.is_dir() { None } else { pem_problem(path) };
            problems.add(&[key], problem);
        }
        if self.protocol.has_tls() && problems.first().is_none() {
            let keys = ["protocol", "ca_file", "certificate_file", "key_file", "key_password"];
            problems.add(&keys, self.tls_problem(free));
        }
        problems
    }

    /// What the client library says of the files, the pass phrase and the free settings: it reads them when a client is made. This one
    /// is told of no server, and none of its identity, for which it might ask a provider of tokens.
    fn tls_problem(&self, free: &[(&str, &str)]) -> Option<String> {
        let mut client = ClientConfig::new();
        client.set("security.protocol", Protocol::Ssl.name());
        self.apply_files(&mut client);
        for (key, value) in free.iter().filter(|(key, _)| !key.starts_with("sasl.")) {
            client.set(*key, *value);
        }
        let made: Result<BaseConsumer<ErrorLog>, _> = client.create_with_context(ErrorLog::default());
        let refusal = made.err()?;
        Some(crate::BrokerError::of("TLS cannot be set up with these files", &refusal, None).to_string())
    }

    /// Sets what is set here.
    pub(crate) fn apply(&self, client: &mut ClientConfig) {
        client.set("security.protocol", self.protocol.name());
        self.apply_files(client);
        let Some(mechanism) = self.mechanism else { return };
        client.set("sasl.mechanism", mechanism.name());
        if let (Mechanism::OauthBearer, Some(oauth)) = (mechanism, &self.oauth) {
            return oauth.apply(client);
        }
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            client.set("sasl.username", username).set("sasl.password", password.expose());
        }
    }

    fn apply_files(&self, client: &mut ClientConfig) {
        for (_, setting, path) in self.files() {
            if let Some(path) = path {
                // A path that is not UTF-8 cannot be written into a configuration.
                client.set(setting, path.to_string_lossy());
            }
        }
        if let Some(phrase) = &self.key_password {
            client.set("ssl.key.password", phrase.expose());
        }
    }

    /// Key, librdkafka's name and path of each file.
    fn files(&self) -> [(&'static str, &'static str, Option<&Path>); 3] {
        [
            ("ca_file", "ssl.ca.location", self.ca_file.as_deref()),
            ("certificate_file", "ssl.certificate.location", self.certificate_file.as_deref()),
            ("key_file", "ssl.key.location", self.key_file.as_deref()),
        ]
    }
}

impl OauthConfig {
    fn apply(&self, client: &mut ClientConfig) {
        client
            .set("sasl.oauthbearer.method", "oidc")
            .set("sasl.oauthbearer.token.endpoint.url", &self.token_endpoint_url)
            .set("sasl.oauthbearer.client.id", &self.client_id);
        if let Some(secret) = &self.client_secret {
            client.set("sasl.oauthbearer.client.secret", secret.expose());
        }
        if let Some(scope) = &self.scope {
            client.set("sasl.oauthbearer.scope", scope);
        }
    }
}

/// What keeps a file from being a PEM file (RFC 7468).
fn pem_problem(path: &Path) -> Option<String> {
    match read_regular(path, MOST_PEM_BYTES) {
        Err(error) => Some(format!("{} cannot be read: {error}", path.display())),
        Ok(bytes) => {
            let is_pem = bytes.windows(PEM.len()).any(|window| window == PEM);
            (!is_pem).then(|| format!("{} is no PEM file: it has no line -----BEGIN …-----", path.display()))
        }
    }
}

/// What a text in PEM begins with.
const PEM: &[u8] = b"-----BEGIN ";

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(security: &SecurityConfig) -> Option<String> {
        security.problems_here(&[]).first().map(ToString::to_string)
    }

    #[test]
    fn files_of_tls_are_read_by_whoever_will_use_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            Some(path)
        };
        let security = |ca_file| SecurityConfig { protocol: Protocol::Ssl, ca_file, ..SecurityConfig::default() };
        assert_eq!(told(&security(None)), None);
        assert_eq!(told(&security(Some(folder.path().to_owned()))), None, "a folder of authorities");
        let junk = told(&security(file("junk", "junk"))).unwrap();
        assert!(junk.starts_with("ca_file: ") && junk.contains("is no PEM file"), "{junk}");
        let cut = file("cut", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let cut = told(&security(cut)).unwrap();
        assert!(
            cut.starts_with("protocol: TLS cannot be set up with these files") && cut.contains("ssl.ca.location"),
            "{cut}"
        );
        let key = SecurityConfig { key_file: Some("/absent/key".into()), ..security(None) };
        assert!(told(&key).unwrap().starts_with("key_file: /absent/key cannot be read: "));
    }
}
