//! `bolus submit`: list an archive, send its studies to the workers.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use bolus::output::{self, Spinner, counted, json_line, json_summary};
use bolus_backfill::{Acknowledged, Grouper, Publisher, State, Study, bucket_of, closes_before, event_of, listing_for};
use bolus_storage::{ErrorKind, Location, ObjectRef, StorageError, list_in_order};
use futures::StreamExt;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::SubmitArgs;
use crate::exit;

/// The state is written this often: after a crash, no more than what was sent since is sent again.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Runs the command.
pub async fn run(args: SubmitArgs) -> anyhow::Result<ExitCode> {
    let location = Location::parse(&args.input)?;
    let (bucket, root) = bucket_of(&location)?;
    let cancel = bolus_ops::cancel_on_signal();
    let (state, path) = state_of(&args, &location)?;
    let sender = if args.dry_run { None } else { Some(args.broker.connect().await?) };
    let summary = Summary { resumed: state.last.is_some(), dry_run: args.dry_run, ..Summary::default() };
    let mut run = Run {
        bucket,
        grouper: Grouper::new(args.list.rule.clone()),
        publisher: Publisher::new(sender, args.rate),
        resume_after: state.last.clone(),
        state,
        path,
        saved: Instant::now(),
        spinner: Spinner::start(),
        summary,
        args: &args,
    };
    let outcome = run.all(&location, &root, &cancel).await;
    run.finish(outcome).await
}

/// The state to begin with and its file; a dry run looks at none and leaves none.
fn state_of(args: &SubmitArgs, location: &Location) -> anyhow::Result<(State, Option<PathBuf>)> {
    let new = State::new(&location.uri(), &args.broker.topic, &args.list.rule.to_string());
    if args.dry_run {
        return Ok((new, None));
    }
    let path = args.state.clone().map_or_else(|| new.default_path(), Ok)?;
    let state = if args.restart { new } else { new.resume(&path)? };
    Ok((state, Some(path)))
}

/// What a run tells at its end.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Objects listed now.
    objects_listed: u64,
    /// Their bytes.
    bytes_listed: u64,
    /// Studies found now, those of an earlier run left out.
    studies_found: u64,
    /// Studies whose events are in the topic, by this run.
    studies_published: u64,
    /// Studies found that are older than asked for.
    studies_too_old: u64,
    /// Keys that cannot be read, and events that the broker refused.
    refused: u64,
    /// Whether an earlier run was gone on with.
    resumed: bool,
    /// Whether nothing was to be sent.
    dry_run: bool,
    /// Whether the run was stopped before the listing ended.
    stopped: bool,
    /// Whether the run ended at `--limit`.
    limited: bool,
    /// The state to go on from, where the run is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<PathBuf>,
    /// Seconds of the run.
    elapsed_seconds: f64,
}

impl Summary {
    /// 0 all sent, 3 some refused or the run stopped, 1 nothing was possible.
    fn exit_code(&self) -> u8 {
        if self.refused == 0 && !self.stopped {
            0
        } else if self.studies_published > 0 || self.resumed || self.dry_run && self.studies_found > 0 {
            exit::SOME_REFUSED
        } else {
            exit::NOTHING_DONE
        }
    }
}

struct Run<'a> {
    args: &'a SubmitArgs,
    bucket: String,
    grouper: Grouper,
    publisher: Publisher,
    resume_after: Option<String>,
    state: State,
    path: Option<PathBuf>,
    saved: Instant,
    spinner: Spinner,
    summary: Summary,
}

impl Run<'_> {
    /// Everything up to the end of the listing, or to the request to stop.
    async fn all(&mut self, location: &Location, root: &str, cancel: &CancellationToken) -> anyhow::Result<()> {
        let options = listing_for(&self.args.list.rule, self.args.list.requests.get(), self.resume_after.clone());
        let mut listing = list_in_order(location, options);
        while let Some(found) = cancel.run_until_cancelled(listing.next()).await {
            let Some(found) = found else {
                let studies = self.grouper.finish();
                let all = self.publish(studies, cancel).await?;
                self.summary.stopped = !all && !self.summary.limited;
                return Ok(());
            };
            if let Some(object) = self.listed(found)? {
                let key = object.uri.strip_prefix(root).unwrap_or(&object.uri).to_owned();
                if self.args.list.pass_over(&key) {
                    continue;
                }
                let studies = self.grouper.add(&key, &object);
                if !self.publish(studies, cancel).await? {
                    break;
                }
            }
        }
        self.summary.stopped = !self.summary.limited;
        Ok(())
    }

    fn listed(&mut self, found: Result<ObjectRef, StorageError>) -> anyhow::Result<Option<ObjectRef>> {
        match found {
            Ok(object) => {
                self.summary.objects_listed += 1;
                self.summary.bytes_listed += object.size;
                self.spinner.show(|seconds| self.summary.shown(seconds));
                Ok(Some(object))
            }
            Err(error) if error.kind == ErrorKind::Reject => {
                self.refused(&error.uri, &error.reason().to_string())?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn refused(&mut self, what: &str, reason: &str) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct RefusedLine<'a> {
            r#type: &'static str,
            what: &'a str,
            reason: &'a str,
        }
        self.summary.refused += 1;
        if self.args.json {
            return json_line(&RefusedLine { r#type: "refused", what, reason });
        }
        self.spinner.print(&format!("refused {what}: {reason}"));
        Ok(())
    }

    /// Sends what is due of `studies`; false where the run is to end.
    async fn publish(&mut self, studies: Vec<Study>, cancel: &CancellationToken) -> anyhow::Result<bool> {
        for study in studies {
            if self.is_done(&study.place) {
                continue;
            }
            self.summary.limited = self.args.limit.is_some_and(|limit| self.summary.studies_found >= limit);
            if cancel.is_cancelled() || self.summary.limited {
                return Ok(false);
            }
            self.summary.studies_found += 1;
            let due = self.args.since.is_none_or(|since| study.newest.is_none_or(|at| at >= SystemTime::from(since)));
            if !due {
                self.summary.studies_too_old += 1;
            }
            let event = due.then(|| event_of(&self.bucket, study.content));
            let done = self.publisher.send(study.place, event).await?;
            self.acknowledge(done)?;
            self.spinner.show(|seconds| self.summary.shown(seconds));
        }
        Ok(true)
    }

    /// Whether an earlier run has done with the study.
    fn is_done(&self, place: &str) -> bool {
        self.resume_after.as_ref().is_some_and(|last| place == last || closes_before(place, last))
    }

    fn acknowledge(&mut self, done: Vec<Acknowledged>) -> anyhow::Result<()> {
        for study in done {
            if let Some(reason) = &study.refused {
                self.refused(&study.place, reason)?;
            }
            self.summary.studies_published += u64::from(study.published);
            self.state.published += u64::from(study.published);
            self.state.last = Some(study.place);
        }
        if self.saved.elapsed() >= SAVE_EVERY {
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> anyhow::Result<()> {
        self.saved = Instant::now();
        if let Some(path) = &self.path {
            self.state.save(path)?;
        }
        Ok(())
    }

    /// Waits for what was sent, keeps or removes the state, and tells.
    async fn finish(mut self, outcome: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
        let drained = self.drain().await;
        let outcome = outcome.and(drained);
        let unfinished = outcome.is_err() || self.summary.stopped || self.summary.limited;
        self.summary.elapsed_seconds = self.spinner.finish();
        if let Some(path) = self.path.clone() {
            if !unfinished {
                State::remove(&path)?;
            } else if self.state.last.is_some() {
                self.save()?;
                self.summary.state = Some(path);
            }
        }
        if let (Err(_), Some(path)) = (&outcome, &self.summary.state) {
            let studies = counted(as_usize(self.state.published), "study is", "studies are");
            let path = path.display();
            self.spinner.print(&format!("{studies} published; run the same command again to go on (state: {path})"));
        }
        outcome?;
        self.summary.tell(self.args)?;
        Ok(ExitCode::from(self.summary.exit_code()))
    }

    async fn drain(&mut self) -> anyhow::Result<()> {
        while let Some(done) = self.publisher.next().await.context("cannot publish")? {
            self.acknowledge(vec![done])?;
        }
        Ok(())
    }
}

fn as_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl Summary {
    fn shown(&self, seconds: f64) -> String {
        let (studies, verb) =
            if self.dry_run { (self.studies_found, "found") } else { (self.studies_published, "published") };
        format!(
            "{} objects listed  {:.0}/s   {studies} studies {verb}  {:.1}/s",
            self.objects_listed,
            self.objects_listed as f64 / seconds,
            studies as f64 / seconds,
        )
    }

    fn tell(&self, args: &SubmitArgs) -> anyhow::Result<()> {
        if args.json {
            return json_summary(self);
        }
        use std::io::Write;
        let mut output = output::for_people();
        let studies = counted(as_usize(self.studies_found), "study", "studies");
        let objects = counted(as_usize(self.objects_listed), "object", "objects");
        let sent = if self.dry_run {
            "nothing sent (dry run)".to_owned()
        } else {
            format!("{} sent to {}", self.studies_published, args.broker.topic)
        };
        let seconds = self.elapsed_seconds;
        writeln!(output, "{studies} in {objects}, {sent}, {} refused, in {seconds:.1} s.", self.refused)?;
        if self.studies_too_old > 0 {
            writeln!(
                output,
                "{} older than --since.",
                counted(as_usize(self.studies_too_old), "study is", "studies are")
            )?;
        }
        if let Some(path) = &self.state {
            writeln!(
                output,
                "Stopped before the end: run the same command again to go on (state: {}).",
                path.display()
            )?;
        }
        Ok(())
    }
}
