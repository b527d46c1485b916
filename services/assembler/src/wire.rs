//! The records of the internal topic (`bolus.objects.by-study`): ours alone, compact JSON, read by the second stage only.
//!
//! An object, keyed by `bucket/study`, so that all objects of one study meet in one partition, in order of arrival:
//! ```json
//! {"type":"object","kind":"slice","bucket":"ct","study":"a/b","key":"a/b/1.dcm","etag":"9f0c…","size":524288,"time":1767225600000}
//! ```
//! Progress, sent to every partition of the internal topic: how far the first stage has come in each partition of the
//! object topics that the sender owns. It is sent only after all that it covers has been acknowledged, so who reads it
//! has read all of that before:
//! ```json
//! {"type":"progress","of":3,"at":[["bolus.objects",0,1767225600000],["bolus.objects",1,1767225598000]]}
//! ```
//! `of` is the number of partitions of all object topics; a time is in milliseconds since 1970.
//!
//! Fields may be added; a reader passes over those that it does not know. A record of an unknown `type` is counted and
//! passed over, so that versions can run side by side during an upgrade.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One record of the internal topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Internal<'a> {
    /// An object was created.
    #[serde(borrow)]
    Object(Incoming<'a>),
    /// How far the first stage has come.
    Progress(Progress),
}

/// One created object, with the study that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming<'a> {
    /// What the object is to its study.
    pub kind: Kind,
    /// The bucket's name.
    #[serde(borrow)]
    pub bucket: Cow<'a, str>,
    /// The folder that holds the study, without a slash at its end; the key itself where the object is a whole study.
    #[serde(borrow)]
    pub study: Cow<'a, str>,
    /// The object's key.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// Entity tag without quotes.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Cow<'a, str>>,
    /// Version of the object in a bucket that keeps versions.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'a, str>>,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Event time in milliseconds since 1970: when the notification was written to its topic, and where the broker does not
    /// know, when the store says that the object was created. The first is one clock for all stores and all partitions, and a
    /// notification that is delivered hours late is as new as any other to those who wait for its study.
    pub time: i64,
}

/// What an object is to its study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One object among others.
    Slice,
    /// Says that the study is complete.
    Marker,
    /// A study by itself: an archive, or an object without a folder.
    Whole,
}

/// How far the first stage has come in the partitions of the object topics that one process owns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How many partitions all object topics have together.
    pub of: usize,
    /// Topic, partition, and the event time up to which it is read.
    pub at: Vec<(String, i32, i64)>,
}

impl Internal<'_> {
    /// The record's bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always become JSON")
    }
}

/// Reads a record of the internal topic.
///
/// # Errors
/// Where it is none of ours, or of a later version: to be counted and passed over.
pub fn read(payload: &[u8]) -> Result<Internal<'_>, serde_json::Error> {
    serde_json::from_slice(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Slice), Just(Kind::Marker), Just(Kind::Whole)]
    }

    proptest! {
        #[test]
        fn objects_are_read_as_written(
            kind in kind(), key in any::<String>(), etag in any::<Option<String>>(), size in any::<Option<u64>>(), time in any::<i64>()
        ) {
            let object = Internal::Object(Incoming {
                kind, bucket: "ct".into(), study: key.clone().into(), key: key.into(), etag: etag.map(Cow::from), version: None, size, time,
            });
            let bytes = object.to_json();
            prop_assert_eq!(read(&bytes).unwrap(), object);
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn the_documented_examples_are_read() {
        let object = br#"{"type":"object","kind":"slice","bucket":"ct","study":"a/b","key":"a/b/1.dcm","etag":"9f0c","size":524288,"time":1767225600000,"later":1}"#;
        assert!(
            matches!(read(object), Ok(Internal::Object(object)) if object.study == "a/b" && object.kind == Kind::Slice)
        );
        let progress = br#"{"type":"progress","of":3,"at":[["bolus.objects",0,1767225600000],["bolus.objects",1,-5]]}"#;
        assert!(
            matches!(read(progress), Ok(Internal::Progress(progress)) if progress.of == 3 && progress.at[1].2 == -5)
        );
        assert!(read(br#"{"type":"other"}"#).is_err());
    }
}
