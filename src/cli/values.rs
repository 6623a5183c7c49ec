//! How arguments are read: one function a kind of value, whose message says what would have been right.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::builder::{StringValueParser, TypedValueParser};
use secrecy::SecretString;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::console::edge_of;
use crate::domain::{Caller, Gate, IdentityType, MemberId, RequestId, SiteId};
use crate::postgres::{Edge, Place};
use crate::wire::instant as wire_instant;

/// Far above what the worker takes (8 KiB), so that it is the worker who refuses.
const LARGEST_TOKEN: u64 = 64 * 1024;

/// A site, `--site 6b0e7f1a-…`.
///
/// # Errors
/// A message for the user.
pub fn site(text: &str) -> Result<SiteId, String> {
    guid(text).map(SiteId)
}

/// A member.
///
/// # Errors
/// A message for the user.
pub fn member(text: &str) -> Result<MemberId, String> {
    guid(text).map(MemberId)
}

/// A caller, `MEMBER:7d368843-…`.
///
/// # Errors
/// A message for the user.
pub fn caller(text: &str) -> Result<Caller, String> {
    let words = IdentityType::ALL.map(IdentityType::as_str).join(", ");
    let (kind, id) = text.split_once(':').ok_or_else(|| format!("expected TYPE:GUID with one of {words}"))?;
    let identity_type = IdentityType::parse(kind).ok_or_else(|| format!("the type is one of {words}"))?;
    Ok(Caller { identity_type, id: guid(id)? })
}

/// A request id.
///
/// # Errors
/// A message for the user.
pub fn request_id(text: &str) -> Result<RequestId, String> {
    RequestId::parse(text).ok_or_else(|| format!("expected 1 to {} visible ASCII characters", RequestId::MAX_LENGTH))
}

/// A site's gate.
///
/// # Errors
/// A message for the user.
pub fn gate(text: &str) -> Result<Gate, String> {
    Gate::parse(text).ok_or_else(|| "expected ANYONE or NO_ONE".to_owned())
}

/// A duration above zero, `30s`.
///
/// # Errors
/// A message for the user.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("expected a duration like 30s: {error}"))?;
    if duration.is_zero() { Err("expected a duration above zero".to_owned()) } else { Ok(duration) }
}

/// An instant, `2026-11-24T10:00:00Z`; cut to milliseconds, as records are.
///
/// # Errors
/// A message for the user.
pub fn instant(text: &str) -> Result<OffsetDateTime, String> {
    wire_instant::parse(text).ok_or_else(|| "expected an instant like 2026-11-24T10:00:00Z".to_owned())
}

/// A rate, `500/s`.
///
/// # Errors
/// A message for the user.
pub fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = number.parse::<u32>().ok().filter(|rate| *rate > 0);
    rate.ok_or_else(|| format!("expected so many a second, 1/s to {}/s", u32::MAX))
}

/// Where a search goes on, as the last one said.
///
/// # Errors
/// A message for the user.
pub fn cursor(text: &str) -> Result<Edge, String> {
    edge_of(text).ok_or_else(|| "expected what the last search said: an id and a requester".to_owned())
}

/// Why something is done: some words, because they go on record.
///
/// # Errors
/// A message for the user.
pub fn why(text: &str) -> Result<String, String> {
    let why = text.trim();
    if why.is_empty() { Err("say why: it is recorded".to_owned()) } else { Ok(why.to_owned()) }
}

/// The name of a queue.
///
/// # Errors
/// A message for the user.
pub fn queue(text: &str) -> Result<String, String> {
    const MOST: usize = 255;
    let fits = (1..=MOST).contains(&text.len());
    if fits { Ok(text.to_owned()) } else { Err(format!("expected the name of a queue, 1 to {MOST} bytes")) }
}

/// A place among all members, `SITE/MEMBER`.
///
/// # Errors
/// A message for the user.
pub fn place(text: &str) -> Result<Place, String> {
    let (of_site, of_member) = text.split_once('/').ok_or_else(|| "expected SITE/MEMBER, two GUIDs".to_owned())?;
    Ok(Place { site: site(of_site)?, member_id: member(of_member)? })
}

/// Text that is never shown.
#[must_use]
pub fn secret() -> impl TypedValueParser<Value = SecretString> {
    StringValueParser::new().map(SecretString::from)
}

/// The token that a file holds; `-` is stdin.
///
/// # Errors
/// If the file cannot be read, or holds none.
pub fn token_in(file: &Path) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        io::stdin().take(LARGEST_TOKEN).read_to_string(&mut text).context("stdin holds no token")?;
    } else {
        let opened = File::open(file).and_then(|file| file.take(LARGEST_TOKEN).read_to_string(&mut text));
        opened.with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let token = text.trim();
    ensure!(!token.is_empty(), "{} holds no token", file.display());
    Ok(token.into())
}

/// Only the form with dashes: the others that `uuid` reads are not what is on the wire.
fn guid(text: &str) -> Result<Uuid, String> {
    let parsed = (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten();
    parsed.ok_or_else(|| "expected a GUID like 7d368843-6f0c-4037-8d0e-b7e36a8a0c32".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{caller, duration, instant, member, place, queue, rate};

    #[test]
    fn a_guid_has_36_characters_in_any_case() {
        assert!(member("7D368843-6f0c-4037-8d0e-b7e36a8a0c32").is_ok());
        for refused in ["", "7d3688436f0c40378d0eb7e36a8a0c32", "{7d368843-6f0c-4037-8d0e-b7e36a8a0c32}"] {
            assert!(member(refused).is_err(), "{refused:?} was taken");
        }
    }

    #[test]
    fn a_caller_is_a_type_and_a_guid() {
        let id = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";
        assert_eq!(caller(&format!("APP:{id}")).unwrap().to_string(), format!("APP:{id}"));
        for refused in [id.to_owned(), format!("UNKNOWN:{id}"), "MEMBER:me".to_owned()] {
            assert!(caller(&refused).is_err(), "{refused:?} was taken");
        }
    }

    #[test]
    fn a_duration_is_above_zero() {
        assert!(duration("30s").is_ok() && duration("0s").is_err() && duration("30").is_err());
    }

    #[test]
    fn a_rate_is_a_number_a_second_above_zero() {
        assert_eq!((rate("500/s"), rate("500")), (Ok(500), Ok(500)));
        for refused in ["", "0/s", "-1/s", "5/m", "1.5/s", "4294967296/s"] {
            assert!(rate(refused).is_err(), "{refused:?} was taken");
        }
    }

    #[test]
    fn a_place_is_a_site_and_a_member_and_an_instant_has_a_zone() {
        let id = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";
        assert!(place(&format!("{id}/{id}")).is_ok() && place(id).is_err() && place(&format!("{id}/me")).is_err());
        assert!(instant("2026-11-24T10:00:00Z").is_ok() && instant("2026-11-24").is_err());
        assert!(queue("search").is_ok() && queue("").is_err() && queue(&"x".repeat(256)).is_err());
    }
}
