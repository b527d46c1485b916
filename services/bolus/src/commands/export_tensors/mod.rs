//! `bolus export-tensors`: the network's input of every labelled series, as files that training reads.

mod recipe;
mod summary;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bolus::output::{self, Display};
use bolus::tensors::{SeriesEntry, ShardWriter};
use bolus_ct::Series;
use bolus_evaluation::truth::{LabelledSeries, LabelledSet, TruthKey};
use bolus_labeling::{
    Inventory, LabelingError, Prepared, Preparer, Progress, Unit, Unprepared, discover, take_inventory,
};
use bolus_ops::{CpuPool, threads_or_cores};
use bolus_storage::{Location, Spool};
use bolus_study::SeriesUid;
use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use self::recipe::Recipe;
use self::summary::{Statement, Summary, number};
use super::locations;
use crate::cli::ExportArgs;
use crate::labelled_set;

/// Series that are prepared ahead of the one that is written, beyond one a CPU thread.
const SERIES_AHEAD: usize = 2;

/// Runs the command.
pub async fn run(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let inputs = locations(&args.inputs)?;
    let recipe = Recipe::of(&args)?;
    let truth = labelled_set::read(&args.truth)?;
    if truth.is_empty() {
        anyhow::bail!("{} names no series of known status: there is nothing to export", args.truth.display());
    }
    let writer = ShardWriter::create(&args.out, args.shard_slices, args.force)?;
    let cancel = bolus_ops::cancel_on_signal();
    let progress = Arc::new(Progress::default());
    let display = Display::follow(Arc::clone(&progress));
    let exported = export(&args, &recipe, truth, writer, inputs, &progress, &cancel).await;
    display.finish().await;
    match exported {
        Ok((mut summary, mut writer)) => {
            let shards = writer.end()?.to_vec();
            writer.state(&Statement::of(&recipe, &summary, &shards))?;
            summary.shards = shards.len();
            summary.elapsed_seconds = start.elapsed().as_secs_f64();
            summary.print(&args)?;
            Ok(ExitCode::from(summary.exit_code()))
        }
        Err(error) if matches!(error.downcast_ref(), Some(LabelingError::Cancelled)) => {
            anyhow::bail!("stopped on request: {} holds no finished export", args.out.display())
        }
        Err(error) => Err(error),
    }
}

/// One export over its units.
struct Export<'a> {
    args: &'a ExportArgs,
    truth: LabelledSet,
    preparer: Arc<Preparer>,
    concurrency: usize,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    writer: ShardWriter,
    summary: Summary,
    exported: BTreeSet<TruthKey>,
}

/// Goes through all inputs. Units come by name and series by UID, so that the files do not depend on who was first.
async fn export(
    args: &ExportArgs,
    recipe: &Recipe,
    truth: LabelledSet,
    writer: ShardWriter,
    inputs: Vec<Location>,
    progress: &Arc<Progress>,
    cancel: &CancellationToken,
) -> anyhow::Result<(Summary, ShardWriter)> {
    let cpu = CpuPool::new(threads_or_cores(args.threads))?;
    let spool = Spool::new(None)?;
    let (spec, body_parts) = (recipe.spec.clone(), recipe.body_parts.clone());
    let preparer = Preparer::new(spec, body_parts, cpu.clone(), Arc::clone(progress));
    let preparer = Arc::new(preparer.allowing(args.allow.allowed.clone()));
    let summary = Summary { truth_unknown: truth.unknown(), ..Summary::default() };
    let concurrency = cpu.threads() + SERIES_AHEAD;
    let exported = BTreeSet::new();
    let mut export = Export { args, truth, preparer, concurrency, progress, cancel, writer, summary, exported };
    let mut found = discover(&inputs, progress, cancel).await?;
    found.exclude(Location::from_path(&args.out)?.uri().trim_end_matches('/'));
    let mut units = found.into_units();
    units.sort_by_cached_key(|unit| match unit {
        Unit::Loose(..) => String::new(),
        Unit::Archive(object, _) => object.uri.clone(),
    });
    for unit in units {
        let inventory = take_inventory(unit, &spool, &cpu, progress, cancel).await?;
        export.unit(&inventory).await?;
    }
    if export.summary.files_seen == 0 {
        anyhow::bail!("no files found in {}", args.inputs.join(", "));
    }
    Ok(export.end())
}

impl Export<'_> {
    async fn unit(&mut self, inventory: &Inventory) -> anyhow::Result<()> {
        self.summary.files_seen += inventory.files_seen();
        for file in &inventory.refused {
            *self.summary.files_refused.entry(file.reason.code.as_str()).or_insert(0) += 1;
        }
        let (mut named, others): (Vec<&Series>, Vec<&Series>) =
            inventory.series.iter().partition(|series| self.truth_of(series).is_some());
        self.summary.series_not_in_truth += others.len();
        self.refuse_ambiguous(&mut named)?;
        // Of copies of a series the one of most slices stands for it.
        named.sort_by(|a, b| order(a).cmp(&order(b)));
        self.progress.series_planned.add(named.len() as u64);
        let planned = named.iter().filter_map(|series| self.preparer.planned(series).ok());
        self.progress.slices_planned.add(planned.sum::<usize>() as u64);
        let (preparer, cancel) = (Arc::clone(&self.preparer), self.cancel);
        let prepared = stream::iter(named)
            .map(|series| {
                let preparer = &preparer;
                async move { (series, preparer.look_and_prepare(inventory, series).await) }
            })
            .buffered(self.concurrency)
            .take_until(cancel.cancelled());
        let mut prepared = std::pin::pin!(prepared);
        while let Some((series, prepared)) = prepared.next().await {
            self.progress.series_done.add(1);
            match prepared {
                Ok(prepared) => self.write(series, &prepared)?,
                Err(Unprepared { reason, .. }) => {
                    self.summary.refuse(self.args.json, series, reason.code.as_str(), reason.detail)?;
                }
            }
        }
        if self.cancel.is_cancelled() { Err(LabelingError::Cancelled.into()) } else { Ok(()) }
    }

    fn truth_of(&self, series: &Series) -> Option<&LabelledSeries> {
        self.truth.get(&series.uid, number(series))
    }

    /// Takes the stacks out of `named` of which nobody knows which the truth is about: it names none, and several could be exported.
    fn refuse_ambiguous(&mut self, named: &mut Vec<&Series>) -> anyhow::Result<()> {
        let mut stacks: BTreeMap<TruthKey, BTreeSet<u32>> = BTreeMap::new();
        for series in named.iter().filter(|series| self.preparer.planned(series).is_ok()) {
            let key = self.truth_of(series).filter(|truth| truth.stack.is_none()).map(LabelledSeries::key);
            if let (Some(key), Some(number)) = (key, number(series)) {
                stacks.entry(key).or_default().insert(number);
            }
        }
        let is_ambiguous = |series: &&Series| {
            let key = self.truth_of(series).map(LabelledSeries::key);
            key.and_then(|key| stacks.get(&key)).is_some_and(|stacks| stacks.len() > 1)
        };
        let (ambiguous, clear): (Vec<&Series>, Vec<&Series>) =
            std::mem::take(named).into_iter().partition(is_ambiguous);
        *named = clear;
        for series in ambiguous {
            let detail = "the series has several stacks, and the labelled set names none (column `stack`)".to_owned();
            self.summary.refuse(self.args.json, series, "ambiguous_stacks", detail)?;
        }
        Ok(())
    }

    fn write(&mut self, series: &Series, prepared: &Prepared) -> anyhow::Result<()> {
        let uid = series.uid.as_str();
        let Some(truth) = self.truth.get(&series.uid, number(series)) else { return Ok(()) };
        if self.exported.contains(&truth.key()) {
            let detail = "a copy of the series was exported".to_owned();
            return self.summary.refuse(self.args.json, series, "duplicate_series", detail);
        }
        let z_mm: Vec<f64> = prepared.scored.iter().map(|(z_mm, _)| *z_mm).collect();
        let body_part = prepared.body_part.as_ref().map(|finding| finding.joined());
        let entry = SeriesEntry { uid, stack: number(series), truth, body_part: body_part.as_deref() };
        let (key, contrast) = (truth.key(), truth.contrast);
        self.writer.push(entry, &prepared.tensor, &z_mm)?;
        self.exported.insert(key);
        self.summary.series_exported += 1;
        self.summary.series_enhanced += usize::from(contrast);
        self.summary.slices += prepared.tensor.slices;
        self.progress.slices_scored.add(prepared.tensor.slices as u64);
        Ok(())
    }

    /// Accounts for the series of the labelled set that were not among the inputs.
    fn end(self) -> (Summary, ShardWriter) {
        let Self { truth, exported, mut summary, writer, .. } = self;
        let refused: BTreeSet<TruthKey> = summary
            .refused
            .iter()
            .filter_map(|refused| Some((SeriesUid::try_from(refused.series_uid.clone()).ok()?, refused.stack)))
            .filter_map(|(series, stack)| truth.get(&series, stack).map(LabelledSeries::key))
            .collect();
        let missing = |one: &&LabelledSeries| !exported.contains(&one.key()) && !refused.contains(&one.key());
        let not_found: Vec<String> =
            truth.iter().filter(missing).map(|one| output::stacked(one.series.as_str(), one.stack)).collect();
        summary.truth_not_found = not_found.len();
        summary.not_found = not_found;
        (summary, writer)
    }
}

/// By UID and stack, the copy of most slices first.
fn order(series: &Series) -> (&str, Option<u32>, Reverse<usize>, Option<&str>) {
    let first = series.slices.first().map(|slice| slice.sop_uid.as_str());
    (series.uid.as_str(), number(series), Reverse(series.slices.len()), first)
}
