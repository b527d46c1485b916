//! How to reach the broker.

use std::collections::BTreeMap;
use std::fmt;

use bolus_ops::config::Problems;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use serde::{Deserialize, Serialize, Serializer};

use crate::BrokerError;
use crate::security::SecurityConfig;

/// How to reach a Kafka cluster.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Where to ask for the cluster first: `host:port`, several with commas.
    pub servers: String,
    /// How this program calls itself to the broker (its logs and quotas).
    #[serde(default = "default_client_id")]
    pub client_id: String,
    /// Encryption and identity; plain text without.
    #[serde(default)]
    pub security: SecurityConfig,
    /// Any other librdkafka setting by its own name. Those that this crate's promises rest on are refused.
    #[serde(default, serialize_with = "without_secrets")]
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
            client_id: default_client_id(),
            security: SecurityConfig::default(),
            properties: BTreeMap::new(),
        }
    }

    /// What of it will not do, wherever it is used.
    #[must_use]
    pub fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        let is_empty = self.servers.trim().is_empty();
        problems.add(&["servers"], is_empty.then(|| "expected host:port, several with commas".into()));
        problems.table("security", self.security.problems());
        for key in self.properties.keys().filter(|key| is_reserved(key)) {
            let problem = "is not free: it is set by this program or by a key of its own";
            problems.add(&[&format!("properties.{key}")], Some(problem.into()));
        }
        problems
    }

    /// What of it will not do on this machine: files that are not there or not what they should be, and what the client library
    /// refuses. No server is asked.
    #[must_use]
    pub fn problems_here(&self) -> Problems {
        let mut problems = Problems::default();
        for (key, value) in self.free_properties() {
            let refused = ClientConfig::new().set(key, value).create_native_config().is_err();
            let problem = refused.then(|| "no setting of librdkafka, or a value that it does not take".to_owned());
            problems.add(&[&format!("properties.{key}")], problem);
        }
        let free: Vec<_> = if problems.first().is_none() { self.free_properties().collect() } else { Vec::new() };
        problems.table("security", self.security.problems_here(&free));
        problems
    }

    /// The settings of any client, checked.
    pub(crate) fn client(&self) -> Result<ClientConfig, BrokerError> {
        if let Some(problem) = self.problems().first() {
            return Err(BrokerError::fatal(problem.to_string()));
        }
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.servers).set("client.id", &self.client_id);
        // A closed idle connection or one broker of several that is away is not worth a line each.
        client.set("log.connection.close", "false").set_log_level(RDKafkaLogLevel::Info);
        // A topic that is made, or grows, while we run is seen so soon; the library would take five minutes.
        client.set("topic.metadata.refresh.interval.ms", "10000");
        // A broker that comes back is met again within so long; the library would take up to ten seconds.
        client.set("reconnect.backoff.max.ms", "2000");
        self.security.apply(&mut client);
        for (key, value) in self.free_properties() {
            client.set(key, value);
        }
        Ok(client)
    }

    fn free_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        let properties = self.properties.iter().filter(|(key, _)| !is_reserved(key));
        properties.map(|(key, value)| (key.as_str(), value.as_str()))
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

/// Whether the value of a free setting may be shown. librdkafka's own secrets are among the settings of TLS and SASL; a URL or a
/// proxy may carry a password; a setting that is unknown here may be anything, but then its name tells.
fn may_be_shown(key: &str, value: &str) -> bool {
    const OF_IDENTITY: [&str; 4] = ["sasl.", "ssl.", "https.", "plugin."];
    const TELLING: [&str; 9] = ["auth", "cred", "jaas", "jwt", "key", "pass", "proxy", "secret", "token"];
    let telling =
        TELLING.iter().any(|word| key.contains(word)) || OF_IDENTITY.iter().any(|start| key.starts_with(start));
    !telling && !value.contains(['@', '\n'])
}

fn without_secrets<S: Serializer>(properties: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = |(key, value)| (key, if may_be_shown(key, value) { value } else { "[secret]" });
    serializer.collect_map(properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).map(shown))
}

/// Shows the names of the free properties, not their values: a setting of librdkafka's may be a secret.
impl fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: Vec<&String> = self.properties.keys().collect();
        f.debug_struct("BrokerConfig")
            .field("servers", &self.servers)
            .field("client_id", &self.client_id)
            .field("security", &self.security)
            .field("properties", &properties)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use bolus_ops::config::{ConfigErrors, Loader, Secret};

    use super::*;

    fn loaded(toml: &str) -> Result<BrokerConfig, ConfigErrors> {
        Loader::new("TEST").text("broker.toml", toml).load()
    }

    /// What is told of a configuration that is loaded and checked, here and anywhere.
    fn told(toml: &str) -> Vec<String> {
        let mut loaded = Loader::new("TEST").text("broker.toml", toml).read::<BrokerConfig>();
        loaded.check(BrokerConfig::problems);
        loaded.check(BrokerConfig::problems_here);
        loaded.finish().err().iter().flat_map(ConfigErrors::iter).map(ToString::to_string).collect()
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
        let config = loaded(&text).unwrap();
        assert_eq!(config.client().unwrap().get("sasl.password"), Some("hunter2"));
        assert_eq!(config.client().unwrap().get("security.protocol"), Some("sasl_ssl"));

        let mut shown = config;
        shown.security.key_password = Some(Secret::new("hunter2"));
        shown.properties.insert("debug".into(), "hunter2".into());
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
        let open = text.replace("password_file", "password");
        let refused = loaded(&open).unwrap_err().to_string();
        assert!(refused.starts_with("`security.password` (broker.toml:6): a secret is taken from"), "{refused}");
    }

    #[test]
    fn of_free_properties_only_what_can_be_no_secret_is_shown() {
        let text = "servers = 'a:1'\n[properties]\n'socket.timeout.ms' = '100'\n'debug' = 'broker'\n\
                    'sasl.kerberos.kinit.cmd' = 'hunter2'\n'https.ca.location' = 'hunter2'\n'some.token' = 'hunter2'\n\
                    'client.rack' = 'http://user:hunter2@rack'";
        let shown = Loader::new("TEST").text("broker.toml", text).read::<BrokerConfig>().show().unwrap();
        assert!(shown.contains("\"socket.timeout.ms\" = \"100\"") && shown.contains("debug = \"broker\""), "{shown}");
        assert!(!shown.contains("hunter2") && shown.matches("[secret]").count() == 4, "{shown}");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let check = |toml: &str, expected: &str| {
            assert_eq!(loaded(toml).unwrap().client().unwrap_err().to_string(), expected);
        };
        check("servers = ' '", "servers: expected host:port, several with commas");
        check(
            "servers = 'a:1'\nproperties = { 'enable.auto.commit' = 'true' }",
            "properties.enable.auto.commit: is not free: it is set by this program or by a key of its own",
        );
        check(
            "servers = 'a:1'\nproperties = { 'sasl.password' = 'x' }",
            "properties.sasl.password: is not free: it is set by this program or by a key of its own",
        );
        check(
            "servers = 'a:1'\nsecurity = { protocol = 'sasl_ssl' }",
            "security.mechanism is missing: security.protocol is a sasl_ one",
        );
        check(
            "servers = 'a:1'\nsecurity = { protocol = 'sasl_ssl', mechanism = 'PLAIN', username = 'u' }",
            "security.password_file is missing: PLAIN needs it, or security.password in the environment",
        );
        check(
            "servers = 'a:1'\nsecurity = { mechanism = 'PLAIN' }",
            "security.mechanism: is set, but security.protocol is not a sasl_ one",
        );
        assert!(loaded("servers = 'a:1'\nserver = 'b:2'").is_err(), "an unknown key is refused");
    }

    #[test]
    fn everything_is_told_at_once_and_no_server_is_asked() {
        let told = told(
            "servers = ''\n[security]\nprotocol = 'sasl_ssl'\nmechanism = 'OAUTHBEARER'\nca_file = '/absent.pem'\n\
             [properties]\n'acks' = '1'\n'no.such.setting' = 'hunter2'\n'socket.timeout.ms' = 'soon'\n",
        );
        for (start, about) in told.iter().zip([
            "`servers` (broker.toml:1): expected host:port",
            "`security.oauth` is missing (OAUTHBEARER needs it)",
            "`properties.acks` (broker.toml:7): is not free",
            "`properties.no.such.setting` (broker.toml:8): no setting of librdkafka",
            "`properties.socket.timeout.ms` (broker.toml:9): no setting",
            "`security.ca_file` (broker.toml:5): /absent.pem cannot be read: ",
        ]) {
            assert!(start.starts_with(about), "{start} is not {about}");
        }
        assert!(told.len() == 6 && !told.concat().contains("hunter2"), "{told:?}");
    }

    #[test]
    fn what_is_refused_is_not_said_to_be_missing() {
        let sasl = "servers = 'a:1'\n[security]\nprotocol = 'sasl_plaintext'\nmechanism = 'PLAIN'\nusername = 'u'\n";
        let told = |line: &str| told(&format!("{sasl}{line}\n"));
        assert_eq!(told("password_file = '/absent'").len(), 1);
        assert_eq!(told("password = 'x'").len(), 1);
        assert_eq!(told("").len(), 1);
    }
}
