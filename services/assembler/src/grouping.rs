//! Which study an object belongs to, and what it is to it. Configuration decides; nothing is read.

use std::collections::BTreeMap;
use std::fmt;

use bolus_events::StudyRule;
use bolus_storage::ArchiveKind;
use serde::{Deserialize, Serialize, Serializer};

use crate::wire::Kind;

/// A name, or a name that begins or ends with `*`, which stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum NamePattern {
    /// This name.
    Exact(String),
    /// Names that end so.
    Ends(String),
    /// Names that begin so.
    Begins(String),
}

impl TryFrom<String> for NamePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("expected a file's name, with * at most at its beginning or its end, found \"{text}\"");
        let pattern = match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(end), _) => Self::Ends(end.to_owned()),
            (None, Some(start)) => Self::Begins(start.to_owned()),
            (None, None) => Self::Exact(text.clone()),
        };
        let (Self::Exact(rest) | Self::Ends(rest) | Self::Begins(rest)) = &pattern;
        if rest.is_empty() || rest.contains(['*', '/']) { Err(wrong()) } else { Ok(pattern) }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => formatter.write_str(exact),
            Self::Ends(end) => write!(formatter, "*{end}"),
            Self::Begins(start) => write!(formatter, "{start}*"),
        }
    }
}

impl Serialize for NamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl NamePattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => name == exact,
            Self::Ends(end) => name.ends_with(end.as_str()),
            Self::Begins(start) => name.starts_with(start.as_str()),
        }
    }
}

/// The rules for all buckets.
#[derive(Debug, Clone)]
pub struct Grouping {
    /// The rule of buckets that have none of their own.
    pub prefix: StudyRule,
    /// Rules of single buckets.
    pub buckets: BTreeMap<String, StudyRule>,
    /// Names of objects that say that their study is complete.
    pub markers: Vec<NamePattern>,
    /// Names of objects and folders that are passed over, wherever in the key.
    pub ignore: Vec<NamePattern>,
}

/// What an object's key says of its study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// What the object is.
    pub kind: Kind,
    /// The study's folder, or the key of an object that is a study by itself.
    pub study: &'a str,
}

impl Grouping {
    /// Says where an object belongs; `None` for what belongs nowhere: what is to be ignored, the empty objects that stand for
    /// folders, and markers outside of any folder, which would speak for the whole bucket.
    ///
    /// An object outside of any folder is a study by itself, as an archive is.
    #[must_use]
    pub fn place<'a>(&self, bucket: &str, key: &'a str) -> Option<Place<'a>> {
        let name = key.rsplit('/').next().unwrap_or(key);
        if name.is_empty() || key.split('/').any(|part| self.ignore.iter().any(|ignored| ignored.matches(part))) {
            return None;
        }
        let rule = self.buckets.get(bucket).unwrap_or(&self.prefix);
        let folder = Some(rule.study_prefix(key)).filter(|folder| !folder.is_empty());
        if self.markers.iter().any(|marker| marker.matches(name)) {
            return folder.map(|study| Place { kind: Kind::Marker, study });
        }
        if ArchiveKind::of_name(key).is_some() {
            return Some(Place { kind: Kind::Whole, study: key });
        }
        Some(folder.map_or(Place { kind: Kind::Whole, study: key }, |study| Place { kind: Kind::Slice, study }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names<const N: usize>(names: [&str; N]) -> Vec<NamePattern> {
        names.map(|name| NamePattern::try_from(name.to_owned()).unwrap()).into()
    }

    fn grouping(prefix: &str) -> Grouping {
        Grouping {
            prefix: prefix.parse().unwrap(),
            buckets: BTreeMap::new(),
            markers: names(["_SUCCESS", "manifest.json", "*.done"]),
            ignore: names(["_delta_log", "*.parquet"]),
        }
    }

    fn check(rule: &str, key: &str, expected: Option<(Kind, &str)>) {
        let place = grouping(rule).place("ct", key);
        assert_eq!(place.map(|place| (place.kind, place.study)), expected, "{key} by {rule}");
    }

    #[test]
    fn the_folder_of_the_study_follows_from_the_rule() {
        let slice = |study| Some((Kind::Slice, study));
        check("parent", "a/b/1.dcm", slice("a/b"));
        check("parent", "a b/ü+/1", slice("a b/ü+"));
        check("depth=1", "a/b/1.dcm", slice("a"));
        check("depth=2", "a/b/c/1.dcm", slice("a/b"));
        check("depth=3", "a/b/1.dcm", slice("a/b"));
        check(r"pattern=^in/[^/]+/(?<study>[0-9.]+)/", "in/7/1.2.3/s/1.dcm", slice("in/7/1.2.3"));
        check(r"pattern=(?<study>\d+)", "in/12a/1.dcm", slice("in/12a"));
        check(r"pattern=^in/(?<study>x+)/", "out/12/1.dcm", slice("out/12"));
    }

    #[test]
    fn archives_and_lone_objects_are_studies_by_themselves() {
        for key in ["a/b.zip", "a/b.TAR", "a/b.tar.gz", "a/b.tgz", "lone.dcm", "/lone.dcm"] {
            check("parent", key, Some((Kind::Whole, key)));
        }
    }

    #[test]
    fn markers_speak_for_their_folder_and_never_for_the_bucket() {
        check("parent", "a/b/_SUCCESS", Some((Kind::Marker, "a/b")));
        check("depth=1", "a/b/x.done", Some((Kind::Marker, "a")));
        check("parent", "_SUCCESS", None);
        check("parent", "a/b/", None);
    }

    #[test]
    fn the_files_of_a_lake_are_no_images() {
        check("parent", "research/lake/labels/_delta_log/00000000000000000000.json", None);
        check("parent", "research/lake/labels/part-1.zstd.parquet", None);
        check("parent", "research/delta_log/1", Some((Kind::Slice, "research/delta_log")));
    }

    #[test]
    fn a_bucket_may_have_a_rule_of_its_own() {
        let mut rules = grouping("parent");
        rules.buckets.insert("archive".into(), "depth=1".parse().unwrap());
        assert_eq!(rules.place("archive", "a/b/1").unwrap().study, "a");
        assert_eq!(rules.place("ct", "a/b/1").unwrap().study, "a/b");
    }

    #[test]
    fn patterns_are_checked_when_they_are_read() {
        for wrong in ["", "*", "a*b", "a/b", "**"] {
            assert!(NamePattern::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    proptest! {
        /// Whatever the key and the rule: the object lies below its study's folder, so that a listing of the folder finds it.
        #[test]
        fn an_object_lies_below_its_study(key in "[a-c/.é]{0,12}", depth in 0usize..4) {
            for rule in ["parent", &format!("depth={}", depth + 1), "pattern=(?<study>b+)"] {
                let Some(place) = grouping(rule).place("ct", &key) else { continue };
                if place.kind == Kind::Whole {
                    prop_assert_eq!(place.study, key.as_str());
                } else {
                    let folder = format!("{}/", place.study);
                    prop_assert!(folder.len() > 1 && key.starts_with(&folder), "{} for {}", folder, key);
                }
            }
        }
    }
}
