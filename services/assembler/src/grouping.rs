//! Which study an object belongs to, and what it is to it. Configuration decides; nothing is read.

use std::collections::BTreeMap;

use bolus_storage::ArchiveKind;
use regex::Regex;
use serde::Deserialize;

use crate::wire::Kind;

/// The group of a [`PrefixRule::Pattern`] whose end is the end of the study's folder.
const STUDY_GROUP: &str = "study";

/// How the study's folder follows from an object's key: `"parent"`, `{ depth = 2 }` or `{ pattern = "…(?<study>…)…" }`.
///
/// Where a rule does not fit a key (too few folders, no match), the folder that holds the object is taken.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefixRule {
    /// The folder that holds the object. The default: it needs no knowledge of the layout, and whether folders are studies or
    /// the series of a study, no series is ever split, which is what a label is about.
    Parent,
    /// The first so many folders of the key. For archives whose studies have folders of their own, to have one event a study.
    Depth(usize),
    /// A regular expression with a group named `study`, which ends where the study's folder does.
    Pattern(Pattern),
}

/// A regular expression with a group named `study`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let regex = Regex::new(&text).map_err(|error| format!("not a regular expression: {error}"))?;
        if regex.capture_names().flatten().any(|name| name == STUDY_GROUP) {
            return Ok(Self(regex));
        }
        Err(format!("expected a group named study, as in \"^in/(?<{STUDY_GROUP}>[^/]+)/\""))
    }
}

impl PrefixRule {
    /// The study's folder without a slash at its end; `None` where the object lies in no folder.
    fn folder<'a>(&self, key: &'a str) -> Option<&'a str> {
        let end = match self {
            Self::Parent => None,
            Self::Depth(folders) => folders.checked_sub(1).and_then(|last| Some(key.match_indices('/').nth(last)?.0)),
            Self::Pattern(Pattern(regex)) => regex
                .captures(key)
                .and_then(|found| found.name(STUDY_GROUP))
                .map(|group| group.end())
                // A folder ends at a slash: `(?<study>\d+)` on `in/12a/1.dcm` names none.
                .filter(|end| key.as_bytes().get(*end) == Some(&b'/')),
        };
        let folder = key.get(..end.or_else(|| key.rfind('/'))?)?;
        // What the study event leaves out at the end of a folder; else one folder would have two names.
        let folder = folder.trim_end_matches('/');
        (!folder.is_empty()).then_some(folder)
    }
}

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
    pub prefix: PrefixRule,
    /// Rules of single buckets.
    pub buckets: BTreeMap<String, PrefixRule>,
    /// Names of objects that say that their study is complete.
    pub markers: Vec<NamePattern>,
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
    /// Says where an object belongs; `None` for what belongs nowhere: the empty objects that stand for folders, and markers
    /// outside of any folder, which would speak for the whole bucket.
    ///
    /// An object outside of any folder is a study by itself, as an archive is.
    #[must_use]
    pub fn place<'a>(&self, bucket: &str, key: &'a str) -> Option<Place<'a>> {
        let name = key.rsplit('/').next().unwrap_or(key);
        if name.is_empty() {
            return None;
        }
        let folder = self.buckets.get(bucket).unwrap_or(&self.prefix).folder(key);
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

    fn grouping(prefix: PrefixRule) -> Grouping {
        let markers =
            ["_SUCCESS", "manifest.json", "*.done"].map(|name| NamePattern::try_from(name.to_owned()).unwrap());
        Grouping { prefix, buckets: BTreeMap::new(), markers: markers.into() }
    }

    fn pattern(text: &str) -> PrefixRule {
        PrefixRule::Pattern(Pattern::try_from(text.to_owned()).unwrap())
    }

    fn check(rule: &PrefixRule, key: &str, expected: Option<(Kind, &str)>) {
        let place = grouping(rule.clone()).place("ct", key);
        assert_eq!(place.map(|place| (place.kind, place.study)), expected, "{key} by {rule:?}");
    }

    #[test]
    fn the_folder_of_the_study_follows_from_the_rule() {
        let slice = |study| Some((Kind::Slice, study));
        check(&PrefixRule::Parent, "a/b/1.dcm", slice("a/b"));
        check(&PrefixRule::Parent, "a b/ü+/1", slice("a b/ü+"));
        check(&PrefixRule::Depth(1), "a/b/1.dcm", slice("a"));
        check(&PrefixRule::Depth(2), "a/b/c/1.dcm", slice("a/b"));
        check(&PrefixRule::Depth(3), "a/b/1.dcm", slice("a/b"));
        check(&PrefixRule::Depth(0), "a/b/1.dcm", slice("a/b"));
        check(&pattern("^in/[^/]+/(?<study>[0-9.]+)/"), "in/7/1.2.3/s/1.dcm", slice("in/7/1.2.3"));
        check(&pattern(r"(?<study>\d+)"), "in/12a/1.dcm", slice("in/12a"));
        check(&pattern("^in/(?<study>x+)/"), "out/12/1.dcm", slice("out/12"));
    }

    #[test]
    fn archives_and_lone_objects_are_studies_by_themselves() {
        for key in ["a/b.zip", "a/b.TAR", "a/b.tar.gz", "a/b.tgz", "lone.dcm", "/lone.dcm"] {
            check(&PrefixRule::Parent, key, Some((Kind::Whole, key)));
        }
    }

    #[test]
    fn markers_speak_for_their_folder_and_never_for_the_bucket() {
        check(&PrefixRule::Parent, "a/b/_SUCCESS", Some((Kind::Marker, "a/b")));
        check(&PrefixRule::Depth(1), "a/b/x.done", Some((Kind::Marker, "a")));
        check(&PrefixRule::Parent, "_SUCCESS", None);
        check(&PrefixRule::Parent, "a/b/", None);
    }

    #[test]
    fn a_bucket_may_have_a_rule_of_its_own() {
        let mut rules = grouping(PrefixRule::Parent);
        rules.buckets.insert("archive".into(), PrefixRule::Depth(1));
        assert_eq!(rules.place("archive", "a/b/1").unwrap().study, "a");
        assert_eq!(rules.place("ct", "a/b/1").unwrap().study, "a/b");
    }

    #[test]
    fn patterns_are_checked_when_they_are_read() {
        assert!(Pattern::try_from("(?<other>x)".to_owned()).unwrap_err().contains("study"));
        assert!(Pattern::try_from("(".to_owned()).is_err());
        for wrong in ["", "*", "a*b", "a/b", "**"] {
            assert!(NamePattern::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    proptest! {
        /// Whatever the key and the rule: the object lies below its study's folder, so that a listing of the folder finds it.
        #[test]
        fn an_object_lies_below_its_study(key in "[a-c/.é]{0,12}", depth in 0usize..4) {
            for rule in [PrefixRule::Parent, PrefixRule::Depth(depth), pattern("(?<study>b+)")] {
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
