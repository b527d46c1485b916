//! Refused identities over TLS and SCRAM, records that a broker refuses, brokers that fail.

use std::time::Duration;

use bolus_broker::{
    Admin, BrokerConfig, ConsumerConfig, ErrorKind, Mechanism, OauthConfig, Producer, Protocol, Secret, SecurityConfig,
};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Event, Log, Member, PATIENCE, Starts, broker, fill, new_topic, number, unique};

const SECRET: &str = "not-the-password-hunter2";

/// The listener for SASL over TLS, with `password` or the right one.
fn secure(password: Option<&str>) -> Option<BrokerConfig> {
    let server = bolus_testkit::servers::secure_kafka()?;
    let mut config = BrokerConfig::plaintext(server.servers);
    config.security = SecurityConfig {
        protocol: Protocol::SaslSsl,
        ca_file: Some(server.ca_file),
        mechanism: Some(Mechanism::ScramSha512),
        username: Some(server.user),
        password: Some(Secret::new(password.unwrap_or(&server.password))),
        ..SecurityConfig::default()
    };
    Some(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_pass_over_tls_with_scram() {
    let Some(broker) = secure(None) else { return };
    let topic = new_topic(&broker, 1).await;
    fill(&broker, &topic, 0..10).await;
    let config = ConsumerConfig::new(broker, unique("group"), vec![topic]);
    let mut member = Member::join(config, Starts::default());
    let mut numbers: Vec<usize> = member.take(10).await.iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_a_clear_error_and_is_written_nowhere() {
    let Some(mut broker) = secure(Some(SECRET)) else { return };
    // As much of the library's log as may hold a secret.
    broker.properties.insert("debug".into(), "security,conf,broker".into());
    let log = Log::kept();

    let config = ConsumerConfig::new(broker.clone(), unique("group"), vec!["any".into()]);
    let shown = format!("{config:?} {broker:?}");
    let member = Member::join(config, Starts::default());
    let consumer = member.until_failed().await;
    member.stop().await;
    let producer = Producer::start(&broker).unwrap();
    let shown = format!("{shown} {producer:?}");
    let producer = producer.send("any", b"", b"payload", &[]).await.unwrap_err();
    let admin = Admin::start(&broker).unwrap();
    let shown = format!("{shown} {admin:?}");
    let admin = admin.topic_offsets("any").await.unwrap_err();
    for error in [&consumer, &producer, &admin] {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Fatal, "{text}");
        assert!(text.contains(&broker.servers) && text.to_lowercase().contains("authentication"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(!shown.contains(SECRET), "{shown}");
    let written = log.text();
    assert!(written.contains("sasl_ssl://"), "the library tells how it has fared");
    assert!(!written.contains(SECRET), "{written}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let Some(mut broker) = secure(None) else { return };
    broker.security.ca_file = None;
    let error = Producer::start(&broker).unwrap().send("any", b"", b"payload", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_refuses_is_rejected() {
    let Some(broker) = broker() else { return };
    let topic = new_topic(&broker, 1).await;
    let producer = Producer::start(&broker).unwrap();
    // Random, so that compression does not bring it under the limit.
    let mut state = 1_u64;
    let payload: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_le_bytes()[7]
    })
    .take(3 << 20)
    .collect();
    let error = producer.send(&topic, b"key", &payload, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reject, "{error}");
    assert!(error.to_string().contains(&topic) && error.to_string().contains(&broker.servers), "{error}");
    assert_eq!(producer.send(&topic, b"key", b"small", &[]).await.unwrap(), (0, 0), "the producer goes on");

    let missing = unique("missing");
    let admin = Admin::start(&broker).unwrap();
    let error = admin.topic_offsets(&missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reject, "{error}");
    assert!(error.to_string().contains(&missing), "{error}");
    let request = bolus_broker::NewTopic { name: "no/topic".into(), partitions: 1, replication: 1, config: vec![] };
    assert_eq!(admin.create_topics(&[request]).await.unwrap_err().kind(), ErrorKind::Reject);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listening_is_an_error_to_retry() {
    let mut broker = BrokerConfig::plaintext("127.0.0.1:1");
    broker.properties.insert("message.timeout.ms".into(), "500".into());
    let error = Producer::start(&broker).unwrap().send("any", b"", b"payload", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    let config = ConsumerConfig::new(broker, unique("group"), vec!["any".into()]);
    let member = Member::join(config, Starts::default());
    let error = member.until_failed().await;
    assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    member.stop().await;
}

/// A broker that answers a produce request with errors or after the client has given up on it makes the client send
/// again; the idempotent producer writes the record once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn produce_and_fetch_errors_are_ridden_out() {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic("t", 1, 3).unwrap();
    let broker = BrokerConfig::plaintext(cluster.bootstrap_servers());
    let producer = Producer::start(&broker).unwrap();
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        ],
    );
    cluster.request_errors(
        RDKafkaApiKey::Fetch,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        ],
    );
    for number in 0..20 {
        producer.send("t", b"key", format!("{number}").as_bytes(), &[]).await.unwrap();
    }
    producer.flush(Duration::from_secs(10)).await.unwrap();
    let config = ConsumerConfig::new(broker, "group", vec!["t".into()]);
    let mut member = Member::join(config, Starts::default());
    let numbers: Vec<usize> = member.take(20).await.iter().map(number).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    member.stop().await;
}

/// A group that has forgotten a member may have given its partitions to another already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_the_group_forgot_is_told_that_its_partitions_are_lost() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let broker = BrokerConfig::plaintext(cluster.bootstrap_servers());
    fill(&broker, "t", 0..3).await;
    let mut config = ConsumerConfig::new(broker, "group", vec!["t".into()]);
    config.session_timeout = Duration::from_secs(6);
    let mut member = Member::join(config, Starts::default());
    let before = member.take(3).await;
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]);
    let lost = member
        .until("a revocation", |event| match event {
            Event::Revoked(partitions, lost) => Some((partitions.len(), *lost)),
            _ => None,
        })
        .await;
    assert_eq!(lost, (1, true));
    // It joins again, and reads under a new generation from where it is told.
    let again = member.take(3).await;
    assert!(again.iter().map(|record| record.offset).eq(0..3));
    assert!(again[0].generation > before[0].generation);
    member.stop().await;
}

/// Tokens are fetched by the library itself, with the client's name and secret, before it talks to the broker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth_tokens_are_asked_for_at_the_endpoint() {
    let endpoint = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut broker = BrokerConfig::plaintext("127.0.0.1:1");
    broker.security = SecurityConfig {
        protocol: Protocol::SaslPlaintext,
        mechanism: Some(Mechanism::OauthBearer),
        oauth: Some(OauthConfig {
            token_endpoint_url: format!("http://{}/token", endpoint.local_addr().unwrap()),
            client_id: "bolus-client".into(),
            client_secret: Some(Secret::new(SECRET)),
            scope: Some("kafka".into()),
        }),
        ..SecurityConfig::default()
    };
    assert!(!format!("{broker:?}").contains(SECRET));
    let config = ConsumerConfig::new(broker, unique("group"), vec!["any".into()]);
    let member = Member::join(config, Starts::default());
    let (mut stream, _) = tokio::time::timeout(PATIENCE, endpoint.accept()).await.unwrap().unwrap();
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).contains("scope=kafka") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "{}", String::from_utf8_lossy(&request));
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    assert!(request.starts_with("POST /token") && request.contains("grant_type=client_credentials"), "{request}");
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
    drop(stream);
    let error = member.until_failed().await;
    assert!(!error.to_string().contains(SECRET), "{error}");
    drop(endpoint);
    member.stop().await;
}
