//! Workers that die between any two steps of a commit, and those that are told to end.

use std::os::unix::process::ExitStatusExt;

use crate::world::World;

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
    while worker.metric("bolus_worker_slices_total").await < 40.0 {
        worker.assert_runs();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
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
