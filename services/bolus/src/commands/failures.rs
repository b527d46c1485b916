//! `bolus failures`: what failed and was not labelled since, and sending it again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use bolus::output::{self, json_line, json_summary};
use bolus_backfill::Sender;
use bolus_broker::ErrorKind;
use bolus_events::{Event, ObjectKey, StudyContent, StudyEvent, StudyObject};
use bolus_lake::{OpenFailure, RowFilter};
use bolus_setup::open_lake;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::{FailureArgs, FailuresCommand, ReplayArgs};
use crate::exit;

/// Rows of the table; beyond, only counts are shown.
const MOST_TABLE_ROWS: usize = 1000;
/// How replayed events name their maker.
const SOURCE: &str = "bolus/replay";

/// Runs the command.
pub async fn run(command: FailuresCommand) -> anyhow::Result<ExitCode> {
    match command {
        FailuresCommand::List { choice, json } => list(&choice, json).await,
        FailuresCommand::Replay(args) => replay(&args).await,
    }
}

/// The rows to choose from.
fn filter(choice: &FailureArgs) -> RowFilter {
    RowFilter {
        reason_code: choice.reason.clone(),
        key_prefix: choice.key.clone(),
        since_us: choice.since.map(|since| since.timestamp_micros()),
        ..RowFilter::default()
    }
}

/// `bolus failures list`.
async fn list(choice: &FailureArgs, json: bool) -> anyhow::Result<ExitCode> {
    let lake = open_lake(&choice.lake.url).await?;
    let mut failures = lake.open_failures(&filter(choice)).await?;
    let (mut table, mut reasons, mut count) = (Vec::new(), BTreeMap::<String, usize>::new(), 0);
    while let Some(rows) = failures.next_rows().await? {
        for failure in rows {
            count += 1;
            *reasons.entry(failure.reason_code.clone()).or_insert(0) += 1;
            if json {
                json_line(&line(&failure))?;
            } else if table.len() < MOST_TABLE_ROWS {
                table.push(cells(&failure));
            }
        }
    }
    #[derive(Serialize)]
    struct Listed {
        failures: usize,
        by_reason: BTreeMap<String, usize>,
    }
    if json {
        json_summary(&Listed { failures: count, by_reason: reasons })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut output = output::for_people();
    if !table.is_empty() {
        let headers = ["key", "reason", "series or source", "attempts", "when", "event"].map(str::to_owned);
        writeln!(output, "{}", output::table(&headers, table, &[false, false, false, true, false, false]))?;
    }
    let reasons: Vec<String> = reasons.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    writeln!(output, "{}{reasons}", output::counted(count, "failure", "failures"))?;
    Ok(ExitCode::SUCCESS)
}

/// A failure as a JSON line.
#[derive(Serialize)]
struct FailureLine<'a> {
    r#type: &'static str,
    row_key: &'a str,
    reason_code: &'a str,
    reason: &'a str,
    series_instance_uid: Option<&'a str>,
    source_uri: &'a str,
    bundle_name: &'a str,
    attempts: u32,
    created_at: String,
    /// Whether an event led here, which `replay` can send again.
    has_event: bool,
}

fn line(failure: &OpenFailure) -> FailureLine<'_> {
    FailureLine {
        r#type: "failure",
        row_key: failure.key.as_str(),
        reason_code: &failure.reason_code,
        reason: &failure.reason,
        series_instance_uid: failure.series.as_ref().map(|uid| uid.as_str()),
        source_uri: &failure.source_uri,
        bundle_name: &failure.bundle_name,
        attempts: failure.attempts,
        created_at: instant(failure.created_at_us),
        has_event: event(failure).is_some(),
    }
}

fn cells(failure: &OpenFailure) -> Vec<String> {
    let name = match &failure.series {
        Some(uid) => output::series_name(&failure.source_uri, uid.as_str(), None),
        None => failure.source_uri.clone(),
    };
    let key = failure.key.as_str().chars().take(12).collect();
    let reason = format!("{}: {}", failure.reason_code, failure.reason.chars().take(80).collect::<String>());
    let event = if event(failure).is_some() { "yes" } else { "no" };
    vec![key, reason, name, failure.attempts.to_string(), instant(failure.created_at_us), event.to_owned()]
}

/// The event as received; none where there was none, or nothing in it.
fn event(failure: &OpenFailure) -> Option<&str> {
    failure.event.as_deref().filter(|event| !event.is_empty())
}

/// A time as `bolus sql` writes it; the number where the calendar does not reach.
fn instant(us: i64) -> String {
    let time = DateTime::from_timestamp_micros(us);
    time.map_or_else(|| us.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

/// What a replay tells at its end.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Failed rows chosen.
    failures: usize,
    /// Events sent: rows of one event share it.
    sent: usize,
    /// Rows without an event, as `bolus label` makes them.
    without_event: usize,
    /// Rows whose message is no event that can be made anew; `--raw` sends them as they came.
    not_events: usize,
    /// Events that the broker refused.
    refused: usize,
    /// The name that the replayed events carry.
    replay: String,
}

impl Summary {
    fn exit_code(&self) -> u8 {
        if self.without_event + self.not_events + self.refused == 0 {
            0
        } else if self.sent > 0 {
            exit::SOME_REFUSED
        } else {
            exit::NOTHING_DONE
        }
    }
}

/// What is sent for a failed row.
#[derive(Debug, PartialEq)]
enum Again {
    Event(Box<StudyEvent>),
    Raw(Vec<u8>),
    NoEvent,
}

/// `bolus failures replay`.
async fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let chosen = args.choice.reason.is_some() || args.choice.key.is_some() || args.choice.since.is_some();
    anyhow::ensure!(args.all || chosen, "which failures? Give --reason, --key or --since, or --all");
    let lake = open_lake(&args.choice.lake.url).await?;
    let sender = args.broker.connect().await?;
    let replay = format!("replay-{}", Utc::now().format("%Y%m%dT%H%M%S%.6fZ"));
    let mut summary = Summary { replay, ..Summary::default() };
    let mut failures = lake.open_failures(&filter(&args.choice)).await?;
    let mut seen = BTreeSet::new();
    while let Some(rows) = failures.next_rows().await? {
        for failure in rows {
            summary.failures += 1;
            match event(&failure) {
                None => summary.without_event += 1,
                Some(event) => send_again(event, &sender, args.raw, &mut seen, &mut summary).await?,
            }
        }
    }
    tell(&summary, args)?;
    Ok(ExitCode::from(summary.exit_code()))
}

async fn send_again(
    event: &str,
    sender: &Sender,
    raw: bool,
    seen: &mut BTreeSet<Vec<u8>>,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    for again in again(event, &summary.replay) {
        let sent = match again {
            Again::Event(event) => {
                if !seen.insert(identity(&event)) {
                    continue;
                }
                sender.send(&event).await
            }
            Again::Raw(payload) if raw => {
                if !seen.insert(payload.clone()) {
                    continue;
                }
                sender.send_raw(&payload).await
            }
            Again::Raw(_) | Again::NoEvent => {
                summary.not_events += 1;
                continue;
            }
        };
        match sent {
            Ok(_) => summary.sent += 1,
            Err(error) if error.kind() == ErrorKind::Reject => {
                tracing::warn!(%error, "an event was refused");
                summary.refused += 1;
            }
            Err(error) => return Err(error).context(format!("stopped after {} events", summary.sent)),
        }
    }
    Ok(())
}

/// What two replays of the same study have in common.
fn identity(event: &StudyEvent) -> Vec<u8> {
    let same = StudyEvent { id: String::new(), time: chrono::DateTime::UNIX_EPOCH, revision: 0, ..event.clone() };
    same.to_json()
}

/// What is to be sent for an event as a row tells it. An event is made anew, with another id, so that no worker takes it for the
/// one that failed, and with the name of the replay, so that the failed row's key does not stand in its way.
fn again(text: &str, replay: &str) -> Vec<Again> {
    // A message of which only the beginning was kept cannot be sent again.
    let Some(payload) = bolus_events::message_of_text(text).filter(|_| !is_place(text)) else {
        return vec![Again::NoEvent];
    };
    let Ok(parsed) = bolus_events::parse(&payload) else { return vec![Again::Raw(payload)] };
    let mut all: Vec<Again> = parsed
        .events
        .into_iter()
        .filter_map(|event| match event {
            Event::Study(study) => Some(Again::Event(Box::new(anew(study, replay)))),
            Event::Object(object) => Some(match object.key {
                ObjectKey::Exact(key) => {
                    let named = StudyObject { key, etag: None, version_id: object.version_id, size: None };
                    let study = StudyEvent::objects(object.bucket, vec![named]);
                    Again::Event(Box::new(study.with_source(SOURCE).with_replay(replay)))
                }
                ObjectKey::Ambiguous { .. } => Again::Raw(payload.clone()),
            }),
            Event::Ignored(_) => None,
        })
        .collect();
    if all.is_empty() && parsed.refused.is_empty() {
        all.push(Again::NoEvent);
    }
    if !parsed.refused.is_empty() {
        all.push(Again::Raw(payload));
    }
    all
}

/// Whether a row only names the record that a long event lies in.
fn is_place(text: &str) -> bool {
    let fields = serde_json::from_str::<BTreeMap<String, serde::de::IgnoredAny>>(text);
    fields.is_ok_and(|fields| fields.keys().eq(["offset", "partition", "topic"]))
}

fn anew(study: StudyEvent, replay: &str) -> StudyEvent {
    let new = match study.content {
        StudyContent::Prefix(prefix) => StudyEvent::prefix(study.bucket, prefix),
        StudyContent::Objects(objects) => StudyEvent::objects(study.bucket, objects),
    };
    StudyEvent {
        study_uid: study.study_uid,
        revision: study.revision,
        partition_key: study.partition_key,
        origin: study.origin,
        ..new.with_source(SOURCE).with_replay(replay)
    }
}

fn tell(summary: &Summary, args: &ReplayArgs) -> anyhow::Result<()> {
    if args.json {
        return json_summary(summary);
    }
    let mut output = output::for_people();
    let failures = output::counted(summary.failures, "failure", "failures");
    let events = output::counted(summary.sent, "event", "events");
    writeln!(output, "{failures}: {events} sent to {} as {}.", args.broker.topic, summary.replay)?;
    if summary.without_event > 0 {
        let rows = output::counted(summary.without_event, "has no event", "have no event");
        writeln!(output, "{rows}: they come from `bolus label`; label their source again with --relabel.")?;
    }
    if summary.not_events > 0 {
        let rows = output::counted(summary.not_events, "message is no event", "messages are no events");
        writeln!(output, "{rows} that can be sent anew: --raw sends them as they came.")?;
    }
    if summary.refused > 0 {
        writeln!(output, "{} refused by the broker.", output::counted(summary.refused, "event was", "events were"))?;
    }
    Ok(())
}
