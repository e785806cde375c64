//! The progress bar of a survey, if stderr is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Summary;

/// A bar with counts and a rate.
pub struct Watch {
    bar: ProgressBar,
}

impl Watch {
    /// Starts a survey of so many BMCs.
    pub fn new(count: usize) -> Self {
        // It draws nothing if stderr is not a terminal.
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} BMCs, {per_sec}, {eta} left{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Shows the progress.
    pub fn show(&self, summary: &Summary) {
        self.bar.set_position(summary.done() as u64);
        match summary.failed() {
            0 => {}
            failed => self.bar.set_message(format!(", {failed} not read")),
        }
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
