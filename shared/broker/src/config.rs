//! How to reach the broker.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// A secret that `Debug` does not show.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How to reach a Kafka cluster.
#[derive(Clone, Debug, Deserialize)]
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
