//! The program against the real broker and the real store.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shapes;
mod world;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use bolus_assembler::wire::{Incoming, Internal, Kind};
use bolus_events::{StudyContent, StudyEvent};
use shapes::{SHAPES, Shape, created, records};
use world::{FIRST, World};

/// Numbers that a seed repeats (splitmix64).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::env::var("BOLUS_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let seed = seed.unwrap_or_else(now);
        println!("BOLUS_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Kills the program at random moments, two processes of it, while notifications of every vendor's shape come in over several
/// partitions, and checks that every study comes out with its last object. `BOLUS_TEST_SEED` repeats a run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_by_kill_9() {
    let Some(world) = World::new("kills").await else { return };
    let mut random = Random::new();
    let mut names = vec![FIRST];
    let mut running = vec![world.start("1s", FIRST)];
    let mut last: BTreeMap<String, (i32, i64)> = BTreeMap::new();
    let mut kill_at = Instant::now() + Duration::from_millis(2_500);
    for slice in 0..12 {
        if slice == 4 {
            names.push("two");
            running.push(world.start("1s", "two"));
        }
        for study in 0..20 {
            let folder = world.key(&format!("study-{study}"));
            let shape = SHAPES[(slice + study) % SHAPES.len()];
            let payload = created(shape, &world.bucket, &format!("{folder}/{slice}.dcm"), &format!("etag-{slice}"));
            let offset = world.notify(&payload).await;
            last.insert(folder, offset);
            if random.below(10) == 0 {
                world.notify(&payload).await;
            }
            tokio::time::sleep(Duration::from_millis(random.below(80))).await;
            if Instant::now() > kill_at {
                let victim = usize::try_from(random.below(names.len() as u64)).unwrap();
                running.remove(victim).kill();
                running.insert(victim, world.start("1s", names[victim]));
                kill_at = Instant::now() + Duration::from_millis(500 + random.below(5_500));
            }
        }
    }
    // The other one takes over, once the group misses the first: a static member does not leave by itself.
    assert!(running.remove(0).terminate().success());
    for (study, offset) in &last {
        world
            .wait(study, |world| {
                let written_ms = world.written_ms(*offset)?;
                let complete =
                    |ready: &world::Ready| ready.study() == study && ready.event.time.timestamp_millis() >= written_ms;
                world.ready().iter().any(complete).then_some(())
            })
            .await;
    }
    for ready in world.ready() {
        assert!(last.contains_key(ready.study()), "{ready:?}");
        assert_eq!(ready.key, format!("{}/{}", world.bucket, ready.study()));
    }
    assert_eq!(world.forwarded(), BTreeMap::new());
    assert!(running.remove(0).terminate().success());
}

/// What becomes of late slices, duplicates, archives, markers, study events, deletes and junk, and what the program tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_where_it_belongs() {
    let Some(world) = World::new("rules").await else { return };
    let running = world.start("2s", FIRST);
    let slice = |study: &str, name: &str| {
        created(Shape::Minio, &world.bucket, &world.key(&format!("{study}/{name}")), &format!("etag-{name}"))
    };
    let revisions = |study: &str, world: &World| -> Vec<u32> {
        let study = world.key(study);
        world.ready().iter().filter(|ready| ready.study() == study).map(|ready| ready.event.revision).collect()
    };

    // Quiet, a duplicate, a late slice.
    world.notify(&slice("late", "1")).await;
    world.notify(&slice("still", "1")).await;
    world
        .wait("the first revisions", |world| {
            (revisions("late", world) == [0] && revisions("still", world) == [0]).then_some(())
        })
        .await;
    world.notify(&slice("still", "1")).await;
    world.notify(&slice("late", "2")).await;
    world.wait("the late slice", |world| (revisions("late", world) == [0, 1]).then_some(())).await;
    assert_eq!(revisions("still", &world), [0]);

    // An archive and a marker, which close their studies by themselves: `tells_how_it_is` asks by what they were closed.
    for (name, study) in [("in/7.zip", "in/7.zip"), ("marked/_SUCCESS", "marked")] {
        world.notify(&created(Shape::Aws, &world.bucket, &world.key(name), "etag")).await;
        world.wait(name, |world| (revisions(study, world) == [0]).then_some(())).await;
    }
    let archive = world.ready().into_iter().find(|ready| ready.study().ends_with(".zip")).unwrap();
    let StudyContent::Objects(objects) = &archive.event.content else { panic!("{archive:?}") };
    assert_eq!((objects.len(), objects[0].etag.as_deref()), (1, Some("etag")));

    passes_on_what_is_not_its_own(&world).await;
    settles_ambiguous_keys(&world).await;
    tells_how_it_is(&world).await;

    assert!(running.terminate().success());
    let lag = world.admin.group_lag(&world.group("route"), &world.topic("objects")).await.unwrap();
    assert!(lag.iter().all(|partition| partition.lag == 0), "{lag:?}");
    let open = world.admin.group_lag(&world.group("assemble"), &world.topic("by-study")).await.unwrap();
    assert_eq!(open.len(), 2);
}

async fn passes_on_what_is_not_its_own(world: &World) {
    let event = StudyEvent::prefix(&world.bucket, world.key("told")).with_source("test").with_revision(3);
    world.notify(std::str::from_utf8(&event.to_json()).unwrap()).await;
    let told =
        world.wait("the study event", |world| world.ready().into_iter().find(|ready| ready.event.id == event.id)).await;
    assert_eq!((told.event.revision, told.key), (3, event.partition_key()));

    world.notify(&records("aws:s3", "ObjectRemoved:Delete", &world.bucket, "x/1", "e").to_string()).await;
    let junk = "{\"not\": \"an event\"";
    let (partition, offset) = world.notify(junk).await;
    let origin = format!("{}/{partition}/{offset}", world.topic("objects"));
    let (payload, reason) = world.wait("the junk", |world| world.forwarded().remove(&origin)).await;
    assert_eq!(payload, junk.as_bytes());
    assert!(reason.starts_with("not_json: "), "{reason}");
}

async fn settles_ambiguous_keys(world: &World) {
    let (plain, decoded, encoded) = (world.key("ambiguous"), "a b", "a+b");
    world.put(&format!("{plain}/decoded/{decoded}/1.dcm")).await;
    world.put(&format!("{plain}/encoded/{encoded}/1.dcm")).await;
    let mut missing = String::new();
    for case in ["decoded", "encoded", "missing"] {
        let key = format!("{plain}/{case}/{encoded}/1.dcm");
        let message = records("ceph:s3", "ObjectCreated:Put", &world.bucket, &key, "other").to_string();
        let (partition, offset) = world.notify(&message).await;
        missing = format!("{}/{partition}/{offset}", world.topic("objects"));
    }
    let (_, reason) = world.wait("the object that is not there", |world| world.forwarded().remove(&missing)).await;
    assert!(reason.starts_with("ambiguous_key: "), "{reason}");
    for (case, folder) in [("decoded", decoded), ("encoded", encoded)] {
        let study = format!("{plain}/{case}/{folder}");
        world.wait(&study, |world| world.ready().iter().any(|ready| ready.study() == study).then_some(())).await;
    }
    let of_missing = format!("{plain}/missing");
    assert!(!world.ready().iter().any(|ready| ready.study().starts_with(&of_missing)));
}

async fn tells_how_it_is(world: &World) {
    assert!(world.get("/readyz").await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(world.get("/healthz").await.unwrap().starts_with("HTTP/1.1 200"));
    for (name, expected) in [
        ("bolus_assembler_events_total{outcome=\"object\"}", 8.0),
        ("bolus_assembler_events_total{outcome=\"study\"}", 1.0),
        ("bolus_assembler_events_total{outcome=\"ignored\"}", 1.0),
        ("bolus_assembler_events_total{outcome=\"duplicate\"}", 1.0),
        ("bolus_assembler_events_total{outcome=\"unreadable\"}", 2.0),
        ("bolus_assembler_studies_ready_total{by=\"quiet\"}", 5.0),
        ("bolus_assembler_studies_ready_total{by=\"archive\"}", 1.0),
        ("bolus_assembler_studies_ready_total{by=\"marker\"}", 1.0),
        ("bolus_assembler_revisions_total", 1.0),
        ("bolus_assembler_partitions", 5.0),
        ("bolus_assembler_open_studies", 0.0),
    ] {
        world.shows(name, expected).await;
    }
}

/// The stages run apart, and while the first one is away, so that nobody knows what is still to come, nothing counts as quiet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_quiet_while_the_first_stage_is_away() {
    let Some(world) = World::new("apart").await else { return };
    let assemble = world.start_stages("1s", FIRST, "assemble");
    world.wait_until_ready().await;
    let study = world.key("alone");
    let object = Internal::Object(Incoming {
        kind: Kind::Slice,
        bucket: world.bucket.as_str().into(),
        study: study.as_str().into(),
        key: format!("{study}/1.dcm").into(),
        etag: None,
        version: None,
        size: None,
        time: 1_767_225_600_000,
    });
    world.pass_on(&study, &object.to_json()).await;
    world.shows("bolus_assembler_open_studies", 1.0).await;
    // Time itself is the subject: four times what would be quiet. A busy machine can only see less of a fault.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(world.ready().is_empty(), "{:?}", world.ready());
    let route = world.start_stages("1s", "two", "route");
    world.wait("the study", |world| (world.ready().len() == 1).then_some(())).await;
    assert!(route.terminate().success() && assemble.terminate().success());
}

#[test]
fn a_configuration_is_checked_by_its_keys() {
    const KAFKA: &str = "[kafka]\nservers = \"localhost:9092\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assembler.toml");
    let wrong =
        format!("{KAFKA}[study]\nquite = \"1m\"\nquiet = \"1h\"\n[kafka.security]\ncertificate_file = \"/absent\"\n");
    for (text, flag, status, told) in [
        (KAFKA, None, 0, &["the configuration is valid"][..]),
        (KAFKA, Some("--show"), 0, &["stages = [\"route\", \"assemble\"]\n", "listen = \"127.0.0.1:9465\"\n"]),
        (
            &wrong,
            None,
            2,
            &["`study.quite`", "`study.deadline`", "`kafka.security.certificate_file`", "assembler.toml:7"],
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bolus-assembler"));
        let output = command.arg("--check-config").args(flag).arg("--config").arg(&path).output().unwrap();
        let all = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert_eq!(output.status.code(), Some(status), "{all}");
        assert!(told.iter().all(|told| all.contains(told)), "{all}");
    }
}
