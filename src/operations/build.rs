//! Which commit runs. Apart from who tells it, because metrics and command line tell it alike.

/// The commit that the program was built from, if whoever built it said so by `JOIN_COMMUNITY_COMMIT`: `scripts/release` and
/// the image do. A development build is told none, for each commit would have it built anew.
pub const COMMIT: &str = match option_env!("JOIN_COMMUNITY_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    Some(_) | None => "unknown",
};
