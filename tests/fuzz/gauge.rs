//! What the system says of this process: memory, and the time that a thread has had a core. Apart, because it is Linux's.

use std::fs;
use std::path::{Path, PathBuf};

/// Memory in use, in bytes.
pub(crate) fn resident() -> u64 {
    status("VmRSS:")
}

/// The most that was ever in use, in bytes.
pub(crate) fn peak() -> u64 {
    status("VmHWM:")
}

/// For people.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Where the system tells of the calling thread.
pub(crate) fn this_thread() -> PathBuf {
    let thread = fs::read_link("/proc/thread-self").expect("/proc");
    Path::new("/proc").join(thread).join("schedstat")
}

/// How long a thread has had a core, in nanoseconds; `None` once it has ended.
pub(crate) fn on_core(thread: &Path) -> Option<u64> {
    fs::read_to_string(thread).ok()?.split_whitespace().next()?.parse().ok()
}

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of /proc/self/status");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kibibytes * 1024
}
