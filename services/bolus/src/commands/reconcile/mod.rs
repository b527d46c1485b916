//! `bolus reconcile`: what a bucket holds beside what the lake has labelled.
//!
//! Objects and rows are gone through side by side, both sorted by name, so memory does not grow with either: it holds the studies
//! that are open in the listing, and the rows of studies that are gone from the folder that is being listed.
//!
//! Without `--deep` no object is read. A row tells of its series where it lay, how many files it had and when it was made; that a
//! study is `ok` means that nothing of this contradicts the bucket.

mod deep;
mod rows;
mod state;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use bolus::output::{self, Spinner, json_line, json_summary};
use bolus_backfill::{Grouper, Publisher, Study, bucket_of, event_of, listing_for};
use bolus_setup::open_lake;
use bolus_storage::{ErrorKind, Location, list_in_order};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::{ReconcileArgs, StudyState};
use crate::exit;
use deep::Deep;
use rows::{Account, RowFeed};
use state::state_of;

/// Rows of the table; beyond, only counts are shown.
const MOST_TABLE_ROWS: usize = 1000;

/// Runs the command.
pub async fn run(args: ReconcileArgs) -> anyhow::Result<ExitCode> {
    let location = Location::parse(&args.input)?;
    let (bucket, root) = bucket_of(&location)?;
    let cancel = bolus_ops::cancel_on_signal();
    let lake = open_lake(&args.lake.url).await?;
    let sender = if args.submit.is_some() { Some(args.broker.connect().await?) } else { None };
    let output = args.output.as_ref().map(|path| {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::Ok(BufWriter::new(file))
    });
    let mut run = Run {
        bucket,
        grouper: Grouper::new(args.list.rule.clone()),
        feed: RowFeed::start(&lake, &root, &location, args.bundle.as_deref()).await?,
        deep: if args.deep { Some(Deep::new(&args, &lake, cancel.clone())?) } else { None },
        publisher: Publisher::new(sender, args.rate),
        output: output.transpose()?,
        replay: format!("reconcile-{}", Utc::now().format("%Y%m%dT%H%M%S%.6fZ")),
        table: Vec::new(),
        spinner: Spinner::start(),
        summary: Summary::default(),
        args: &args,
    };
    let lake_uri = Location::parse(&args.lake.url)?.uri();
    let outcome = run.all(&location, &root, lake_uri.trim_end_matches('/'), &cancel).await;
    run.summary.elapsed_seconds = run.spinner.finish();
    outcome?;
    run.finish()
}

/// What a run tells at its end.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Objects listed.
    objects_listed: u64,
    /// Studies of the bucket by how they stand.
    studies: BTreeMap<&'static str, u64>,
    /// Rows whose data are gone from the bucket.
    rows_without_objects: u64,
    /// Studies sent to the workers.
    studies_submitted: u64,
    /// Keys that cannot be read, and events that the broker refused.
    refused: u64,
    /// Whether the run was stopped before it was done.
    stopped: bool,
    /// Seconds of the run.
    elapsed_seconds: f64,
}

/// A study as a JSON line.
#[derive(Serialize)]
struct StudyLine<'a> {
    r#type: &'static str,
    state: StudyState,
    study: &'a str,
    objects: u64,
    newest_object: Option<DateTime<Utc>>,
    rows: u64,
    files: u64,
    newest_row: Option<DateTime<Utc>>,
}

struct Run<'a> {
    args: &'a ReconcileArgs,
    bucket: String,
    grouper: Grouper,
    feed: RowFeed,
    deep: Option<Deep<'a>>,
    publisher: Publisher,
    output: Option<BufWriter<File>>,
    replay: String,
    table: Vec<Vec<String>>,
    spinner: Spinner,
    summary: Summary,
}

impl Run<'_> {
    async fn all(
        &mut self,
        location: &Location,
        root: &str,
        lake: &str,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut listing =
            list_in_order(location, listing_for(&self.args.list.rule, self.args.list.requests.get(), None));
        while let Some(found) = cancel.run_until_cancelled(listing.next()).await {
            let object = match found {
                None => {
                    let studies = self.grouper.finish();
                    self.settle(studies).await?;
                    self.summary.rows_without_objects = self.feed.rest().await?;
                    return self.drain().await;
                }
                Some(Ok(object)) => object,
                Some(Err(error)) if error.kind == ErrorKind::Reject => {
                    self.summary.refused += 1;
                    self.spinner.print(&format!("refused {}: {}", error.uri, error.reason()));
                    continue;
                }
                Some(Err(error)) => return Err(error.into()),
            };
            // A lake in the bucket that it describes is no study.
            if object.uri.strip_prefix(lake).is_some_and(|rest| rest.starts_with('/')) {
                continue;
            }
            self.summary.objects_listed += 1;
            let key = object.uri.strip_prefix(root).unwrap_or(&object.uri).to_owned();
            if self.args.list.pass_over(&key) {
                continue;
            }
            let studies = self.grouper.add(&key, &object);
            self.settle(studies).await?;
            let (listed, told) = (self.summary.objects_listed, self.summary.studies.values().sum::<u64>());
            self.spinner.show(|seconds| {
                format!("{listed} objects listed  {:.0}/s   {told} studies compared", listed as f64 / seconds)
            });
        }
        self.summary.stopped = true;
        self.drain().await
    }

    /// Compares complete studies with their rows.
    async fn settle(&mut self, studies: Vec<Study>) -> anyhow::Result<()> {
        for study in studies {
            let account = self.feed.take(&study.place).await?;
            let mut state = state_of(&study, &account);
            if let (Some(deep), true) = (&mut self.deep, account.newest_us.is_some()) {
                state = deep.state(&self.bucket, &study, &account).await?;
            }
            *self.summary.studies.entry(state.as_str()).or_insert(0) += 1;
            if state != StudyState::Ok {
                self.tell(&study, state, &account)?;
            }
            if self.args.submit.as_ref().is_some_and(|states| states.contains(&state)) {
                self.submit(study, state).await?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, study: &Study, state: StudyState, account: &Account) -> anyhow::Result<()> {
        let line = StudyLine {
            r#type: "study",
            state,
            study: study.name(),
            objects: study.objects,
            newest_object: study.newest.map(DateTime::from),
            rows: account.rows,
            files: account.files(),
            newest_row: account.newest_us.and_then(DateTime::from_timestamp_micros),
        };
        if let Some(output) = &mut self.output {
            serde_json::to_writer(&mut *output, &line)?;
            output.write_all(b"\n")?;
        }
        if self.args.json {
            json_line(&line)?;
        } else if self.table.len() < MOST_TABLE_ROWS {
            let time = |time: Option<DateTime<Utc>>| {
                time.map_or("-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
            };
            self.table.push(vec![
                state.as_str().to_owned(),
                line.study.to_owned(),
                line.objects.to_string(),
                line.files.to_string(),
                time(line.newest_object),
                time(line.newest_row),
            ]);
        }
        Ok(())
    }

    /// Sends a study. One that failed is tried again although the lake has its rows.
    async fn submit(&mut self, study: Study, state: StudyState) -> anyhow::Result<()> {
        let event = event_of(&self.bucket, study.content);
        let event = if state == StudyState::Failed { event.with_replay(&self.replay) } else { event };
        for done in self.publisher.send(study.place, Some(event)).await? {
            self.count(&done);
        }
        Ok(())
    }

    fn count(&mut self, done: &bolus_backfill::Acknowledged) {
        self.summary.studies_submitted += u64::from(done.published);
        if let Some(reason) = &done.refused {
            self.summary.refused += 1;
            self.spinner.print(&format!("refused {}: {reason}", done.place));
        }
    }

    async fn drain(&mut self) -> anyhow::Result<()> {
        while let Some(done) = self.publisher.next().await.context("cannot publish")? {
            self.count(&done);
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<ExitCode> {
        if let Some(output) = &mut self.output {
            output.flush()?;
        }
        let summary = &self.summary;
        let open: u64 = summary.studies.iter().filter(|(state, _)| **state != "ok").map(|(_, count)| count).sum();
        let code = if summary.stopped || summary.refused > 0 || open > summary.studies_submitted {
            exit::SOME_REFUSED
        } else {
            0
        };
        if self.args.json {
            json_summary(summary)?;
            return Ok(ExitCode::from(code));
        }
        let mut output = output::for_people();
        if !self.table.is_empty() {
            let headers =
                ["state", "study", "objects", "files in rows", "newest object", "newest row"].map(str::to_owned);
            writeln!(output, "{}", output::table(&headers, self.table, &[false, false, true, true, false, false]))?;
        }
        let studies: u64 = summary.studies.values().sum();
        let states: Vec<String> = summary.studies.iter().map(|(state, count)| format!("{state} {count}")).collect();
        writeln!(
            output,
            "{} in {} objects: {}; {} rows without objects; in {:.1} s.",
            output::counted(usize::try_from(studies).unwrap_or(usize::MAX), "study", "studies"),
            summary.objects_listed,
            states.join(", "),
            summary.rows_without_objects,
            summary.elapsed_seconds,
        )?;
        if self.args.submit.is_some() {
            writeln!(output, "{} sent to {}.", summary.studies_submitted, self.args.broker.topic)?;
        }
        if summary.stopped {
            writeln!(output, "Stopped before the end.")?;
        }
        Ok(ExitCode::from(code))
    }
}
