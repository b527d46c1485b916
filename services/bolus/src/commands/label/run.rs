//! One run: parts of the inputs in, rows out, several series at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context;
use bolus_labeling::{Feed, Labeled, Labeler, LabelingError, Part, PartId, Progress, refused_files};
use bolus_lake::Lake;
use bolus_study::{Reason, ReasonCode};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::account::{Account, Tally};
use super::commit::{Committer, Entry};
use super::known::{Asked, Standing, ask_lake};
use super::report::Report;
use super::summary::Summary;

/// What a run works with.
pub struct Run {
    pub labeler: Arc<Labeler>,
    pub lake: Arc<Lake>,
    pub committer: Committer,
    pub progress: Arc<Progress>,
    pub cancel: CancellationToken,
    pub relabel: bool,
    pub json: bool,
}

/// A series that was labelled, with its part.
type Ended = (Option<PartId>, Result<Labeled, LabelingError>);

impl Run {
    /// Labels all that comes out of `feed`, and ends the report. Every task has ended and every network stands still afterwards.
    pub async fn all(self, feed: Feed) -> anyhow::Result<(Report, Summary)> {
        let Feed { parts, task: listing, stop } = feed;
        let (asked, asking) = ask_lake(Arc::clone(&self.labeler), Arc::clone(&self.lake), self.relabel, parts);
        let mut work = Work { run: &self, account: Account::default(), tasks: JoinSet::new(), queue: VecDeque::new() };
        let labelled = work.all(asked).await;
        stop.cancel();
        // Series that a stopped run has begun are given up: the next run labels them.
        work.tasks.shutdown().await;
        let account = work.account;
        let asked = asking.await.context("the task that asks the lake ended unexpectedly").flatten();
        let listed = listing.await.context("the listing ended unexpectedly");
        let listed = listed.and_then(|listed| listed.map_err(Into::into));
        let outcome = labelled.and(asked).and(listed);
        let stopped = self.cancel.is_cancelled();
        let mut summary = account.summary();
        summary.close(stopped);
        summary.slices_fetched = self.progress.slices_fetched.get();
        summary.device = self.labeler.engines().device().map(ToString::to_string);
        let Self { labeler, committer, .. } = self;
        // Waits for the batch that a network is at: the process must not end meanwhile.
        let stood_still = tokio::task::spawn_blocking(move || drop(labeler)).await;
        // What is finished is committed whatever ended the run; an error of the run itself is told first.
        let report = committer.finish().await;
        match outcome {
            Err(error) if !is_cancelled(&error) => Err(error),
            // The listing also ends so when nobody takes its series, for a reason that the report has.
            outcome => {
                let report = report?;
                stood_still.context("a network did not end")?;
                outcome.or_else(|error| if stopped { Ok(()) } else { Err(error) })?;
                Ok((report, summary))
            }
        }
    }
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<LabelingError>(), Some(LabelingError::Cancelled))
}

/// The state of a run.
struct Work<'r> {
    run: &'r Run,
    account: Account,
    tasks: JoinSet<Ended>,
    /// Series that wait for one of the tasks.
    queue: VecDeque<(Arc<Part>, usize)>,
}

impl Work<'_> {
    /// Labels until there is no more, or until the request to stop.
    async fn all(&mut self, mut asked: mpsc::Receiver<Asked>) -> anyhow::Result<()> {
        let mut may_come = true;
        loop {
            self.begin();
            if !may_come && self.tasks.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.run.cancel.cancelled() => return self.end_finished().await,
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    if !self.end(ended).await? {
                        return Ok(());
                    }
                }
                next = asked.recv(), if may_come && self.queue.is_empty() => match next {
                    Some(asked) => if !self.take(asked).await? {
                        return Ok(());
                    }
                    None => may_come = false,
                },
            }
        }
    }

    /// Counts and hands over what has ended by now.
    async fn end_finished(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.tasks.try_join_next() {
            if !self.end(ended).await? {
                break;
            }
        }
        Ok(())
    }

    /// Gives the tasks that are free something to do.
    fn begin(&mut self) {
        while self.tasks.len() < Labeler::concurrency() {
            let Some((part, place)) = self.queue.pop_front() else { return };
            let labeler = Arc::clone(&self.run.labeler);
            self.tasks.spawn(async move {
                let labelled = match part.inventory.series.get(place) {
                    Some(series) => labeler.label(&part.inventory, series).await,
                    None => Err(LabelingError::Lost("a series of its part")),
                };
                (part.id, labelled)
            });
        }
    }

    /// Counts a series that has ended, and hands its row over; false where nobody takes rows any more.
    async fn end(&mut self, ended: Result<Ended, JoinError>) -> anyhow::Result<bool> {
        let (id, labelled) = ended.context("the labelling of a series ended unexpectedly")?;
        let labelled = labelled?;
        let mut tally = Tally::default();
        tally.series(&labelled);
        self.account.add(id, &tally);
        Ok(self.run.committer.push(Entry::Series(Box::new(labelled), id)).await)
    }

    /// Takes a part: counts what is done with, queues what is to be labelled.
    async fn take(&mut self, asked: Asked) -> anyhow::Result<bool> {
        let Asked { part, series, file_rows } = asked;
        if part.came_back && !self.replace(&part).await? {
            return Ok(false);
        }
        let mut tally = Tally { files_seen: part.inventory.files_seen(), ..Tally::default() };
        for file in &part.inventory.refused {
            tally.refuse(&file.reason);
            Report::refused_file(self.run.json, &file.uri, &file.reason)?;
        }
        let part = Arc::new(part);
        for (place, standing) in series.into_iter().enumerate() {
            match standing {
                Standing::Known(by_image) => self.count_known(&part, place, by_image, &mut tally),
                Standing::New => self.queue.push_back((Arc::clone(&part), place)),
            }
        }
        self.account.add(part.id, &tally);
        self.plan();
        for row in file_rows {
            if !self.run.committer.push(Entry::File(Box::new(row))).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets what was told of a series that comes back whole, once all of it has ended.
    async fn replace(&mut self, part: &Part) -> anyhow::Result<bool> {
        while let Some(ended) = self.tasks.join_next().await {
            if !self.end(ended).await? {
                return Ok(false);
            }
        }
        let Some(id) = part.id else { return Ok(true) };
        self.account.take_back(id);
        Ok(self.run.committer.push(Entry::Replaced(id)).await)
    }

    /// Tells the display what was queued.
    fn plan(&self) {
        let progress = &self.run.progress;
        progress.series_planned.add(self.queue.len() as u64);
        let series = self.queue.iter().filter_map(|(part, place)| part.inventory.series.get(*place));
        let slices = series.map(|series| self.run.labeler.slices_at_first(series)).sum::<usize>();
        progress.slices_planned.add(slices as u64);
    }

    /// Accounts for a series whose row is in the lake, with the reasons that its headers give again.
    fn count_known(&self, part: &Part, place: usize, refused_by_image: Option<ReasonCode>, tally: &mut Tally) {
        let Some(series) = part.inventory.series.get(place) else { return };
        let by_image = |code| Reason::new(code, "by the image, as the lake says");
        let refusal = self.run.labeler.refusal(series).or_else(|| refused_by_image.map(by_image));
        let refused = refused_files(series, series.refused.clone(), refusal.as_ref());
        tally.files(series.counted_files().count(), refused.iter().map(|(_, reason)| reason));
        match refusal {
            Some(_) => tally.series_refused += 1,
            None => tally.series_skipped += 1,
        }
    }
}
