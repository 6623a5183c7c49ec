//! What a run shows while it works: a line for each trial, and a bar on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Line;

/// The display of a run.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// For so many trials.
    pub(crate) fn of(trials: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(trials).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A trial begins.
    pub(crate) fn begins(&self, name: &str) {
        self.0.set_message(name.to_owned());
    }

    /// A trial is over.
    pub(crate) fn done(&mut self, line: &Line) {
        let text = line.to_string();
        if self.0.is_hidden() {
            println!("{text}");
        } else {
            self.0.println(text);
        }
        self.0.inc(1);
    }

    /// The run is over.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
