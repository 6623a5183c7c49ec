//! Reads a member's public profile from the cache.
//!
//! Usage: `REDIS_URL=redis://… cache_reader SITE MEMBER`
//! Exit code: 0 it is printed, 1 the cache has none: ask the record.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to whoever started it")]

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;

use join_community::client::{MemberId, Missed, Profiles, PublicMember, SiteId};

/// Finds a member, as everybody may see them.
pub(crate) async fn run(
    url: &str,
    prefix: &str,
    site: SiteId,
    member: MemberId,
) -> Result<Option<PublicMember>, Box<dyn Error>> {
    let profiles = Profiles::at(url)?.prefix(prefix);
    Ok(profiles.get_or(site, member, async |missed| Ok::<_, Infallible>(ask_the_record(&missed))).await?)
}

/// The cache is a shortcut: without it the way is longer, not closed. Here your own store is asked; this one knows nobody.
fn ask_the_record(missed: &Missed) -> Option<PublicMember> {
    eprintln!("{missed}: ask the record");
    None
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [site, member] = arguments.as_slice() else { return Err("usage: cache_reader SITE MEMBER".into()) };
    let prefix = std::env::var("CACHE_PREFIX").unwrap_or_else(|_| "members:v1".to_owned());
    let url = std::env::var("REDIS_URL")?;
    let found = run(&url, &prefix, SiteId(site.parse()?), MemberId(member.parse()?)).await?;
    let code = u8::from(found.is_none());
    if let Some(PublicMember { id, profile, .. }) = found {
        println!("{id} {}", profile.and_then(|profile| profile.nickname).unwrap_or_default());
    }
    Ok(ExitCode::from(code))
}
