//! From a sorted listing to studies, one after the other.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bolus_events::{StudyContent, StudyObject, StudyRule};
use bolus_storage::{ArchiveKind, ObjectRef};

/// Objects that one study event names at most: a message stays far below the broker's usual limit of 1 MiB.
const NAMED_OBJECTS: usize = 1_000;
/// Bytes of keys and entity tags that one study event holds at most.
const NAMED_BYTES: usize = 512 << 10;

/// A study that a bucket holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Its place among the studies: its prefix, or its key where it is a single object, with a slash at its end.
    pub place: String,
    /// What belongs to it, as its event says.
    pub content: StudyContent,
    /// The number of its objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the newest of them was written.
    pub newest: Option<SystemTime>,
    /// Whether it is one object: an archive, whose members are not objects, or one that lies in no folder.
    pub single: bool,
}

impl Study {
    /// The place without its slash: the study's prefix, or the object's key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.place.strip_suffix('/').unwrap_or(&self.place)
    }
}

/// Whether the study at `one` is complete, in a sorted listing, before the one at `other`: what lies below a place comes before
/// the place itself.
#[must_use]
pub fn closes_before(one: &str, other: &str) -> bool {
    match (one.starts_with(other), other.starts_with(one)) {
        (true, true) | (false, true) => false,
        (true, false) => true,
        (false, false) => one < other,
    }
}

/// Gathers sorted objects to studies. Holds only the studies that are open: those that the last key lies in.
#[derive(Debug)]
pub struct Grouper {
    rule: StudyRule,
    open: BTreeMap<String, Open>,
    last_key: String,
}

/// A study that more objects may come for.
#[derive(Debug, Default)]
struct Open {
    single: Option<(StudyObject, Option<SystemTime>)>,
    objects: u64,
    bytes: u64,
    newest: Option<SystemTime>,
    /// Whether objects of other studies lie below the place, so that the prefix would name them too.
    shared: bool,
    /// The objects, while they are few enough to be named.
    named: Option<Vec<StudyObject>>,
    named_bytes: usize,
}

impl Grouper {
    /// Starts without studies.
    #[must_use]
    pub fn new(rule: StudyRule) -> Self {
        Self { rule, open: BTreeMap::new(), last_key: String::new() }
    }

    /// Takes the next object of the listing; gives the studies that are complete before it.
    pub fn add(&mut self, key: &str, object: &ObjectRef) -> Vec<Study> {
        let closed = self.close(|place| place < key && !key.starts_with(place));
        let prefix = self.rule.study_prefix(key);
        let single = prefix.is_empty() || ArchiveKind::of_name(key).is_some();
        let place = format!("{}/", if single { key } else { prefix });
        for (other, open) in &mut self.open {
            open.shared |= *other != place && key.starts_with(other.as_str());
        }
        let shared = self.last_key.starts_with(&place);
        let open = self.open.entry(place).or_insert_with(|| Open { shared, ..Open::new() });
        let named = StudyObject {
            key: key.to_owned(),
            etag: Some(object.etag.clone()),
            version_id: None,
            size: Some(object.size),
        };
        if single {
            open.single = Some((named, object.modified));
            open.bytes += object.size;
        } else {
            open.add(named, object);
        }
        self.last_key.replace_range(.., key);
        closed
    }

    /// Ends the listing; gives the studies that were open.
    pub fn finish(&mut self) -> Vec<Study> {
        self.close(|_| true)
    }

    /// The places of open studies.
    pub fn open_places(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.open.keys().map(String::as_str)
    }

    fn close(&mut self, is_complete: impl Fn(&str) -> bool) -> Vec<Study> {
        let mut places: Vec<String> = self.open.keys().filter(|place| is_complete(place)).cloned().collect();
        places.sort_by(|one, other| closes_before(other, one).cmp(&closes_before(one, other)));
        let closed = places.into_iter().filter_map(|place| self.open.remove_entry(&place));
        closed.flat_map(|(place, open)| open.into_studies(place)).collect()
    }
}

impl Open {
    fn new() -> Self {
        Self { named: Some(Vec::new()), ..Self::default() }
    }

    fn add(&mut self, named: StudyObject, object: &ObjectRef) {
        self.objects += 1;
        self.bytes += object.size;
        self.newest = self.newest.max(object.modified);
        self.named_bytes += named.key.len() + object.etag.len();
        match &mut self.named {
            Some(list) if list.len() < NAMED_OBJECTS && self.named_bytes <= NAMED_BYTES => list.push(named),
            list => *list = None,
        }
    }

    /// One study; two where an archive and a folder share their name.
    fn into_studies(self, place: String) -> Vec<Study> {
        let mut studies = Vec::new();
        if let Some((object, newest)) = self.single {
            let bytes = object.size.unwrap_or_default();
            let content = StudyContent::Objects(vec![object]);
            studies.push(Study { place: place.clone(), content, objects: 1, bytes, newest, single: true });
        }
        if self.objects > 0 {
            let prefix = place.strip_suffix('/').unwrap_or(&place).to_owned();
            let content = match self.named {
                Some(objects) if self.shared => StudyContent::Objects(objects),
                // Too many to be named: the worker then also meets what belongs to the studies below, and knows it by its keys.
                _ => StudyContent::Prefix(prefix),
            };
            let (objects, bytes, newest) = (self.objects, self.bytes, self.newest);
            studies.push(Study { place, content, objects, bytes, newest, single: false });
        }
        studies
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    async fn studies(rule: &str, keys: &[&str]) -> Vec<Study> {
        static STORES: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let name = STORES.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let location = bolus_storage::Location::parse(&format!("memory://studies-{name}")).unwrap();
        let opened = bolus_storage::open_store(&location).await.unwrap();
        let mut grouper = Grouper::new(rule.parse().unwrap());
        let mut found = Vec::new();
        for key in keys.iter().collect::<BTreeSet<_>>() {
            use object_store::ObjectStoreExt;
            let path = object_store::path::Path::parse(key).unwrap();
            opened.store.put(&path, "12".into()).await.unwrap();
            let meta = opened.store.head(&path).await.unwrap();
            let object = ObjectRef::from_meta("memory://b", &opened.store, meta);
            found.extend(grouper.add(key, &object));
        }
        found.extend(grouper.finish());
        found
    }

    fn shown(study: &Study) -> String {
        match &study.content {
            StudyContent::Prefix(prefix) => format!("{prefix}/* {}", study.objects),
            StudyContent::Objects(objects) => {
                objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    async fn check(rule: &str, keys: &[&str], expected: &[&str]) {
        let found: Vec<String> = studies(rule, keys).await.iter().map(shown).collect();
        assert_eq!(found, expected, "{rule}");
    }

    #[tokio::test]
    async fn folders_archives_and_loose_objects_become_studies() {
        check("parent", &["a/1", "a/2", "b/c/1"], &["a/* 2", "b/c/* 1"]).await;
        check("depth=1", &["a/1", "a/b/2", "c/1"], &["a/* 2", "c/* 1"]).await;
        check("parent", &["top", "x.ZIP", "a/y.tar.gz"], &["a/y.tar.gz", "top", "x.ZIP"]).await;
        check("pattern=^in/(?<study>[^/]+)", &["in/s1/a/1", "in/s1/b/1", "in/s2/1"], &["in/s1/* 2", "in/s2/* 1"]).await;
    }

    #[tokio::test]
    async fn a_folder_that_holds_other_studies_names_its_own_objects() {
        check("parent", &["s/DICOMDIR", "s/1/a", "s/1/b"], &["s/1/* 2", "s/DICOMDIR"]).await;
        check("parent", &["s/1/a", "s/z"], &["s/1/* 1", "s/z"]).await;
        check("depth=1", &["s/1/a", "s/x.zip", "s/z"], &["s/x.zip", "s/1/a s/z"]).await;
        let many: Vec<String> = (0..=NAMED_OBJECTS).map(|n| format!("s/{n:05}")).chain(["s/b/1".to_owned()]).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check("parent", &many, &["s/b/* 1", "s/* 1001"]).await;
    }

    #[tokio::test]
    async fn studies_close_in_the_order_that_a_resumed_run_relies_on() {
        let keys = [
            "a/x.zip",
            "a/x.zip-b/1",
            "a/x.zip.c/1",
            "a/x.zip/1",
            "a/x.zipz",
            "a-b/1",
            "a/0/1",
            "a/0.zip",
            "b",
            "a/!/1/2",
        ];
        for rule in ["parent", "depth=1", "depth=2"] {
            let found = studies(rule, &keys).await;
            assert_eq!(found.iter().map(|study| study.objects).sum::<u64>(), keys.len() as u64);
            let mut places: Vec<&str> = found.iter().map(|study| study.place.as_str()).collect();
            places.dedup();
            assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len(), "{rule}: {places:?}");
            for pair in places.windows(2) {
                assert!(closes_before(pair[0], pair[1]), "{rule}: {pair:?}");
                assert!(!closes_before(pair[1], pair[0]), "{rule}: {pair:?}");
            }
        }
    }
}
