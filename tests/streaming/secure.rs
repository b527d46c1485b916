//! SASL/SCRAM over TLS, as an operator configures it.

use bolus_testkit::servers::{self, SecureKafka};

use crate::world::World;

#[tokio::test]
async fn a_worker_proves_its_name_over_tls_and_never_shows_its_password() {
    let Some(world) = World::new("secure", 1).await else { return };
    let Some(SecureKafka { servers, user, password, ca_file }) = servers::secure_kafka() else { return };
    world.publish_studies(&world.live, 0..1).await;
    let secret = world.folder.path().join("password");
    std::fs::write(&secret, format!("{password}\n")).unwrap();
    let settings = |password_file: &std::path::Path| {
        [
            ("BOLUS_WORKER__KAFKA__SERVERS", servers.clone()),
            ("BOLUS_WORKER__KAFKA__SECURITY__PROTOCOL", "sasl_ssl".to_owned()),
            ("BOLUS_WORKER__KAFKA__SECURITY__CA_FILE", ca_file.display().to_string()),
            ("BOLUS_WORKER__KAFKA__SECURITY__MECHANISM", "SCRAM-SHA-512".to_owned()),
            ("BOLUS_WORKER__KAFKA__SECURITY__USERNAME", user.clone()),
            ("BOLUS_WORKER__KAFKA__SECURITY__PASSWORD_FILE", password_file.display().to_string()),
            ("BOLUS_WORKER__TELEMETRY__LOG_LEVEL", "debug".to_owned()),
        ]
    };
    let mut worker = world.worker(&settings(&secret));
    world.wait_for_progress(&world.live, 1, 1, &mut worker).await;
    assert!(!worker.log().contains(&password));
    drop(worker);

    let wrong = world.folder.path().join("wrong");
    std::fs::write(&wrong, "not the password").unwrap();
    let mut worker = world.worker(&settings(&wrong));
    let status = worker.ended().await;
    assert!(!status.success(), "a wrong password ends the worker");
    assert!(worker.log().contains("bolus-worker: "), "and it says why: {}", worker.log());
    assert!(!worker.log().contains("not the password"));
}
