//! What the lake must hold: read with the program's own SQL and, for the partitions' progress, straight from the files of the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::processes::repository;
use crate::servers::Store;
use crate::studies::{Poisoned, Route, SLICES, Study};

/// The `bolus` program and where it works.
pub struct Bolus<'a> {
    pub program: PathBuf,
    pub store: &'a Store,
}

impl Bolus<'_> {
    fn run(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(&self.program).args(args).envs(self.store.env(&self.store.url())).output()?;
        let err = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "bolus {args:?} failed: {err}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Labels everything below `source` in one process into `lake`.
    pub fn label(&self, source: &str, lake: &str) -> Result<()> {
        let models = repository().join("tests/data/bundles");
        let models = models.to_str().context("plain names")?;
        let lake = ["--lake", lake, "--models", models, "--model", "cheap", "--device", "cpu", "--json"];
        self.run(&[&["label", source], lake.as_slice()].concat()).map(drop)
    }

    fn sql(&self, lake: &str, query: &str) -> Result<Vec<Value>> {
        let text = self.run(&["sql", "--format", "json", "--lake", lake, query])?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// Everything about a lake that must not depend on who wrote it.
    pub fn read(&self, lake: &str) -> Result<Lake> {
        // From the table, not its views: those hide what is there twice.
        let rows = self.sql(
            lake,
            "SELECT row_key, status, series_instance_uid, reason_code, reason, source_uri, event, attempts, slice_count, \
             predicted_class, probability, raw_probability, slices FROM labels",
        )?;
        Ok(Lake { rows })
    }
}

/// A lake's rows.
#[derive(Clone)]
pub struct Lake {
    pub rows: Vec<Value>,
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_default()
}

/// Everything about a label that must not depend on who made it: as JSON, whose shortest form of a number tells any two apart.
fn label_of(row: &Value) -> String {
    format!("{} {} {} {}", row["predicted_class"], row["probability"], row["raw_probability"], row["slices"])
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct Verdict {
    pub studies: usize,
    pub lost: usize,
    pub duplicated: usize,
    pub failed: usize,
    pub poisoned: usize,
    /// Rows of studies that the assembler closed before their last object came: harmless, and none where nothing was late.
    pub revisions: usize,
    /// What else is wrong, in words.
    pub wrong: Vec<String>,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.failed == self.poisoned && self.wrong.is_empty()
    }
}

/// Compares the lake of a run with what one process makes of the same studies.
pub fn judge(lake: &Lake, reference: &Lake, studies: &[Study], poisoned: &[Poisoned]) -> Verdict {
    let mut verdict = Verdict { studies: studies.len(), poisoned: poisoned.len(), ..Verdict::default() };
    let mut by_key: HashMap<&str, Vec<&Value>> = HashMap::new();
    let mut by_series: HashMap<&str, Vec<&Value>> = HashMap::new();
    for row in &lake.rows {
        by_key.entry(text(row, "row_key")).or_default().push(row);
        by_series.entry(text(row, "series_instance_uid")).or_default().push(row);
    }
    verdict.duplicated = by_key.values().map(|rows| rows.len() - 1).sum();
    let expected: HashMap<&str, &Value> =
        reference.rows.iter().map(|row| (text(row, "series_instance_uid"), row)).collect();
    for study in studies {
        let Some(expected) = expected.get(study.series_uid.as_str()) else {
            verdict.wrong.push(format!("{}: `bolus label` gave no row", study.prefix));
            continue;
        };
        let rows = by_series.get(study.series_uid.as_str()).map(Vec::as_slice).unwrap_or_default();
        judge_study(&mut verdict, study, rows, |row| {
            text(row, "row_key") == text(expected, "row_key") && text(row, "status") == "labelled"
        });
        for row in rows.iter().filter(|row| text(row, "row_key") == text(expected, "row_key")) {
            if label_of(row) != label_of(expected) {
                verdict.wrong.push(format!("{}: another label than `bolus label` gives", study.prefix));
            }
        }
    }
    judge_failures(&mut verdict, lake, poisoned);
    let known: BTreeSet<&str> = studies.iter().map(|study| study.series_uid.as_str()).collect();
    let strange = lake
        .rows
        .iter()
        .filter(|row| text(row, "status") != "failed" && !known.contains(text(row, "series_instance_uid")));
    verdict.wrong.extend(strange.map(|row| format!("a row of no study: {row}")));
    verdict
}

fn judge_study(verdict: &mut Verdict, study: &Study, rows: &[&Value], is_whole: impl Fn(&Value) -> bool) {
    let whole = rows.iter().filter(|row| is_whole(row)).count();
    if whole == 0 {
        verdict.lost += 1;
        verdict.wrong.push(format!("{} is lost: {rows:?}", study.prefix));
    }
    for row in rows.iter().filter(|row| !is_whole(row) && text(row, "status") != "failed") {
        let partial = row["slice_count"].as_u64().is_some_and(|slices| slices < SLICES as u64);
        if study.route == Route::Notifications && partial {
            verdict.revisions += 1;
        } else {
            verdict.duplicated += 1;
            verdict.wrong.push(format!("{} has another row: {row}", study.prefix));
        }
    }
}

/// The event that a row names; as the worker was sent it.
fn event_of(row: &Value) -> String {
    let event = text(row, "event");
    let message = bolus_events::message_of_text(event);
    message.map_or_else(|| event.to_owned(), |message| String::from_utf8_lossy(&message).into_owned())
}

/// Each poisoned message has to be one failed row, and each failed row one poisoned message.
fn judge_failures(verdict: &mut Verdict, lake: &Lake, poisoned: &[Poisoned]) {
    let failed: Vec<&Value> = lake.rows.iter().filter(|row| text(row, "status") == "failed").collect();
    verdict.failed = failed.len();
    let about = |row: &Value, poisoned: &Poisoned| event_of(row).contains(&poisoned.mark);
    for poisoned in poisoned {
        let rows = failed.iter().filter(|row| about(row, poisoned)).count();
        if rows != 1 {
            verdict.wrong.push(format!("{:?} {} has {rows} failed rows, not one", poisoned.poison, poisoned.mark));
        }
    }
    for row in failed {
        if !poisoned.iter().any(|poisoned| about(row, poisoned)) {
            verdict.wrong.push(format!("failed and not poisoned: {row}"));
        }
    }
}

/// Spoils copies of a good lake in every way that the verdict is about, and says which of them would have passed.
pub fn blind_spots(lake: &Lake, reference: &Lake, studies: &[Study], poisoned: &[Poisoned]) -> Vec<String> {
    let place = |status: &str| lake.rows.iter().position(|row| text(row, "status") == status);
    let (Some(labelled), Some(failed)) = (place("labelled"), place("failed")) else {
        return vec!["there is nothing to spoil".to_owned()];
    };
    let spoil = |change: &dyn Fn(&mut Lake)| {
        let mut spoilt = lake.clone();
        change(&mut spoilt);
        judge(&spoilt, reference, studies, poisoned)
    };
    let verdicts = [
        ("a lost study", spoil(&|lake| drop(lake.rows.remove(labelled)))),
        ("a study twice", spoil(&|lake| lake.rows.push(lake.rows[labelled].clone()))),
        ("a study under another key", spoil(&|lake| lake.rows[labelled]["row_key"] = "other".into())),
        ("a failed study", spoil(&|lake| lake.rows[labelled]["status"] = "failed".into())),
        ("another probability", spoil(&|lake| lake.rows[labelled]["probability"] = 0.25.into())),
        ("another slice score", spoil(&|lake| lake.rows[labelled]["slices"][0]["probability"] = 0.25.into())),
        ("a lost failure", spoil(&|lake| drop(lake.rows.remove(failed)))),
        ("a failure twice", spoil(&|lake| lake.rows.push(lake.rows[failed].clone()))),
        ("a failure of something else", spoil(&|lake| lake.rows[failed]["event"] = "other".into())),
    ];
    let passed = verdicts.into_iter().filter(|(_, verdict)| verdict.is_good());
    passed.map(|(what, _)| format!("the harness does not see {what}")).collect()
}

/// How far each application is, by the transaction actions of the log, and where one of them ever went back.
pub fn progress(table: &Path) -> Result<(BTreeMap<String, i64>, Vec<String>)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(table.join("_delta_log"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut versions, mut wrong) = (BTreeMap::new(), Vec::new());
    for file in files {
        for line in std::fs::read_to_string(&file)?.lines() {
            let action: Value = serde_json::from_str(line).with_context(|| file.display().to_string())?;
            let (Some(app), Some(version)) = (action["txn"]["appId"].as_str(), action["txn"]["version"].as_i64())
            else {
                continue;
            };
            let before = versions.insert(app.to_owned(), version).unwrap_or(-1);
            if version < before {
                wrong.push(format!("{app} went back from {before} to {version} in {}", file.display()));
            }
        }
    }
    Ok((versions, wrong))
}
