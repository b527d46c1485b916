//! The rules one by one, then a simulation of both stages under crashes, lag, duplicates and reordering.

use bolus_events::StudyContent;

use super::*;

const QUIET_MS: u64 = 60_000;
const DEADLINE_MS: u64 = 1_800_000;

fn rules() -> Rules {
    Rules {
        quiet: Duration::from_millis(QUIET_MS),
        deadline: Duration::from_millis(DEADLINE_MS),
        open_objects: 1_000_000,
        open_studies: 100_000,
        remember: Duration::from_secs(86_400),
        remember_objects: 1_000_000,
    }
}

fn slice<'a>(study: &'a str, name: u32, event_ms: i64) -> Incoming<'a> {
    Incoming {
        kind: Kind::Slice,
        bucket: "ct".into(),
        study: study.into(),
        key: format!("{study}/{name}.dcm").into(),
        etag: Some(format!("etag-{name}").into()),
        version: None,
        size: Some(512),
        time: event_ms,
    }
}

fn at(event_ms: i64) -> Progress {
    Progress { of: 1, at: vec![("objects".to_owned(), 0, event_ms)] }
}

/// An assembly with partition 0, whose first stage is at its end.
fn assembly(rules: Rules) -> Assembly {
    let mut assembly = Assembly::new(rules);
    assembly.assign(0, 1);
    assembly.progress(0, 0, at(i64::MAX));
    assembly
}

fn drain(assembly: &mut Assembly) -> Vec<Closed> {
    std::iter::from_fn(|| assembly.next_closed()).collect()
}

/// What is closed by a tick at `now_ms`, as (folder or key, revision, reason).
fn closed_at(assembly: &mut Assembly, now_ms: u64) -> Vec<(String, u32, Why)> {
    assembly.tick(now_ms, 1_000);
    drain(assembly).into_iter().map(|closed| (name_of(&closed.event), closed.event.revision, closed.why)).collect()
}

fn name_of(event: &StudyEvent) -> String {
    match &event.content {
        StudyContent::Prefix(prefix) => prefix.clone(),
        StudyContent::Objects(objects) => objects[0].key.clone(),
    }
}

#[test]
fn a_study_closes_once_it_is_quiet_and_every_object_puts_it_off() {
    let mut assembly = assembly(rules());
    assembly.object(0, 1, 0, &slice("a", 1, 0));
    assert_eq!(closed_at(&mut assembly, 59_999), []);
    assembly.object(0, 2, 59_999, &slice("a", 2, 59_999));
    assert_eq!(closed_at(&mut assembly, 119_998), []);
    assert_eq!(closed_at(&mut assembly, 119_999), [("a".into(), 0, Why::Quiet)]);
    assert_eq!(closed_at(&mut assembly, 900_000), []);
}

#[test]
fn nothing_is_quiet_while_the_first_stage_lags_or_is_not_heard_of() {
    let mut assembly = Assembly::new(rules());
    assembly.assign(0, 1);
    assembly.object(0, 1, 0, &slice("a", 1, 1_000_000));
    assert_eq!(closed_at(&mut assembly, 500_000), [], "not heard of");
    assembly.progress(0, 2, at(1_059_999));
    assert_eq!(closed_at(&mut assembly, 600_000), [], "lags");
    assembly.progress(0, 3, at(1_060_000));
    assert_eq!(closed_at(&mut assembly, 600_000), [("a".into(), 0, Why::Quiet)]);
}

#[test]
fn the_deadline_holds_whatever_lags_and_however_much_comes() {
    let mut assembly = Assembly::new(rules());
    assembly.assign(0, 1);
    for minute in 0..30 {
        assembly.object(0, minute, minute.unsigned_abs() * 60_000, &slice("a", u32::try_from(minute).unwrap(), 0));
        assert_eq!(closed_at(&mut assembly, minute.unsigned_abs() * 60_000), []);
    }
    assert_eq!(closed_at(&mut assembly, DEADLINE_MS), [("a".into(), 0, Why::Deadline)]);
}

#[test]
fn a_late_object_makes_a_revision_and_a_known_one_makes_nothing() {
    let mut assembly = assembly(rules());
    assembly.object(0, 1, 0, &slice("a", 1, 0));
    assert_eq!(assembly.object(0, 2, 0, &slice("a", 1, 9)), Heard::Duplicate);
    assert_eq!(closed_at(&mut assembly, 60_000).len(), 1);
    assert_eq!(assembly.object(0, 3, 60_001, &slice("a", 1, 0)), Heard::Duplicate);
    assert_eq!(closed_at(&mut assembly, 300_000), []);
    assert_eq!(assembly.object(0, 4, 300_000, &slice("a", 2, 0)), Heard::Taken);
    assert_eq!(closed_at(&mut assembly, 360_000), [("a".into(), 1, Why::Quiet)]);
    let overwritten = Incoming { etag: Some("new bytes".into()), ..slice("a", 1, 0) };
    assert_eq!(assembly.object(0, 5, 360_000, &overwritten), Heard::Taken);
    assert_eq!(closed_at(&mut assembly, 420_000), [("a".into(), 2, Why::Quiet)]);
}

#[test]
fn a_marker_closes_at_once_also_a_study_without_objects() {
    let mut assembly = assembly(rules());
    assembly.object(0, 1, 0, &slice("a", 1, 0));
    let marker = Incoming { kind: Kind::Marker, key: "a/_SUCCESS".into(), ..slice("a", 0, 0) };
    assembly.object(0, 2, 1, &marker);
    assert_eq!(closed_at(&mut assembly, 1), [("a".into(), 0, Why::Marker)]);
    assert_eq!(assembly.object(0, 3, 2, &marker), Heard::Duplicate);
    assembly.object(0, 3, 2, &slice("a", 2, 0));
    assembly.object(0, 3, 2, &marker);
    assert_eq!(closed_at(&mut assembly, 2), [("a".into(), 1, Why::Marker)], "written again after a late slice");
    let other = Incoming { kind: Kind::Marker, key: "b/_SUCCESS".into(), ..slice("b", 0, 0) };
    assembly.object(0, 4, 3, &other);
    assert_eq!(closed_at(&mut assembly, 3), [("b".into(), 0, Why::Marker)]);
}

#[test]
fn an_archive_is_a_study_by_itself_with_its_entity_tag() {
    let mut assembly = assembly(rules());
    let archive =
        Incoming { kind: Kind::Whole, study: "in/7.zip".into(), key: "in/7.zip".into(), ..slice("in/7.zip", 1, 5) };
    assembly.object(0, 1, 0, &archive);
    let closed = drain(&mut assembly);
    assert_eq!(closed.len(), 1);
    let StudyContent::Objects(objects) = &closed[0].event.content else { panic!("names the object") };
    assert_eq!((objects[0].key.as_str(), objects[0].etag.as_deref()), ("in/7.zip", Some("etag-1")));
    assert_eq!(closed[0].event.partition_key(), "ct/in/7.zip");
    assert_eq!(assembly.object(0, 2, 1, &archive), Heard::Duplicate);
    let again = Incoming { etag: Some("other".into()), ..archive };
    assembly.object(0, 3, 2, &again);
    assert_eq!(closed_at(&mut assembly, 2), [("in/7.zip".into(), 1, Why::Whole)]);
}

#[test]
fn ids_follow_from_the_objects_whatever_their_order() {
    let id = |order: &[u32]| {
        let mut assembly = assembly(rules());
        for (offset, name) in order.iter().enumerate() {
            assembly.object(0, i64::try_from(offset).unwrap(), 0, &slice("a", *name, 0));
        }
        assembly.tick(QUIET_MS, 10);
        assembly.next_closed().unwrap().event.id
    };
    assert_eq!(id(&[1, 2, 3]), id(&[3, 1, 2, 2]));
    assert_ne!(id(&[1, 2, 3]), id(&[1, 2]));
}

#[test]
fn offsets_wait_for_the_oldest_study_and_for_its_acknowledgement() {
    let mut assembly = assembly(rules());
    let committable = |assembly: &Assembly| assembly.committable().collect::<Vec<_>>();
    assert_eq!(committable(&assembly), [(0, 1)]);
    assembly.object(0, 1, 0, &slice("a", 1, 0));
    assembly.object(0, 2, 30_000, &slice("b", 1, 0));
    assembly.pass_over(0, 3);
    assert_eq!(committable(&assembly), [(0, 1)]);
    assembly.tick(60_000, 10);
    let closed = drain(&mut assembly);
    assert_eq!(committable(&assembly), [(0, 1)], "closed and not written");
    assembly.acknowledge(closed[0].ticket);
    assert_eq!(committable(&assembly), [(0, 2)]);
    assembly.tick(90_000, 10);
    let late = drain(&mut assembly);
    assembly.assign(0, 2);
    assembly.progress(0, 1, at(i64::MAX));
    assembly.object(0, 2, 90_000, &slice("b", 1, 0));
    assert_eq!(closed_at(&mut assembly, 150_000).len(), 1);
    assembly.acknowledge(late[0].ticket);
    assert_eq!(committable(&assembly), [(0, 2)], "an acknowledgement of an earlier assignment counts for nothing");
}

#[test]
fn a_crowd_closes_the_oldest_and_only_as_many_as_needed() {
    let mut assembly = assembly(Rules { open_objects: 3, open_studies: 2, ..rules() });
    assembly.object(0, 1, 0, &slice("a", 1, 0));
    assembly.object(0, 2, 1, &slice("b", 1, 0));
    assembly.object(0, 3, 2, &slice("c", 1, 0));
    assert_eq!(closed_at(&mut assembly, 2), [("a".into(), 0, Why::Crowded)]);
    for name in 2..4 {
        assembly.object(0, 2 + i64::from(name), 3, &slice("c", name, 0));
    }
    assert_eq!(closed_at(&mut assembly, 3), [("b".into(), 0, Why::Crowded)]);
    assert_eq!(assembly.size().0, 1);
}

#[test]
fn what_is_remembered_is_bounded_and_forgetting_costs_only_an_event() {
    let mut assembly = assembly(Rules { remember_objects: 40, ..rules() });
    for name in 0u32..100 {
        let study = format!("s{name}");
        assembly.object(0, i64::from(name), 0, &slice(&study, 1, 0));
    }
    assert_eq!(closed_at(&mut assembly, 60_000).len(), 100);
    assert!(assembly.size().2 <= 3, "{:?}", assembly.size());
    assert_eq!(assembly.object(0, 200, 60_001, &slice("s0", 1, 0)), Heard::Taken);
    assert_eq!(assembly.object(0, 201, 60_001, &slice("s99", 1, 0)), Heard::Duplicate);
    assembly.tick(60_001 + 86_400_000, 10);
    assert_eq!(assembly.object(0, 202, 60_001 + 86_400_000, &slice("s99", 1, 0)), Heard::Taken);
}

/// The store's clock, a producer's or ours jumps a day either way: nothing that still comes is closed, and what has come is
/// closed as soon as it has been quiet.
#[test]
fn clock_jumps_close_nothing_early_and_nothing_never() {
    const DAY_MS: i64 = 86_400_000;
    for jump in [DAY_MS, -DAY_MS] {
        let mut assembly = assembly(rules());
        let mut offset = 1;
        for second in 0..300u32 {
            let now_ms = u64::from(second) * 1_000;
            let event_ms = i64::from(second) * 1_000 + if second >= 100 { jump } else { 0 };
            for study in ["a", "b"] {
                assembly.object(0, offset, now_ms, &slice(study, second, event_ms));
                assembly.progress(0, offset + 1, at(event_ms));
                offset += 2;
                assert_eq!(closed_at(&mut assembly, now_ms), [], "jump {jump} at second {second}");
            }
        }
        // Idle: time goes on from the latest record by the monotone clock.
        let last_event_ms = 299_000 + jump;
        assembly.progress(0, offset, at(last_event_ms + 59_000));
        assert_eq!(closed_at(&mut assembly, 358_000), []);
        assembly.progress(0, offset + 1, at(last_event_ms + 60_000));
        // A jump back leaves the studies that were open across it with a latest object in the future: their deadline closes them.
        let expected = if jump > 0 { [2, 0] } else { [0, 2] };
        assert_eq!([359_000, DEADLINE_MS].map(|now_ms| closed_at(&mut assembly, now_ms).len()), expected);
        // What begins after the jump closes as ever.
        assembly.object(0, offset + 2, DEADLINE_MS, &slice("c", 1, last_event_ms + 60_000));
        assembly.progress(0, offset + 3, at(last_event_ms + 120_000));
        assert_eq!(closed_at(&mut assembly, DEADLINE_MS + 60_000), [("c".into(), 0, Why::Quiet)]);
    }
}
