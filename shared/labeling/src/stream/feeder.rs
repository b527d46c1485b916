//! The task behind a feed: listing, headers, series; archives beside it.

use std::sync::Arc;

use bolus_ct::{Instance, Member};
use bolus_storage::{ArchiveKind, Location, ObjectRef, list};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::held::{ClosedSeries, Held, HeldFile, Limits};
use super::part::{FeedOptions, Part, PartId};
use crate::compare;
use crate::error::LabelingError;
use crate::headers::read_instance;
use crate::inventory::{HEADERS_IN_FLIGHT, Inventory, Listed, expand, folder_of, is_inside, told_apart};
use crate::refused::FileRefusal;

/// Archives that were listed and wait to be expanded.
const ARCHIVES_AHEAD: usize = 64;
/// Archives that lie on the spool's disk at a time: one is labelled while the next is expanded.
const ARCHIVES_ON_DISK: usize = 2;
/// Files of no series that are told of together.
const REFUSED_TOGETHER: usize = 64;

/// A listed file and what its header is.
enum Read {
    Instance(ObjectRef, Box<Instance>),
    Refused(FileRefusal),
    Archive(ObjectRef, ArchiveKind),
}

pub(super) struct Feeder {
    options: FeedOptions,
    limits: Limits,
    parts: mpsc::Sender<Part>,
}

impl Feeder {
    pub fn new(options: FeedOptions, limits: Limits, parts: mpsc::Sender<Part>) -> Self {
        Self { options, limits, parts }
    }

    /// Goes through all inputs; archives are expanded meanwhile.
    pub async fn run(self, inputs: Vec<Location>) -> Result<(), LabelingError> {
        let (sender, archives) = mpsc::channel(ARCHIVES_AHEAD);
        let loose = self.gather(self.loose_files(inputs), Some(sender), None);
        tokio::try_join!(loose, self.archives(archives)).map(|_| ())
    }

    /// The files of the inputs with their headers, in the order of the listings.
    fn loose_files(&self, inputs: Vec<Location>) -> BoxStream<'_, Result<Read, LabelingError>> {
        stream::iter(inputs)
            .flat_map(|input| list(&input))
            .take_until(self.options.cancel.cancelled())
            .then(told_apart)
            .filter(|listed| std::future::ready(!self.is_excluded(listed)))
            .map(|listed| self.read(listed))
            .buffered(HEADERS_IN_FLIGHT)
            // Boxed, or the compiler cannot tell callers that the whole may go to another thread.
            .boxed()
    }

    fn is_excluded(&self, listed: &Result<Listed, LabelingError>) -> bool {
        let uri = match listed {
            Ok(Listed::File(object) | Listed::Archive(object, _)) => &object.uri,
            Ok(Listed::Refused(file)) => &file.uri,
            Err(_) => return false,
        };
        self.options.excluded.iter().any(|excluded| is_inside(uri, excluded))
    }

    async fn read(&self, listed: Result<Listed, LabelingError>) -> Result<Read, LabelingError> {
        let progress = &self.options.progress;
        match listed? {
            Listed::Archive(object, kind) => Ok(Read::Archive(object, kind)),
            Listed::Refused(refusal) => {
                progress.files_found.add(1);
                progress.headers_read.add(1);
                Ok(Read::Refused(refusal))
            }
            Listed::File(object) => {
                progress.files_found.add(1);
                self.header(object).await
            }
        }
    }

    /// Reads a header in a task of its own. Whoever waits for the budget of headers must not wait for one who holds a part of it and
    /// is not polled, since its series wait to be taken.
    async fn header(&self, object: ObjectRef) -> Result<Read, LabelingError> {
        let (cpu, progress) = (self.options.cpu.clone(), Arc::clone(&self.options.progress));
        let reading = tokio::spawn(async move {
            let header = read_instance(&object, &cpu, &progress).await;
            progress.headers_read.add(1);
            match header {
                Ok(instance) => Read::Instance(object, Box::new(instance)),
                Err(reason) => Read::Refused(FileRefusal { uri: object.uri, etag: object.etag, reason }),
            }
        });
        AbortOnDropHandle::new(reading).await.map_err(|_| LabelingError::Lost("the reading of a header"))
    }

    /// Gathers files to series and sends these as they close. `archives` takes those that are found; `archive` holds the one that the files are of,
    /// whose series close with its end.
    async fn gather(
        &self,
        mut files: BoxStream<'_, Result<Read, LabelingError>>,
        archives: Option<mpsc::Sender<(ObjectRef, ArchiveKind)>>,
        archive: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Result<(), LabelingError> {
        let limits = match archive {
            Some(_) => Limits { window: u64::MAX, ..self.limits },
            None => self.limits,
        };
        let mut held = Held::new(limits, &self.options.spool);
        let mut refused = Vec::new();
        while let Some(read) = files.next().await {
            let closed = match read? {
                Read::Instance(object, instance) => held.take(object, *instance).await?,
                Read::Refused(refusal) => {
                    let closed = held.pass(&refusal.uri).await?;
                    refused.push(refusal);
                    closed
                }
                Read::Archive(object, kind) => {
                    let archives = archives.as_ref().ok_or(LabelingError::Lost("an archive in an archive"))?;
                    archives.send((object, kind)).await.map_err(|_| LabelingError::Cancelled)?;
                    Vec::new()
                }
            };
            for series in closed {
                self.send(self.part(series, archive.clone()).await?).await?;
            }
            if refused.len() >= REFUSED_TOGETHER {
                self.send_refused(&mut refused, archive.clone()).await?;
            }
        }
        self.go_on()?;
        self.send_refused(&mut refused, archive.clone()).await?;
        for closed in held.finish() {
            if let Some(series) = held.last(closed).await? {
                self.send(self.part(series, archive.clone()).await?).await?;
            }
        }
        Ok(())
    }

    /// Expands archives one after the other, and gathers what each holds.
    async fn archives(&self, mut archives: mpsc::Receiver<(ObjectRef, ArchiveKind)>) -> Result<(), LabelingError> {
        let on_disk = Arc::new(Semaphore::new(ARCHIVES_ON_DISK));
        let FeedOptions { spool, progress, cancel, .. } = &self.options;
        while let Some((archive, kind)) = archives.recv().await {
            let permit = cancel.run_until_cancelled(Arc::clone(&on_disk).acquire_owned()).await;
            // The semaphore is never closed.
            let Some(Ok(permit)) = permit else { return Err(LabelingError::Cancelled) };
            let (members, refused) = expand(&archive, kind, spool, progress, cancel).await?;
            progress.headers_read.add(refused.len() as u64);
            let refused = stream::iter(refused).map(|refusal| Ok(Read::Refused(refusal)));
            let read = stream::iter(members)
                .map(|member| self.header(member))
                .buffered(HEADERS_IN_FLIGHT)
                .take_until(cancel.cancelled());
            self.gather(refused.chain(read).boxed(), None, Some(Arc::new(permit))).await?;
        }
        Ok(())
    }

    /// The stacks of a series. Headers that were dropped are read again.
    async fn part(
        &self,
        series: ClosedSeries,
        archive: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Result<Part, LabelingError> {
        let ClosedSeries { id, came_back, files } = series;
        let mut objects = Vec::with_capacity(files.len());
        let mut read = stream::iter(files)
            .map(|HeldFile { object, instance }| async move {
                let header = match instance {
                    Some(instance) => Ok(instance),
                    None => read_instance(&object, &self.options.cpu, &self.options.progress).await,
                };
                (object, header)
            })
            .buffered(HEADERS_IN_FLIGHT)
            .take_until(self.options.cancel.cancelled())
            .boxed();
        let (mut members, mut refused) = (Vec::new(), Vec::new());
        while let Some((object, header)) = read.next().await {
            let place = objects.len();
            match header {
                Ok(instance) => {
                    members.push(Member { object: place, folder: folder_of(&object.uri).to_owned(), instance })
                }
                // It was an instance when it was listed.
                Err(reason) => refused.push(FileRefusal { uri: object.uri.clone(), etag: object.etag.clone(), reason }),
            }
            objects.push(object);
        }
        drop(read);
        self.go_on()?;
        let FeedOptions { cpu, progress, cancel, .. } = &self.options;
        let (series, uncompared) = compare::series(members, &objects, &mut refused, cpu, progress, cancel).await?;
        let id: Option<PartId> = archive.is_none().then_some(id);
        Ok(Part { inventory: Inventory { objects, series, refused, uncompared }, id, came_back, _archive: archive })
    }

    async fn send_refused(
        &self,
        refused: &mut Vec<FileRefusal>,
        archive: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Result<(), LabelingError> {
        if refused.is_empty() {
            return Ok(());
        }
        let mut refused = std::mem::take(refused);
        refused.sort_by(|a, b| a.uri.cmp(&b.uri));
        self.send(Part {
            inventory: Inventory { refused, ..Inventory::default() },
            _archive: archive,
            ..Part::default()
        })
        .await
    }

    async fn send(&self, part: Part) -> Result<(), LabelingError> {
        self.parts.send(part).await.map_err(|_| LabelingError::Cancelled)
    }

    /// A listing that was cut short must not pass for a whole one: its series would be labelled without their last files.
    fn go_on(&self) -> Result<(), LabelingError> {
        if self.options.cancel.is_cancelled() { Err(LabelingError::Cancelled) } else { Ok(()) }
    }
}
