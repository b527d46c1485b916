//! The progress bar: shown on a terminal, silent in a pipe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bolus_labeling::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often the bar is drawn anew.
const REFRESH: Duration = Duration::from_millis(120);

/// A bar that follows a [`Progress`] until it is finished.
pub struct Display {
    bar: ProgressBar,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Display {
    /// Starts following `progress`. `indicatif` itself hides the bar where standard error is no terminal.
    pub fn follow(progress: Arc<Progress>) -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{spinner:.cyan} [{bar:28.cyan/blue}] {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        let stop = CancellationToken::new();
        let task = tokio::spawn(draw(bar.clone(), progress, stop.clone()));
        Self { bar, stop, task }
    }

    /// Removes the bar.
    pub async fn finish(self) {
        self.stop.cancel();
        // The task only draws; a panic in it costs the bar alone.
        let _ = self.task.await;
        self.bar.finish_and_clear();
    }
}

async fn draw(bar: ProgressBar, progress: Arc<Progress>, stop: CancellationToken) {
    let mut start = Instant::now();
    while !stop.is_cancelled() {
        let (planned, scored) = (progress.slices_planned.get(), progress.slices_scored.get());
        if planned == 0 {
            // Rates are those of labelling: until there is a plan, the clock has not started.
            start = Instant::now();
            let (read, found) = (progress.headers_read.get(), progress.files_found.get());
            bar.set_message(format!("reading headers: {read} of {found} files"));
        } else {
            bar.set_length(planned);
            bar.set_position(scored.min(planned));
            bar.set_message(rates(&progress, start.elapsed().as_secs_f64().max(0.001)));
        }
        bar.tick();
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}

/// Series done, slices and bytes a second, and the time left at the rate so far.
fn rates(progress: &Progress, seconds: f64) -> String {
    let (planned, scored) = (progress.slices_planned.get(), progress.slices_scored.get());
    let left = match scored {
        0 => "--".to_owned(),
        _ => format!("{:.0} s", seconds / scored as f64 * planned.saturating_sub(scored) as f64),
    };
    format!(
        "{}/{} series  {:.1} slices/s  {:.1} MB/s  ETA {left}",
        progress.series_done.get(),
        progress.series_planned.get(),
        scored as f64 / seconds,
        progress.bytes_read.get() as f64 / seconds / 1e6,
    )
}
