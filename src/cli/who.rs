//! Who works at this command line: the user that the process runs as, as the kernel and the system's list of users have it.
//! Separate, because nothing of it is taken from the environment, which says whatever somebody had it say.

use std::fs::File;
use std::io::Read as _;

/// What the kernel says of this process.
const STATUS: &str = "/proc/self/status";
/// The users of this system.
const USERS: &str = "/etc/passwd";
/// Above what either comes to.
const MOST: u64 = 1024 * 1024;

/// The name of the user, else their number; `somebody` where the kernel does not tell it in this way.
pub(super) fn who() -> String {
    let Some(uid) = read(STATUS).as_deref().and_then(effective) else { return "somebody".to_owned() };
    let users = read(USERS).unwrap_or_default();
    named(&users, uid).map_or_else(|| uid.to_string(), str::to_owned)
}

fn read(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The effective user of a line like `Uid: 1000 0 0 0`: what counts is in whose name things are done, second after who began.
fn effective(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

/// The first user of this number, in lines like `ana:x:1000:1000:Ana:/home/ana:/bin/sh`.
fn named(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (!name.is_empty() && number.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::{effective, named};

    const USERS: &str =
        "root:x:0:0::/root:/bin/sh\nbroken\n:x:1000:\nana:x:1000:1000:Ana:/:/bin/sh\nben:x:1000:1::/:\n";

    #[test]
    fn the_user_is_the_effective_one_and_has_the_first_name_of_that_number() {
        assert_eq!(effective("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t7\n"), Some(0));
        assert_eq!([effective("Uid:\tx\ty"), effective("Uid:\t1"), effective("")], [None; 3]);
        assert_eq!([0, 1000, 7].map(|uid| named(USERS, uid)), [Some("root"), Some("ana"), None]);
    }
}
