//! What a run shows while it works: a line for each trial, and a bar on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Line;

/// The display of a run.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// For so many trials.
    pub(crate) fn of(trials: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(trials).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(Some(bar))
    }

    /// That shows nothing.
    pub(crate) fn silent() -> Self {
        Self(None)
    }

    /// A trial begins.
    pub(crate) fn begins(&self, name: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(name.to_owned());
        }
    }

    /// A trial is over.
    pub(crate) fn done(&mut self, line: &Line) {
        let Some(bar) = &self.0 else { return };
        if bar.is_hidden() {
            println!("{line}");
        } else {
            bar.println(line.to_string());
        }
        bar.inc(1);
    }

    /// The run is over.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
