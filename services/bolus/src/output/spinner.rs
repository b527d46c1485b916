//! A line that counts: shown on a terminal, silent in a pipe.

use std::time::{Duration, Instant};

use bolus_ops::printable::printable;
use indicatif::{ProgressBar, ProgressStyle};

use super::streams::complain;

/// How often the line is drawn anew.
const REFRESH: Duration = Duration::from_millis(120);

/// A line for work whose end is not known.
pub struct Spinner {
    bar: ProgressBar,
    start: Instant,
    drawn: Instant,
}

impl Spinner {
    /// Starts the clock. `indicatif` itself hides the line where standard error is no terminal.
    pub fn start() -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner:.cyan} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(REFRESH);
        let now = Instant::now();
        Self { bar, start: now, drawn: now }
    }

    /// Shows what `text` says, given the seconds so far, if it is time to.
    pub fn show(&mut self, text: impl FnOnce(f64) -> String) {
        if self.drawn.elapsed() >= REFRESH {
            self.drawn = Instant::now();
            self.say(&text(self.start.elapsed().as_secs_f64().max(0.001)));
        }
    }

    /// Shows `text` until something else is shown.
    pub fn say(&self, text: &str) {
        self.bar.set_message(printable(text).into_owned());
    }

    /// Prints a line to standard error, above this one.
    pub fn print(&self, text: &str) {
        self.bar.suspend(|| complain(text));
    }

    /// Removes the line; gives the seconds since the start.
    pub fn finish(&self) -> f64 {
        self.bar.finish_and_clear();
        self.start.elapsed().as_secs_f64()
    }
}
