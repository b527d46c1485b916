//! The files of open series: headers in memory while there is room, references to the files on disk beyond.

use std::collections::HashMap;

use bolus_ct::{Instance, series_key};
use bolus_storage::{Numbered, ObjectLog, ObjectRef, Spool, StorageError};
use sha2::{Digest, Sha256};

use super::cutter::{Closed, Cutter, Id};
use crate::error::LabelingError;
use crate::inventory::folder_of;

/// How much is held, and when series close.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Files that go by without one of a study before its series close.
    pub window: u64,
    /// Headers in memory, in bytes as far as they can be told. Beyond, those of all open series are dropped, and read again when
    /// their series close.
    pub header_bytes: usize,
    /// References to files in memory, in bytes. Beyond, they are on disk.
    pub log_bytes: usize,
}

/// A file of a series; the header where it is held.
pub(super) struct HeldFile {
    pub object: ObjectRef,
    pub instance: Option<Instance>,
}

/// A series that has closed.
pub(super) struct ClosedSeries {
    pub id: Id,
    pub came_back: bool,
    /// In the order of the listing.
    pub files: Vec<HeldFile>,
}

/// Gathers the files of a listing to series.
pub(super) struct Held {
    limits: Limits,
    cutter: Cutter,
    next_number: u64,
    headers: HashMap<Id, Vec<(u64, ObjectRef, Instance)>>,
    header_bytes: usize,
    log: Option<ObjectLog>,
    /// The newest block in the log of each series that has one: of open ones whose headers were dropped, and of all that have closed. 24 bytes
    /// a series, which is all that grows with a listing.
    blocks: HashMap<Id, u64>,
}

impl Held {
    pub fn new(limits: Limits, spool: &Spool) -> Self {
        Self {
            limits,
            cutter: Cutter::new(limits.window),
            next_number: 0,
            headers: HashMap::new(),
            header_bytes: 0,
            log: Some(ObjectLog::new(spool, limits.log_bytes)),
            blocks: HashMap::new(),
        }
    }

    /// Takes a file that is no instance; gives the series that close before it.
    pub async fn pass(&mut self, uri: &str) -> Result<Vec<ClosedSeries>, LabelingError> {
        let closed = self.cutter.pass(folder_of(uri));
        self.close(closed, true).await
    }

    /// Takes an instance; gives the series that close before it.
    pub async fn take(&mut self, object: ObjectRef, instance: Instance) -> Result<Vec<ClosedSeries>, LabelingError> {
        let folder = folder_of(&object.uri);
        let id = digest(&series_key(&instance, folder));
        let study = instance.study_uid.as_ref().map_or(id, |study| digest(&[study.as_str()]));
        let came_back = !self.cutter.is_open(id) && self.blocks.contains_key(&id);
        let closed = self.cutter.add(id, study, folder, came_back);
        self.header_bytes += bytes_of(&object, &instance);
        self.headers.entry(id).or_default().push((self.next_number, object, instance));
        self.next_number += 1;
        let closed = self.close(closed, true).await?;
        if self.header_bytes > self.limits.header_bytes {
            self.drop_headers().await?;
        }
        Ok(closed)
    }

    /// Ends the listing; gives the series that are open, those that came back last. Their files are to be had one series at a time.
    pub fn finish(&mut self) -> Vec<Closed> {
        std::mem::replace(&mut self.cutter, Cutter::new(0)).finish()
    }

    /// The files of one series of [`Held::finish`].
    pub async fn last(&mut self, closed: Closed) -> Result<Option<ClosedSeries>, LabelingError> {
        Ok(self.close(vec![closed], false).await?.pop())
    }

    async fn close(&mut self, closed: Vec<Closed>, may_come_back: bool) -> Result<Vec<ClosedSeries>, LabelingError> {
        let mut series = Vec::with_capacity(closed.len());
        for Closed { id, came_back } in closed {
            let held = self.headers.remove(&id).unwrap_or_default();
            self.header_bytes -= held.iter().map(|(_, object, instance)| bytes_of(object, instance)).sum::<usize>();
            let mut files: Vec<(u64, HeldFile)> = Vec::with_capacity(held.len());
            if let Some(block) = self.blocks.get(&id).copied() {
                let objects = self.with_log(move |log| log.read(block)).await?;
                files.extend(objects.into_iter().map(|(number, object)| (number, HeldFile { object, instance: None })));
            }
            if may_come_back {
                self.log(vec![(id, held.iter().map(|(number, object, _)| (*number, object.clone())).collect())])
                    .await?;
            }
            let held = held.into_iter();
            files
                .extend(held.map(|(number, object, instance)| (number, HeldFile { object, instance: Some(instance) })));
            files.sort_by_key(|(number, _)| *number);
            series.push(ClosedSeries { id, came_back, files: files.into_iter().map(|(_, file)| file).collect() });
        }
        Ok(series)
    }

    /// Sets the files of all open series aside, without their headers.
    async fn drop_headers(&mut self) -> Result<(), LabelingError> {
        let headers = std::mem::take(&mut self.headers);
        self.header_bytes = 0;
        let objects = headers
            .into_iter()
            .map(|(id, held)| (id, held.into_iter().map(|(number, object, _)| (number, object)).collect()));
        let objects = objects.collect();
        self.log(objects).await
    }

    /// Writes a block for each of `series` that has files.
    async fn log(&mut self, series: Vec<(Id, Vec<Numbered>)>) -> Result<(), LabelingError> {
        let series: Vec<(Id, Option<u64>, Vec<Numbered>)> = series
            .into_iter()
            .filter(|(_, objects)| !objects.is_empty())
            .map(|(id, objects)| (id, self.blocks.get(&id).copied(), objects))
            .collect();
        let write = move |log: &mut ObjectLog| {
            let write = |(id, before, objects): (Id, Option<u64>, Vec<Numbered>)| {
                let objects = objects.iter().map(|(number, object)| (*number, object));
                Ok((id, log.append(before, objects)?))
            };
            series.into_iter().map(write).collect::<Result<Vec<_>, StorageError>>()
        };
        let written = self.with_log(write).await?;
        self.blocks.extend(written);
        Ok(())
    }

    /// Does `work` with the log off the async threads: it writes to a disk.
    async fn with_log<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut ObjectLog) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, LabelingError> {
        let lost = LabelingError::Lost("the list of the open series' files");
        let Some(mut log) = self.log.take() else { return Err(lost) };
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut log);
            (log, outcome)
        });
        let (log, outcome) = done.await.map_err(|_| lost)?;
        self.log = Some(log);
        Ok(outcome?)
    }
}

/// 128 bits of sha256.
fn digest<T: AsRef<str>>(parts: &[T]) -> Id {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_ref().as_bytes());
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    digest.first_chunk().map_or(0, |first| Id::from_le_bytes(*first))
}

/// About what a file of an open series takes of memory: its names, a header's usual texts, and what each frame adds.
fn bytes_of(object: &ObjectRef, instance: &Instance) -> usize {
    const OF_HEADER: usize = 1536;
    const OF_FRAME: usize = 512;
    2 * object.uri.len() + OF_HEADER + instance.frames.len() * OF_FRAME
}
