//! Settles keys that can be read in two ways by asking the store which object is there.

use std::time::Duration;

use bolus_events::{ObjectEvent, ObjectKey};
use bolus_storage::{ErrorKind, Location, StorageError, find};
use tokio::sync::Semaphore;

/// The first pause after a store failed; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Asks stores, a bounded number of questions at a time.
#[derive(Debug)]
pub struct Settler {
    requests: Semaphore,
    locate: fn(String, String) -> Location,
}

/// What a store said of one reading of a key: the object's entity tag.
type Answer = Result<String, StorageError>;

impl Settler {
    /// Asks S3, with at most so many requests at a time.
    #[must_use]
    pub fn new(requests: usize) -> Self {
        Self { requests: Semaphore::new(requests), locate: |bucket, key| Location::S3 { bucket, key } }
    }

    /// The key of the object that an event is about. Where the store fails for the moment it is asked again, however long
    /// that takes: the partition waits meanwhile.
    ///
    /// # Errors
    /// Why neither reading names an object that can be read.
    pub async fn key(&self, event: &ObjectEvent) -> Result<String, String> {
        let (encoded, decoded) = match &event.key {
            ObjectKey::Exact(key) => return Ok(key.clone()),
            ObjectKey::Ambiguous { encoded, decoded } => (encoded, decoded),
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let (as_it_is, as_decoded) = tokio::join!(self.ask(event, encoded), self.ask(event, decoded));
            match choose(event.etag.as_deref(), as_it_is, as_decoded) {
                Choice::Encoded => return Ok(encoded.clone()),
                Choice::Decoded => return Ok(decoded.clone()),
                Choice::Neither(reason) => return Err(reason),
                // The code alone: the text names the object.
                Choice::Later(error) => {
                    tracing::warn!(code = ?error.code, "a store cannot say which key is meant, and is asked again")
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn ask(&self, event: &ObjectEvent, key: &str) -> Answer {
        let _permit = self.requests.acquire().await.expect("never closed");
        let location = (self.locate)(event.bucket.clone(), key.to_owned());
        find(&location, event.version_id.clone()).await.map(|object| object.etag)
    }
}

/// Which reading is right.
#[derive(Debug)]
enum Choice {
    Encoded,
    Decoded,
    Neither(String),
    Later(StorageError),
}

/// Decides by what is there. Where both are, the event's entity tag decides, and without its help the decoded reading, which
/// is what S3 prescribes.
fn choose(etag: Option<&str>, encoded: Answer, decoded: Answer) -> Choice {
    let passing = |answer: &Answer| answer.as_ref().is_err_and(|error| error.kind == ErrorKind::Retry);
    let is_it = |found: &String| etag == Some(found.as_str());
    match (encoded, decoded) {
        (Ok(encoded), Ok(decoded)) if is_it(&encoded) && !is_it(&decoded) => Choice::Encoded,
        (Ok(_), Ok(_)) => Choice::Decoded,
        (Ok(encoded), decoded) if is_it(&encoded) || !passing(&decoded) => Choice::Encoded,
        (encoded, Ok(decoded)) if is_it(&decoded) || !passing(&encoded) => Choice::Decoded,
        (Err(error), _) | (_, Err(error)) if error.kind == ErrorKind::Retry => Choice::Later(error),
        (_, Err(error)) if error.kind == ErrorKind::Retry => Choice::Later(error),
        (Err(error), _) | (_, Err(error)) => {
            Choice::Neither(format!("neither reading of the key can be read: {}", error.reason().detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use bolus_events::EventSource;
    use bolus_storage::open_store_for_writing;
    use object_store::ObjectStoreExt;
    use object_store::path::Path;

    use super::*;

    const ENCODED: &str = "a+b/1%2B.dcm";
    const DECODED: &str = "a b/1+.dcm";

    fn in_memory(bucket: String, key: String) -> Location {
        Location::Memory { name: bucket, key }
    }

    /// Settles the key in a bucket that holds `objects`; `etag_of` is the object whose entity tag the event tells.
    async fn settled(bucket: &str, objects: &[&str], etag_of: Option<&str>) -> Result<String, String> {
        let opened = open_store_for_writing(&in_memory(bucket.into(), String::new())).await.unwrap();
        let mut etag = None;
        for key in objects {
            let put = opened.store.put(&Path::parse(key).unwrap(), (*key).to_owned().into()).await.unwrap();
            if etag_of == Some(*key) {
                etag = put.e_tag;
            }
        }
        let event = ObjectEvent {
            source: EventSource::Ceph,
            bucket: bucket.into(),
            key: ObjectKey::Ambiguous { encoded: ENCODED.into(), decoded: DECODED.into() },
            size: None,
            etag,
            version_id: None,
            sequencer: None,
            time: None,
        };
        Settler { requests: Semaphore::new(1), locate: in_memory }.key(&event).await
    }

    #[tokio::test]
    async fn the_object_that_is_there_is_meant() {
        assert_eq!(settled("settle-1", &[ENCODED], None).await.as_deref(), Ok(ENCODED));
        assert_eq!(settled("settle-2", &[DECODED], None).await.as_deref(), Ok(DECODED));
        assert!(settled("settle-3", &["other"], None).await.unwrap_err().contains("neither"));
    }

    #[tokio::test]
    async fn of_two_the_entity_tag_tells() {
        let both = [ENCODED, DECODED];
        assert_eq!(settled("settle-4", &both, Some(ENCODED)).await.as_deref(), Ok(ENCODED));
        assert_eq!(settled("settle-5", &both, Some(DECODED)).await.as_deref(), Ok(DECODED));
        assert_eq!(settled("settle-6", &both, None).await.as_deref(), Ok(DECODED));
    }
}
