//! Several workers, several partitions, two lanes.

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn two_workers_share_the_partitions_and_one_takes_over() {
    let Some(world) = World::new("share", 4).await else { return };
    let mut first = world.worker(&[]);
    let mut second = world.worker(&[]);
    // Of the group's balance the second one speaks last: it begins with nothing.
    first.says("partitions are assigned").await;
    second.says("partitions are assigned").await;
    world.publish_studies(&world.live, 0..12).await;
    world.wait_for_progress(&world.live, 4, 12, &mut first).await;
    for worker in [&mut first, &mut second] {
        worker.shows("bolus_worker_partitions", |partitions| partitions > 0.0).await;
    }
    second.kill();
    world.publish_studies(&world.live, 12..20).await;
    world.wait_for_progress(&world.live, 4, 20, &mut first).await;
    world.assert_labelled(0..20).await;
}

#[tokio::test]
async fn partitions_move_while_studies_are_under_way() {
    let Some(world) = World::new("move", 4).await else { return };
    world.publish_studies(&world.live, 0..16).await;
    let slow = [("FAILPOINTS", "worker::after-inferred=sleep(150)".to_owned())];
    let mut first = world.worker(&slow);
    first.says("committed").await;
    // Joins, takes partitions, and leaves again.
    let mut second = world.worker(&slow);
    second.says("partitions are assigned").await;
    second.terminate();
    assert!(second.ended().await.success(), "{}", second.log());
    world.wait_for_progress(&world.live, 4, 16, &mut first).await;
    world.assert_labelled(0..16).await;
}

#[tokio::test]
async fn a_live_study_overtakes_a_long_backfill() {
    let Some(world) = World::new("lanes", 1).await else { return };
    world.publish_studies(&world.backfill, 0..60).await;
    let prefix = world.upload(99).await;
    let settings = [
        ("FAILPOINTS", "worker::after-inferred=sleep(200)".to_owned()),
        ("BOLUS_WORKER__LIMITS__STUDIES", "2".to_owned()),
        ("BOLUS_WORKER__LIMITS__LIVE_RESERVE", "1".to_owned()),
    ];
    let mut worker = world.worker(&settings);
    worker.says("committed").await;
    world.publish_event(&world.live, &bolus_events::StudyEvent::prefix(world.bucket(), prefix)).await;
    world.wait_for_progress(&world.live, 1, 1, &mut worker).await;
    let waiting = 60 - world.progress(&world.backfill, 0).await.unwrap_or(0);
    assert!(waiting > 10, "only {waiting} of the backfill were left when the live study landed\n{}", worker.log());
    world.wait_for_progress(&world.backfill, 1, 60, &mut worker).await;
}

#[tokio::test]
async fn a_worker_that_was_frozen_drops_what_another_has_done() {
    let Some(world) = World::new("frozen", 1).await else { return };
    world.publish_studies(&world.live, 0..3).await;
    let mut frozen = world.worker(&[
        ("FAILPOINTS", "worker::before-lake-commit=1*sleep(12000)->off".to_owned()),
        ("BOLUS_WORKER__TELEMETRY__LOG_LEVEL", "debug".to_owned()),
    ]);
    // It has drafted a commit, and sleeps before it is written.
    frozen.says("worker::before-lake-commit").await;
    frozen.signal("STOP");
    let mut other = world.worker(&[]);
    world.wait_for_progress(&world.live, 1, 3, &mut other).await;
    world.publish_studies(&world.live, 3..5).await;
    world.wait_for_progress(&world.live, 1, 5, &mut other).await;
    frozen.signal("CONT");
    frozen.says("another owner has moved the partition on").await;
    world.assert_labelled(0..5).await;
    // It goes on as a member like any other.
    world.publish_studies(&world.live, 5..6).await;
    world.wait_for_progress(&world.live, 1, 6, &mut frozen).await;
    world.assert_labelled(0..6).await;
}

#[tokio::test]
async fn more_than_fits_in_memory_goes_through_a_part_at_a_time() {
    let Some(world) = World::new("memory", 1).await else { return };
    for number in 0..60 {
        world.publish(&world.live, b"k", format!("{number:0>50000}").as_bytes()).await;
    }
    // A commit frees what it wrote, long before the interval is over.
    let settings =
        [("BOLUS_WORKER__LIMITS__MEMORY", "1 MiB".to_owned()), ("BOLUS_WORKER__FLUSH__INTERVAL", "10s".to_owned())];
    let mut worker = world.worker(&settings);
    let mut most = 0.0;
    let start = std::time::Instant::now();
    while world.progress(&world.live, 0).await != Some(60) {
        worker.assert_runs();
        assert!(start.elapsed() < PATIENCE, "{}", worker.log());
        most = worker.metric("bolus_worker_inflight_bytes").await.max(most);
    }
    assert_eq!(world.sql("SELECT count(*) AS n FROM failures").await[0]["n"], 60);
    assert!(most > 0.0 && most < 4.0 * 1_048_576.0, "{most} bytes were held");
}
