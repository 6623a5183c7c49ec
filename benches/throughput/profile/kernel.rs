//! What the kernel counts of the worker: time, reads and writes, switches, thread by thread; and its memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::parse::number;
use super::{code, each, figure, row, table};
use crate::figures::count;
use crate::memory::mebibytes;
use crate::process::{Process, Stat};

/// Seconds of user and of system time, voluntary and involuntary switches.
type Figures = [f64; 4];

/// Up to one moment.
pub(super) struct Kernel {
    user: f64,
    system: f64,
    reads: u64,
    writes: u64,
    /// Anonymous, mapped from files, shared: in bytes.
    resident: [u64; 3],
    /// By number: the name of each, and what it came to.
    threads: BTreeMap<OsString, (String, Figures)>,
}

/// From one moment to another.
pub(super) struct Spent {
    user: f64,
    system: f64,
    reads: u64,
    writes: u64,
    resident: [u64; 3],
    /// By name: how many have it, and what they came to together.
    threads: BTreeMap<String, (usize, Figures)>,
}

impl Kernel {
    /// Asks.
    pub(super) fn now(process: &Process) -> Result<Self> {
        let folder = process.folder();
        let Stat { user, system, .. } = Stat::read(&folder)?;
        let io = fs::read_to_string(folder.join("io")).context("/proc/PID/io")?;
        let calls = |name| number(&io, name).with_context(|| format!("/proc/PID/io has no line {name}"));
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(folder.join("task"))? {
            let entry = entry?;
            // A thread may be gone by the time that it is asked.
            let Ok(thread) = thread(&entry.path()) else { continue };
            threads.insert(entry.file_name(), thread);
        }
        let resident = [process.memory("RssAnon")?, process.memory("RssFile")?, process.memory("RssShmem")?];
        Ok(Self { user, system, reads: calls("syscr")?, writes: calls("syscw")?, resident, threads })
    }

    /// What came since an earlier moment. A thread that ended meanwhile counts in the process alone.
    pub(super) fn since(self, earlier: &Self) -> Spent {
        let mut threads: BTreeMap<String, (usize, Figures)> = BTreeMap::new();
        for (id, (name, figures)) in self.threads {
            let before = earlier.threads.get(&id).map_or([0.0; 4], |(_, figures)| *figures);
            let (number, sum) = threads.entry(name).or_default();
            *number += 1;
            *sum = std::array::from_fn(|place| sum[place] + figures[place] - before[place]);
        }
        Spent {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
            reads: self.reads - earlier.reads,
            writes: self.writes - earlier.writes,
            resident: self.resident,
            threads,
        }
    }
}

fn thread(folder: &Path) -> Result<(String, Figures)> {
    let Stat { name, user, system, .. } = Stat::read(folder)?;
    let status = fs::read_to_string(folder.join("status"))?;
    let switches = |name| number(&status, name).map(figure).with_context(|| format!("a thread has no line {name}"));
    Ok((name, [user, system, switches("voluntary_ctxt_switches")?, switches("nonvoluntary_ctxt_switches")?]))
}

impl Spent {
    /// Rows of the whole process.
    pub(super) fn figures(&self, requests: usize) -> Vec<String> {
        let micros = |seconds: f64| format!("{:.1} µs", seconds * 1e6 / count(requests));
        let switches: [f64; 2] =
            std::array::from_fn(|kind| self.threads.values().map(|(_, figures)| figures[2 + kind]).sum());
        let [voluntary, involuntary] = switches.map(|number| format!("{:.2}", number / count(requests)));
        let (reads, writes) = (each(self.reads, requests), each(self.writes, requests));
        vec![
            row(&["worker: user time", &micros(self.user), "`/proc/PID/stat`"]),
            row(&["worker: system time", &micros(self.system), "`/proc/PID/stat`"]),
            row(&["worker: reads", &format!("{reads:.2}"), "`syscr` of `/proc/PID/io`"]),
            row(&["worker: writes", &format!("{writes:.2}"), "`syscw` of `/proc/PID/io`"]),
            row(&["worker: context switches, voluntary", &voluntary, "`/proc/PID/task/*/status`"]),
            row(&["worker: context switches, involuntary", &involuntary, "`/proc/PID/task/*/status`"]),
        ]
    }

    /// A table of its threads by name, the busiest first.
    pub(super) fn threads(&self, requests: usize) -> String {
        let mut threads: Vec<_> = self.threads.iter().collect();
        threads.sort_by(|(_, (_, one)), (_, (_, other))| (other[0] + other[1]).total_cmp(&(one[0] + one[1])));
        let rows = threads.into_iter().map(|(name, (number, [user, system, voluntary, involuntary]))| {
            let [user, system] = [user, system].map(|seconds| format!("{:.1}", seconds * 1e6 / count(requests)));
            let switches = [voluntary, involuntary].map(|switches| format!("{:.2}", switches / count(requests)));
            row(&[&code(name), &number.to_string(), &user, &system, &switches[0], &switches[1]])
        });
        let head = "| thread of the worker | how many | user time, µs a request | system time | voluntary switches a request | \
                    involuntary |\n\
                    |---|--:|--:|--:|--:|--:|\n";
        table(head, rows)
    }

    /// What was resident in the end, in a sentence.
    pub(super) fn memory(&self) -> String {
        let [anonymous, mapped, shared] = self.resident.map(mebibytes);
        let threads: usize = self.threads.values().map(|(number, _)| number).sum();
        format!(
            "Resident in the end, in MiB: {anonymous:.1} anonymous, {mapped:.1} mapped from files, {shared:.1} shared \
             (`RssAnon`, `RssFile`, `RssShmem` of `/proc/PID/status`); {threads} threads.\n"
        )
    }
}
