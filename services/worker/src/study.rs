//! One message: its studies are listed, read and labelled, and it ends as rows.
//!
//! An attempt that meets something that may pass (the store is away, an object changes under our hands) is not committed; the
//! event waits and is tried again from its listing on, while others go on. Series that an attempt did finish are kept. After the
//! last attempt the event ends as a `failed` row beside what was finished: never as a label that misses slices.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bolus_events::{Event, Parsed, StudyContent};
use bolus_labeling::{Found, Inventory, Labeler, LabelingError, Progress, SeriesKeys, Unit, discover, take_inventory};
use bolus_ops::CpuPool;
use bolus_storage::{Location, Spool};
use bolus_study::{LabelRow, Outcome, Reason, ReasonCode, RowKey, Status};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::backoff;
use crate::begun::Begun;
use crate::book::Ticket;
use crate::config::RetryConfig;
use crate::failpoints;
use crate::gate::{Gate, Lane};
use crate::lookups::Lookups;
use crate::marks::Standing;
use crate::message::Message;
use crate::meters::Meters;
use crate::objects::{self, Trouble};
use crate::rows::{event_row, record_uri};

/// Attempts at an event that names nothing that is there: one more than the first, for stores that list with delay.
const ATTEMPTS_AT_NOTHING: u32 = 2;

/// Handles events, several at a time: reads and labels the studies that they name.
pub struct StudyHandler {
    /// Labels series.
    pub labeler: Arc<Labeler>,
    /// Asks the lake for keys.
    pub lookups: Lookups,
    /// Marks what is under way, in case that it kills the process.
    pub begun: Begun,
    /// Where archives are expanded.
    pub spool: Spool,
    /// Threads for headers and pixels.
    pub cpu: CpuPool,
    /// Counters of the labelling.
    pub progress: Arc<Progress>,
    /// Studies at a time.
    pub studies: Gate,
    /// Series that hold pixels at a time.
    pub series: Gate,
    /// Attempts and pauses.
    pub retry: RetryConfig,
    /// Buckets that may be read; empty for any.
    pub allowed_buckets: BTreeSet<String>,
    /// The lake itself, which is no input.
    pub lake_uri: String,
    /// Where a bucket and a key lie: S3, save in tests.
    pub locate: fn(&str, &str) -> Location,
    /// Metrics.
    pub meters: Arc<Meters>,
}

/// When to let an event go.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Once cancelled, no attempt begins.
    pub begin: CancellationToken,
    /// Once cancelled, an attempt under way is dropped.
    pub go_on: CancellationToken,
}

/// How an event ended.
#[derive(Debug)]
pub enum End {
    /// In these rows; none where the lake had them all or nothing is to be done.
    Rows(Finished),
    /// Not at all: it was let go.
    GivenUp,
    /// Nothing can be labelled any more.
    Fatal(anyhow::Error),
}

/// An event that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its rows, by key.
    pub rows: Vec<LabelRow>,
    /// Whether the same message, sent again, deserves another try.
    pub failed: bool,
    /// How it is counted.
    pub outcome: &'static str,
}

/// What the attempts at an event have found so far.
#[derive(Debug, Default)]
struct Findings {
    /// The attempt, from 1.
    attempt: u32,
    /// Rows of series by key: those of earlier attempts stay.
    rows: BTreeMap<RowKey, LabelRow>,
    /// Rows of files that no series holds, in this attempt.
    file_rows: BTreeMap<RowKey, LabelRow>,
    /// Keys that the lake has.
    known: usize,
    /// Files that were looked at, in this attempt.
    files: usize,
    /// Studies among the events, in this attempt.
    studies: usize,
    /// The replay that the study at hand is sent again for.
    replay: Option<String>,
    /// Where it lies, for a row of the event's own.
    place: Option<String>,
    /// What no attempt can mend.
    lasting: Option<Reason>,
    /// What another attempt may mend, and the attempts that it is worth.
    passing: Option<(Reason, u32, &'static str)>,
}

/// What ends an attempt early.
#[derive(Debug)]
enum Stop {
    Cancelled,
    Fatal(anyhow::Error),
}

impl StudyHandler {
    /// Handles the message of `ticket` until it has ended, or patience has.
    pub async fn handle(&self, ticket: &Ticket, message: Message, lane: Lane, patience: &Patience) -> End {
        if let Some(Standing::Killer { deaths }) = self.begun.standing(ticket) {
            return End::Rows(self.given_up(&message, deaths));
        }
        let mut findings = Findings::default();
        let mut pauses = backoff::of_events(&self.retry);
        let mut read = None;
        for attempt in 1.. {
            let Some(permit) = unless(&patience.begin, self.studies.enter(lane)).await.flatten() else {
                return End::GivenUp;
            };
            // Nothing of the event is read before the broker knows that it may kill us. What reads nothing does not.
            let mut marked = None;
            if message.leads_to_reading() {
                marked = unless(&patience.begin, self.begun.begin(ticket)).await.flatten();
                if marked.is_none() {
                    return End::GivenUp;
                }
            }
            failpoints::poison(|| message.text());
            let parsed = match read.take() {
                Some(parsed) => parsed,
                None => self.parsed(&message).await,
            };
            findings.begin(attempt);
            let work = AssertUnwindSafe(self.attempt(&parsed, lane, &mut findings, &patience.go_on)).catch_unwind();
            match unless(&patience.go_on, work).await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(Stop::Fatal(error)))) => return End::Fatal(error),
                Some(Ok(Err(Stop::Cancelled))) | None => return End::GivenUp,
                Some(Err(_panic)) => findings.lasting = Some(bad_event("handling the event panicked")),
            }
            match findings.passing.take() {
                Some((reason, worth, stage)) if attempt < self.retry.attempts.min(worth) => {
                    // The reason's particulars may name objects.
                    tracing::info!(attempt, reason = %reason.code, stage, "the event is tried again");
                    self.meters.retry(stage);
                }
                passing => {
                    failpoints::pass(failpoints::AFTER_INFERRED);
                    let failure = passing.map(|(reason, ..)| reason);
                    let mut finished = self.end(&message, findings, failure, attempt);
                    let is_something = |event: &Event| !matches!(event, Event::Ignored(_));
                    let is_event = parsed.as_ref().is_ok_and(|parsed| parsed.events.iter().any(is_something));
                    message.tell(&mut finished.rows, is_event);
                    return End::Rows(finished);
                }
            }
            // Who waits holds nobody up.
            drop((marked, permit));
            read = Some(parsed);
            if unless(&patience.begin, pauses.wait()).await.is_none() {
                return End::GivenUp;
            }
        }
        End::GivenUp
    }

    /// How an event ends that processes have died of.
    fn given_up(&self, message: &Message, deaths: u32) -> Finished {
        let detail = format!(
            "the worker's process died {deaths} times while it handled this event, the last time with nothing else under way; the \
             end of its log or the system's out-of-memory killer may say why"
        );
        let reason = Reason::new(ReasonCode::KilledWorker, detail);
        let place = message.place().unwrap_or_else(|| record_uri(message));
        let row = event_row(message, self.labeler.reference(), Outcome::Failed(reason), place);
        let mut rows = vec![LabelRow { attempts: deaths, ..row }];
        // What was given up was being read, so it is an event as far as is known.
        message.tell(&mut rows, true);
        Finished { rows, failed: true, outcome: "failed" }
    }

    /// What the message holds; a long one is read on the CPU pool. What the assembler could use of one that it passes on has
    /// been used: only its refusal is left.
    async fn parsed(&self, message: &Message) -> Result<Parsed, Reason> {
        if let Some(passed_on) = &message.passed_on {
            return Err(bad_event(passed_on.reason.clone()));
        }
        let parsed = match &message.parsed {
            Some(parsed) => parsed.clone(),
            None => {
                let payload = message.payload.clone();
                let work = move || bolus_events::parse(&payload);
                self.cpu.run(work).await.map_err(|error| bad_event(error.to_string()))?
            }
        };
        parsed.map_err(|error| bad_event(error.to_string()))
    }

    /// One attempt at everything in the message.
    async fn attempt(
        &self,
        parsed: &Result<Parsed, Reason>,
        lane: Lane,
        findings: &mut Findings,
        cancel: &CancellationToken,
    ) -> Result<(), Stop> {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(reason) => {
                findings.lasting = Some(reason.clone());
                return Ok(());
            }
        };
        if let Some(error) = parsed.refused.first() {
            findings.lasting = Some(bad_event(error.to_string()));
        }
        for event in &parsed.events {
            match event {
                Event::Ignored(_) => {}
                Event::Study(study) => {
                    findings.replay.clone_from(&study.replay);
                    self.study(&study.bucket, &study.content, lane, findings, cancel).await?;
                }
                Event::Object(object) => match objects::archive_of(object, self.locate).await {
                    Ok(content) => {
                        findings.replay = None;
                        self.study(&object.bucket, &content, lane, findings, cancel).await?;
                    }
                    Err(trouble) => findings.trouble(trouble, "list"),
                },
            }
        }
        Ok(())
    }

    /// One study: listed, then read and labelled part by part.
    async fn study(
        &self,
        bucket: &str,
        content: &StudyContent,
        lane: Lane,
        findings: &mut Findings,
        cancel: &CancellationToken,
    ) -> Result<(), Stop> {
        findings.studies += 1;
        findings.place.get_or_insert_with(|| objects::place_of(bucket, content));
        if !self.allowed_buckets.is_empty() && !self.allowed_buckets.contains(bucket) {
            findings.lasting = Some(bad_event("the bucket is not among studies.allowed_buckets"));
            return Ok(());
        }
        let start = Instant::now();
        let listing =
            self.list(bucket, content, findings.attempt == 1, cancel).instrument(tracing::info_span!("list")).await;
        self.meters.stage("list", start.elapsed());
        match listing {
            Ok(found) => {
                for unit in found.into_units() {
                    self.unit(unit, lane, findings, cancel).await?;
                }
                Ok(())
            }
            Err(Trouble::Cancelled) => Err(Stop::Cancelled),
            Err(trouble) => {
                findings.trouble(trouble, "list");
                Ok(())
            }
        }
    }

    async fn list(
        &self,
        bucket: &str,
        content: &StudyContent,
        first: bool,
        cancel: &CancellationToken,
    ) -> Result<Found, Trouble> {
        let mut found = match content {
            StudyContent::Prefix(prefix) => {
                let folder = match prefix.trim_end_matches('/') {
                    "" => String::new(),
                    prefix => format!("{prefix}/"),
                };
                discover(&[(self.locate)(bucket, &folder)], &self.progress, cancel).await.map_err(objects::trouble)?
            }
            StudyContent::Objects(named) => {
                objects::find_all(bucket, named, self.locate, &self.progress, first).await?
            }
        };
        found.exclude(self.lake_uri.trim_end_matches('/'));
        Ok(found)
    }

    /// Loose files or one archive: headers, then the series that the lake does not have.
    async fn unit(
        &self,
        unit: Unit,
        lane: Lane,
        findings: &mut Findings,
        cancel: &CancellationToken,
    ) -> Result<(), Stop> {
        let start = Instant::now();
        let scanned = take_inventory(unit, &self.spool, &self.cpu, &self.progress, cancel);
        let scanned = scanned.instrument(tracing::info_span!("headers")).await;
        self.meters.stage("headers", start.elapsed());
        let inventory = match scanned {
            Ok(inventory) => inventory,
            Err(LabelingError::Cancelled) => return Err(Stop::Cancelled),
            Err(error) => {
                findings.trouble(objects::trouble(error), "headers");
                return Ok(());
            }
        };
        findings.files += inventory.files_seen();
        if let Some(reason) = inventory.transient() {
            // Without these headers the series miss slices, and have other keys than they should.
            findings.passing(reason.clone(), "headers");
            return Ok(());
        }
        let start = Instant::now();
        let labelled = self.label(&inventory, lane, findings).instrument(tracing::info_span!("label")).await;
        self.meters.stage("label", start.elapsed());
        labelled
    }

    /// Labels the series of `inventory` that are new, and makes rows of its refused files.
    async fn label(&self, inventory: &Inventory, lane: Lane, findings: &mut Findings) -> Result<(), Stop> {
        let keys: Vec<SeriesKeys> =
            inventory.series.iter().map(|series| self.labeler.keys(series, &inventory.objects)).collect();
        let mut new = self.new_series(inventory, &keys, findings).await?;
        let mut is_new = |keys: &SeriesKeys| keys.identity().is_some_and(|key| new.remove(key));
        let series = inventory.series.iter().zip(&keys).filter(|(_, keys)| is_new(keys)).map(|(series, _)| series);
        let new: Vec<_> = series.collect();
        let mut labelled = stream::iter(new)
            .map(|series| async move {
                // The gate is never closed while events are handled; without a permit only memory would suffer.
                let _permit = self.series.enter(lane).await;
                self.labeler.label(inventory, series).await
            })
            .buffer_unordered(Labeler::concurrency())
            // Boxed, or the compiler cannot tell callers that the whole may go to another thread.
            .boxed();
        while let Some(labelled) = labelled.next().await {
            let mut labelled = labelled.context("cannot label").map_err(Stop::Fatal)?;
            self.meters.series_stages(&labelled.stages);
            match labelled.transient() {
                Some(reason) => findings.passing(reason.clone(), "label"),
                None => {
                    if labelled.row.status() == Status::Failed {
                        labelled.row.key = findings.key_in_replay(labelled.row.key);
                    }
                    findings.rows.insert(labelled.row.key.clone(), labelled.row);
                }
            }
        }
        Ok(())
    }

    /// The identities of the series of `inventory` that have no row yet under any of their `keys`. Keeps the rows of its refused files.
    async fn new_series(
        &self,
        inventory: &Inventory,
        keys: &[SeriesKeys],
        findings: &mut Findings,
    ) -> Result<BTreeSet<RowKey>, Stop> {
        let files = inventory.refused.iter().filter_map(|file| self.labeler.file_row(file));
        let files = files.map(|row| LabelRow { key: findings.key_in_replay(row.key.clone()), ..row });
        let mut files: BTreeMap<RowKey, LabelRow> = files.map(|row| (row.key.clone(), row)).collect();
        // A replay is there to try again what failed before: only a failure of its own counts as known.
        let failure_of = |key: &RowKey| findings.key_in_replay(key.of_failure());
        let series: Vec<&RowKey> = keys.iter().flat_map(SeriesKeys::all).collect();
        let failures: Vec<RowKey> = series.iter().map(|key| failure_of(key)).collect();
        let all = files.keys().chain(series).chain(&failures);
        let asked = all.filter(|key| !findings.rows.contains_key(*key)).cloned().collect();
        let known = self.lookups.known(asked).await;
        let known = known.context("cannot ask the lake which rows it has").map_err(Stop::Fatal)?;
        let has_row = |key: &RowKey| known.contains(key) || findings.rows.contains_key(key);
        let is_known = |keys: &&SeriesKeys| keys.all().any(|key| has_row(key) || has_row(&failure_of(key)));
        let new = keys.iter().filter(|keys| !is_known(keys)).filter_map(SeriesKeys::identity).cloned().collect();
        findings.known += known.len();
        files.retain(|key, _| !known.contains(key));
        findings.file_rows.extend(files);
        Ok(new)
    }

    /// Puts the rows of an ended event together. Never none, unless the lake has them or nothing is to be done.
    fn end(&self, message: &Message, mut findings: Findings, passing: Option<Reason>, attempts: u32) -> Finished {
        let may_help = passing.is_some();
        let failure = passing.or(findings.lasting.take());
        findings.rows.append(&mut findings.file_rows);
        let nothing = findings.rows.is_empty() && findings.known == 0 && findings.studies > 0;
        let outcome = match (&failure, findings.studies, findings.rows.is_empty()) {
            (Some(_), ..) => "failed",
            (None, 0, _) => "ignored",
            (None, _, true) if !nothing => "duplicate",
            _ => "done",
        };
        let own = match failure {
            Some(reason) => Some(Outcome::Failed(reason)),
            None if nothing => {
                let detail = format!("none of {} files is a DICOM image", findings.files);
                Some(Outcome::Refused(Reason::new(ReasonCode::NotDicom, detail)))
            }
            None => None,
        };
        if let Some(outcome) = own {
            let place = findings.place.take().unwrap_or_else(|| record_uri(message));
            let row = event_row(message, self.labeler.reference(), outcome, place);
            findings.rows.insert(row.key.clone(), row);
        }
        let mut rows: Vec<LabelRow> = findings.rows.into_values().collect();
        rows.iter_mut().for_each(|row| row.attempts = attempts);
        self.meters.skipped(findings.known);
        Finished { rows, failed: may_help, outcome }
    }
}

impl Findings {
    /// Forgets what each attempt finds anew.
    fn begin(&mut self, attempt: u32) {
        self.attempt = attempt;
        self.file_rows.clear();
        (self.known, self.files, self.studies) = (0, 0, 0);
        (self.lasting, self.passing) = (None, None);
    }

    /// The key of a row that a replay must be able to make anew.
    fn key_in_replay(&self, key: RowKey) -> RowKey {
        match &self.replay {
            Some(replay) => key.of_replay(replay),
            None => key,
        }
    }

    fn passing(&mut self, reason: Reason, stage: &'static str) {
        self.passing.get_or_insert((reason, u32::MAX, stage));
    }

    fn trouble(&mut self, trouble: Trouble, stage: &'static str) {
        match trouble {
            Trouble::Passing(reason) => self.passing(reason, stage),
            Trouble::Nothing(reason) => {
                self.passing.get_or_insert((reason, ATTEMPTS_AT_NOTHING, stage));
            }
            Trouble::Lasting(reason) => self.lasting = Some(reason),
            Trouble::Cancelled => {}
        }
    }
}

fn bad_event(detail: impl Into<String>) -> Reason {
    Reason::new(ReasonCode::BadEvent, detail)
}

/// The outcome of `future`; none where `token` is cancelled first.
async fn unless<T>(token: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    token.run_until_cancelled(future).await
}
