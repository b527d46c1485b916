//! Workers that die between any two steps of a commit, and those that are told to end.

use std::os::unix::process::ExitStatusExt;

use crate::world::{LOOK, PATIENCE, World};

/// Ends the worker at `failpoint` of its first commit, starts another, and asserts that each study has landed once.
async fn dies_at(failpoint: &str) {
    let name = failpoint.trim_start_matches("worker::");
    let Some(world) = World::new(name, 2).await else { return };
    world.publish_studies(&world.live, 0..4).await;
    let mut worker = world.worker(&[("FAILPOINTS", format!("{failpoint}=return"))]);
    let status = worker.ended().await;
    assert!(status.signal().is_some(), "{failpoint} did not end the worker: {status}\n{}", worker.log());
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 2, 4, &mut worker).await;
    world.assert_labelled(0..4).await;
}

#[tokio::test]
async fn a_worker_that_dies_between_inferred_and_committed_loses_and_doubles_nothing() {
    for failpoint in bolus_worker::failpoints::NAMES {
        if failpoint != bolus_worker::failpoints::ON_REVOKE {
            dies_at(failpoint).await;
        }
    }
}

#[tokio::test]
async fn sigterm_finishes_what_is_under_way_and_commits_it() {
    let Some(world) = World::new("drain", 1).await else { return };
    world.publish_studies(&world.live, 0..5).await;
    // Nothing is committed before the drain does it.
    let mut worker = world.worker(&[("BOLUS_WORKER__FLUSH__INTERVAL", "10m".to_owned())]);
    worker.shows("bolus_worker_slices_total", |slices| slices >= 40.0).await;
    assert_eq!(world.progress(&world.live, 0).await, None);
    worker.terminate();
    let status = worker.ended().await;
    assert!(status.success(), "{status}\n{}", worker.log());
    assert_eq!(world.progress(&world.live, 0).await, Some(5), "{}", worker.log());
    world.assert_labelled(0..5).await;
}

#[tokio::test]
async fn what_a_drain_cannot_finish_is_read_again() {
    let Some(world) = World::new("deadline", 1).await else { return };
    world.publish_studies(&world.live, 0..1).await;
    let slow = [
        ("FAILPOINTS", "worker::after-inferred=1*off->1*sleep(60000)->off".to_owned()),
        ("BOLUS_WORKER__SHUTDOWN__DRAIN", "2s".to_owned()),
    ];
    let mut worker = world.worker(&slow);
    world.wait_for_progress(&world.live, 1, 1, &mut worker).await;
    world.publish_studies(&world.live, 1..3).await;
    worker.shows("bolus_worker_inflight_studies", |studies| studies > 0.0).await;
    worker.terminate();
    worker.ended().await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 3, &mut worker).await;
    world.assert_labelled(0..3).await;
}

/// A study that kills the process whenever it is handled, among good ones of its own and of other partitions.
#[tokio::test]
async fn a_record_that_kills_its_worker_ends_as_a_failed_row_and_costs_nobody_else() {
    let Some(world) = World::new("poison", 3).await else { return };
    world.publish_studies(&world.live, 0..6).await;
    let poison = [("FAILPOINTS", "worker::poison=return(study-2\")".to_owned())];
    let mut deaths = 0;
    let progress = loop {
        let mut worker = world.worker(&poison);
        let start = std::time::Instant::now();
        let status = loop {
            assert!(start.elapsed() < PATIENCE, "neither an end nor progress\n{}", worker.log());
            match worker.ended_within(LOOK).await {
                Some(status) => break Some(status),
                None if world.progress_of_all(&world.live, 3).await == 6 => break None,
                None => {}
            }
        };
        let Some(status) = status else { break worker };
        assert!(status.signal().is_some(), "{status}\n{}", worker.log());
        deaths += 1;
        assert!(deaths <= 3, "the poison is handled again and again");
    };
    drop(progress);
    assert_eq!(deaths, 3);
    let rows = world
        .sql("SELECT series_instance_uid, status, reason_code, reason, attempts, event, source_uri FROM labels")
        .await;
    assert_eq!(rows.len(), 6, "{rows:?}");
    let failed: Vec<_> = rows.iter().filter(|row| row["status"] != "labelled").collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((&failed["status"], &failed["reason_code"]), (&"failed".into(), &"killed_worker".into()));
    assert_eq!(failed["attempts"], deaths);
    assert!(failed["source_uri"].as_str().unwrap().contains("study-2"), "{failed}");
    assert!(failed["event"].as_str().unwrap().contains("study-2"), "a replay needs the event");
    let mut labelled: Vec<&str> = rows.iter().filter_map(|row| row["series_instance_uid"].as_str()).collect();
    labelled.sort_unstable();
    let mut good: Vec<String> = (0..6).filter(|number| *number != 2).map(World::series_uid).collect();
    good.sort_unstable();
    assert_eq!(labelled, good);
    // Sent again once its reason has gone, it is labelled.
    let event = bolus_events::StudyEvent::prefix(world.bucket(), world.prefix("study-2/")).with_replay("mended");
    world.publish_event(&world.live, &event).await;
    let mut worker = world.worker(&[]);
    world.wait_for_progress(&world.live, 3, 7, &mut worker).await;
    let rows = world.sql("SELECT count(*) AS n FROM labels WHERE status = 'labelled'").await;
    assert_eq!(rows[0]["n"], 6);
}

#[tokio::test]
async fn who_was_only_beside_a_worker_that_is_killed_is_labelled() {
    let Some(world) = World::new("beside", 1).await else { return };
    world.publish_studies(&world.live, 0..5).await;
    // Killed from outside each time, early in the work.
    for _ in 0..2 {
        let mut worker = world.worker(&[("FAILPOINTS", "worker::after-inferred=pause".to_owned())]);
        worker.says("waiting for studies").await;
        worker.shows("bolus_worker_slices_total", |slices| slices > 0.0).await;
        worker.kill();
    }
    let mut worker = world.worker(&[]);
    worker.says("a worker died while records were under way").await;
    world.wait_for_progress(&world.live, 1, 5, &mut worker).await;
    world.assert_labelled(0..5).await;
    assert!(worker.metric("bolus_worker_retries_total{stage=\"process\"}").await > 0.0);
}
