//! Targets: what a figure shall be, and whether it is.

use crate::figures::Spread;

/// Which side of the bound is right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
    /// Any: the figure is told, and nothing is aimed at.
    Open,
}

/// A figure and its target.
pub(crate) struct Target {
    /// What it is.
    pub(crate) figure: String,
    /// What it shall be.
    pub(crate) bound: Bound,
    /// Its unit, if it is no ratio.
    pub(crate) unit: &'static str,
    /// What it is; nothing where what it is made of is missing.
    pub(crate) measured: Option<Spread>,
}

impl Target {
    fn is_reached(&self) -> Option<bool> {
        let median = self.measured?.median;
        match self.bound {
            Bound::AtLeast(bound) => Some(median >= bound),
            Bound::AtMost(bound) => Some(median <= bound),
            Bound::Open => None,
        }
    }

    fn row(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let bound = match self.bound {
            Bound::AtLeast(bound) => format!("≥ {bound}{unit}"),
            Bound::AtMost(bound) => format!("≤ {bound}{unit}"),
            Bound::Open => String::new(),
        };
        let measured = self.measured.map_or_else(|| "not measured".into(), |spread| format!("{spread:.2}{unit}"));
        let verdict = match self.is_reached() {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "",
        };
        format!("| {} | {bound} | {measured} | {verdict} |\n", self.figure)
    }
}

/// The table of some targets.
pub(crate) fn table(targets: &[Target]) -> String {
    let head = "| figure | target | median (min–max) | |\n|---|--:|--:|---|\n";
    targets.iter().map(Target::row).fold(head.to_owned(), |table, row| table + &row)
}
