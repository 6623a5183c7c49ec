//! What fail points do when they are compiled in. The only code that ends the process without a word to anybody.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use tracing::{error, warn};

use super::Point;

/// Names a point; after a colon, if it is not the first pass that counts, which one is; after another `stop`, if the process
/// is to stop there (until SIGCONT) instead of being killed.
const FAIL_POINT: &str = "JOIN_COMMUNITY_FAIL_POINT";
/// Names the request that kills whoever handles it.
const KILLED_BY: &str = "JOIN_COMMUNITY_KILLED_BY";

static ARMED: OnceLock<Armed> = OnceLock::new();

#[derive(Debug, Default)]
struct Armed {
    point: Option<Point>,
    passes_left: AtomicU32,
    stops: bool,
    killed_by: Option<String>,
}

/// Why a fail point cannot be armed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unarmable {
    /// There is none of that name.
    #[error("{FAIL_POINT}: there is no fail point `{0}`; there are: {known}", known = known())]
    Unknown(String),
    /// The pass is no number.
    #[error(
        "{FAIL_POINT}: `{0}` does not say at which pass, counted from 1; write for instance `before-commit:3`, or \
             `before-commit:3:stop`"
    )]
    NoPass(String),
}

/// Arms what the environment asks for.
///
/// # Errors
/// If that cannot be understood: a test that waits for a crash shall not wait in vain.
pub fn arm(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<(), Unarmable> {
    let mut armed = Armed::default();
    for (name, value) in variables {
        let value = value.to_string_lossy();
        if name == FAIL_POINT {
            let (point, passes, stops) = parse(&value)?;
            warn!(
                point = point.name(),
                pass = passes,
                stops,
                "a fail point is armed: the process will end or stop there"
            );
            armed.stops = stops;
            armed.point = Some(point);
            armed.passes_left = AtomicU32::new(passes);
        } else if name == KILLED_BY {
            warn!(request.id = &*value, "this request will kill the process");
            armed.killed_by = Some(value.into_owned());
        }
    }
    // Armed twice in one process: the first stands.
    ARMED.get_or_init(|| armed);
    Ok(())
}

/// Ends the process here, if the point is armed and it is its turn.
pub fn pass(point: Point) {
    if let Some(armed) = ARMED.get()
        && armed.point == Some(point)
        && armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        warn!(point = point.name(), "fail point reached");
        if armed.stops { stop() } else { kill() }
    }
}

/// Where the point is armed, waits until `ready` and passes it.
pub async fn pass_once(point: Point, ready: impl Fn() -> bool) {
    if ARMED.get().is_some_and(|armed| armed.point == Some(point)) {
        while !ready() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pass(point);
    }
}

/// Ends the process here, if it was told that a message with this id kills it.
pub fn beware_of(message_id: Option<&str>) {
    if let Some(killer) = ARMED.get().and_then(|armed| armed.killed_by.as_deref())
        && message_id == Some(killer)
    {
        warn!(request.id = killer, "this request kills the process");
        kill();
    }
}

fn parse(value: &str) -> Result<(Point, u32, bool), Unarmable> {
    let (place, stops) = value.strip_suffix(":stop").map_or((value, false), |place| (place, true));
    let (name, pass) = place.split_once(':').unwrap_or((place, "1"));
    let point = Point::ALL.into_iter().find(|point| point.name() == name);
    let point = point.ok_or_else(|| Unarmable::Unknown(name.to_owned()))?;
    match pass.parse() {
        Ok(passes @ 1..) => Ok((point, passes, stops)),
        Ok(0) | Err(_) => Err(Unarmable::NoPass(value.to_owned())),
    }
}

fn known() -> String {
    Point::ALL.map(Point::name).join(", ")
}

/// The whole process stands still, and goes on at SIGCONT as if nothing had been.
fn stop() {
    if let Err(error) = kill_process(getpid(), Signal::STOP) {
        error!(%error, "the process could not be stopped");
    }
}

/// No destructor runs and no handler; not even this function returns.
fn kill() {
    match kill_process(getpid(), Signal::KILL) {
        Ok(()) => loop {
            std::thread::park();
        },
        Err(error) => {
            error!(%error, "the process could not be killed");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Unarmable, parse};
    use crate::fail_point::Point;

    #[test]
    fn a_point_is_armed_for_its_first_pass_or_for_a_later_one() {
        assert_eq!(parse("before-commit"), Ok((Point::BeforeCommit, 1, false)));
        assert_eq!(parse("swept:3"), Ok((Point::Swept, 3, false)));
        assert_eq!(parse("swept:3:stop"), Ok((Point::Swept, 3, true)));
        assert_eq!(parse("swept:stop"), Ok((Point::Swept, 1, true)));
    }

    #[test]
    fn what_is_no_point_or_no_pass_is_refused() {
        assert_eq!(parse("commit"), Err(Unarmable::Unknown("commit".into())));
        assert!(parse("").unwrap_err().to_string().contains("before-commit, after-commit"));
        for pass in ["before-ack:0", "before-ack:", "before-ack:x", "before-ack:-1"] {
            assert_eq!(parse(pass), Err(Unarmable::NoPass(pass.into())));
        }
    }

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let names: HashSet<&str> = Point::ALL.into_iter().map(Point::name).collect();
        assert_eq!(names.len(), Point::ALL.len());
    }
}
