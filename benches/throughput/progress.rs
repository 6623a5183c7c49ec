//! What a run shows while it works, on stderr: what is being done now, and a line for each result.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The display of a run.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// For so many steps.
    pub(crate) fn of(steps: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A step begins.
    pub(crate) fn begins(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    /// A step is over, with this result.
    pub(crate) fn done(&self, line: &str) {
        if self.0.is_hidden() {
            eprintln!("{line}");
        } else {
            self.0.println(line);
        }
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
