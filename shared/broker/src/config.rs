//! How to reach the broker.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use serde::Deserialize;

use crate::BrokerError;

/// A secret that `Debug` does not show.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Takes the secret from itself or from its file; at most one of the two may be set.
    fn choose(name: &str, value: Option<&Self>, file: Option<&Path>) -> Result<Option<Self>, BrokerError> {
        match (value, file) {
            (Some(_), Some(_)) => Err(BrokerError::fatal(format!("both {name} and {name}_file are set"))),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    BrokerError::fatal(format!("cannot read {name}_file {}: {error}", path.display()))
                })?;
                Ok(Some(Self::new(text.trim_end())))
            }
            (value, None) => Ok(value.cloned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How to reach a Kafka cluster.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Where to ask for the cluster first: `host:port`, several with commas.
    pub servers: String,
    /// Encryption and identity; plain text without.
    #[serde(default)]
    pub security: SecurityConfig,
    /// How this program calls itself to the broker (its logs and quotas).
    #[serde(default = "default_client_id")]
    pub client_id: String,
    /// Any other librdkafka setting by its own name. Those that this crate's promises rest on are refused.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

fn default_client_id() -> String {
    "bolus".to_owned()
}

impl BrokerConfig {
    /// A cluster reached in plain text.
    pub fn plaintext(servers: impl Into<String>) -> Self {
        Self {
            servers: servers.into(),
            security: SecurityConfig::default(),
            client_id: default_client_id(),
            properties: BTreeMap::new(),
        }
    }

    /// The settings of any client, checked.
    pub(crate) fn client(&self) -> Result<ClientConfig, BrokerError> {
        if self.servers.trim().is_empty() {
            return Err(BrokerError::fatal("servers is empty: it takes host:port, several with commas"));
        }
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.servers).set("client.id", &self.client_id);
        // A closed idle connection or one broker of several that is away is not worth a line each.
        client.set("log.connection.close", "false").set_log_level(RDKafkaLogLevel::Info);
        // A topic that is made, or grows, while we run is seen so soon; the library would take five minutes.
        client.set("topic.metadata.refresh.interval.ms", "10000");
        // A broker that comes back is met again within so long; the library would take up to ten seconds.
        client.set("reconnect.backoff.max.ms", "2000");
        self.security.apply(&mut client)?;
        for (key, value) in &self.properties {
            if is_reserved(key) {
                return Err(BrokerError::fatal(format!(
                    "properties.{key} is not free: it is set by this program or by a key of its own"
                )));
            }
            client.set(key, value);
        }
        Ok(client)
    }
}

/// Whether the crate's promises rest on a setting, or `security` holds it so that its secret is not shown.
fn is_reserved(key: &str) -> bool {
    const RESERVED: [&str; 22] = [
        "acks",
        "auto.commit.enable",
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "bootstrap.servers",
        "client.id",
        "delivery.report.only.error",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "max.poll.interval.ms",
        "metadata.broker.list",
        "partitioner",
        "request.required.acks",
        "session.timeout.ms",
        "statistics.interval.ms",
        "transactional.id",
    ];
    let secret = key.contains("password") || key.contains("secret") || key.ends_with(".pem");
    secret || key == "sasl.oauthbearer.config" || RESERVED.contains(&key)
}

/// Shows the names of the free properties, not their values: a setting of librdkafka's may be a secret.
impl fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: Vec<&String> = self.properties.keys().collect();
        f.debug_struct("BrokerConfig")
            .field("servers", &self.servers)
            .field("security", &self.security)
            .field("client_id", &self.client_id)
            .field("properties", &properties)
            .finish()
    }
}

impl SecurityConfig {
    fn apply(&self, client: &mut ClientConfig) -> Result<(), BrokerError> {
        client.set("security.protocol", self.protocol.name());
        for (key, path) in [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ] {
            if let Some(path) = path {
                let Some(text) = path.to_str() else {
                    return Err(BrokerError::fatal(format!("the path {} is not UTF-8", path.display())));
                };
                client.set(key, text);
            }
        }
        let key_password =
            Secret::choose("key_password", self.key_password.as_ref(), self.key_password_file.as_deref())?;
        if let Some(Secret(phrase)) = key_password {
            client.set("ssl.key.password", phrase);
        }
        let sasl = matches!(self.protocol, Protocol::SaslPlaintext | Protocol::SaslSsl);
        match self.mechanism {
            Some(mechanism) if sasl => self.apply_sasl(mechanism, client),
            None if sasl => Err(BrokerError::fatal("security.mechanism is missing: the protocol is a sasl_ one")),
            Some(_) => Err(BrokerError::fatal("security.mechanism is set, but the protocol is not a sasl_ one")),
            None => Ok(()),
        }
    }

    fn apply_sasl(&self, mechanism: Mechanism, client: &mut ClientConfig) -> Result<(), BrokerError> {
        client.set("sasl.mechanism", mechanism.name());
        if mechanism == Mechanism::OauthBearer {
            let Some(oauth) = &self.oauth else {
                return Err(BrokerError::fatal("security.oauth is missing: the mechanism is OAUTHBEARER"));
            };
            return oauth.apply(client);
        }
        let Some(username) = &self.username else {
            return Err(BrokerError::fatal(format!("security.username is missing: {} needs it", mechanism.name())));
        };
        let password = Secret::choose("security.password", self.password.as_ref(), self.password_file.as_deref())?;
        let Some(Secret(password)) = password else {
            return Err(BrokerError::fatal(format!("security.password is missing: {} needs it", mechanism.name())));
        };
        client.set("sasl.username", username).set("sasl.password", password);
        Ok(())
    }
}

impl OauthConfig {
    fn apply(&self, client: &mut ClientConfig) -> Result<(), BrokerError> {
        client
            .set("sasl.oauthbearer.method", "oidc")
            .set("sasl.oauthbearer.token.endpoint.url", &self.token_endpoint_url)
            .set("sasl.oauthbearer.client.id", &self.client_id);
        let secret = Secret::choose(
            "security.oauth.client_secret",
            self.client_secret.as_ref(),
            self.client_secret_file.as_deref(),
        )?;
        let Some(Secret(secret)) = secret else {
            return Err(BrokerError::fatal("security.oauth.client_secret is missing"));
        };
        client.set("sasl.oauthbearer.client.secret", secret);
        if let Some(scope) = &self.scope {
            client.set("sasl.oauthbearer.scope", scope);
        }
        Ok(())
    }
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
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

/// Encryption and identity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// Whether the connection is encrypted, and whether the client names itself.
    pub protocol: Protocol,
    /// PEM file of the authorities that may vouch for the broker; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client's own certificate (mutual TLS).
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the private key of `certificate_file`.
    pub key_file: Option<PathBuf>,
    /// How the client proves its name; needed by the `sasl_` protocols.
    pub mechanism: Option<Mechanism>,
    /// The name, for PLAIN and SCRAM.
    pub username: Option<String>,
    /// The password, for PLAIN and SCRAM. Better from the environment or from `password_file`.
    pub password: Option<Secret>,
    /// File with the password; white space at its end is not part of it.
    pub password_file: Option<PathBuf>,
    /// The pass phrase of `key_file`. Better from the environment or from `key_password_file`.
    pub key_password: Option<Secret>,
    /// File with the pass phrase of `key_file`; white space at its end is not part of it.
    pub key_password_file: Option<PathBuf>,
    /// Where OAUTHBEARER tokens come from.
    pub oauth: Option<OauthConfig>,
}

/// Kafka's `security.protocol`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OauthConfig {
    /// The provider's token endpoint.
    pub token_endpoint_url: String,
    /// The client's public name.
    pub client_id: String,
    /// The client's secret. Better from the environment or from `client_secret_file`.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// File with the client's secret; white space at its end is not part of it.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for.
    #[serde(default)]
    pub scope: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(toml: &str) -> Result<BrokerConfig, toml::de::Error> {
        toml::from_str(toml)
    }

    #[test]
    fn a_password_comes_from_its_file_without_the_line_end_and_is_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let text = format!(
            "servers = 'a:1'\n[security]\nprotocol = 'sasl_ssl'\nmechanism = 'SCRAM-SHA-512'\nusername = 'u'\n\
             password_file = '{}'",
            file.path().display()
        );
        let config = config(&text).unwrap();
        assert_eq!(config.client().unwrap().get("sasl.password"), Some("hunter2"));
        assert_eq!(config.client().unwrap().get("security.protocol"), Some("sasl_ssl"));

        let mut shown = config;
        shown.security.password = Some(Secret::new("hunter2"));
        shown.properties.insert("debug".into(), "hunter2".into());
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
        let both = shown.client().unwrap_err().to_string();
        assert_eq!(both, "both security.password and security.password_file are set");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let check = |toml: &str, expected: &str| {
            assert_eq!(config(toml).unwrap().client().unwrap_err().to_string(), expected);
        };
        check("servers = ' '", "servers is empty: it takes host:port, several with commas");
        check(
            "servers = 'a:1'\nproperties = { 'enable.auto.commit' = 'true' }",
            "properties.enable.auto.commit is not free: it is set by this program or by a key of its own",
        );
        check(
            "servers = 'a:1'\nproperties = { 'sasl.password' = 'x' }",
            "properties.sasl.password is not free: it is set by this program or by a key of its own",
        );
        check(
            "servers = 'a:1'\nsecurity = { protocol = 'sasl_ssl' }",
            "security.mechanism is missing: the protocol is a sasl_ one",
        );
        check(
            "servers = 'a:1'\nsecurity = { protocol = 'sasl_ssl', mechanism = 'PLAIN', username = 'u' }",
            "security.password is missing: PLAIN needs it",
        );
        check(
            "servers = 'a:1'\nsecurity = { mechanism = 'PLAIN' }",
            "security.mechanism is set, but the protocol is not a sasl_ one",
        );
        assert!(config("servers = 'a:1'\nserver = 'b:2'").is_err(), "an unknown key is refused");
    }
}
