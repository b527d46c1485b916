//! Several workers, several partitions, two lanes.

use crate::world::World;

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
        assert!(worker.metric("bolus_worker_partitions").await > 0.0, "{}", worker.log());
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
    world.publish_studies(&world.backfill, 0..30).await;
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
    let waiting = 30 - world.progress(&world.backfill, 0).await.unwrap_or(0);
    assert!(waiting > 10, "only {waiting} of the backfill were left when the live study landed\n{}", worker.log());
    world.wait_for_progress(&world.backfill, 1, 30, &mut worker).await;
}
