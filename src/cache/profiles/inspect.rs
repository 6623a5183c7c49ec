//! What keys hold, looked at and set right, for the audit. Apart, because all other writes ask no question first, and
//! because nobody else may replace an entry at its own sequence.

use redis::{Cmd, RedisError, RedisResult};

use super::{CacheError, Entry, Profiles};
use crate::domain::{MemberId, SiteId};

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// An entry, or a tombstone if there is no member in it.
    Entry {
        /// The sequence.
        event_sequence: i64,
        /// The public profile as JSON.
        member: Option<Vec<u8>>,
    },
    /// What no worker writes and no reader can use.
    Junk,
}

/// An entry in place of what was seen at its own sequence.
#[derive(Clone, Debug)]
pub struct Correction {
    /// What the key shall hold; nothing is corrected to a tombstone, for which the ordinary write is enough.
    pub entry: Entry,
    /// The member that was seen there; `None` for a tombstone.
    pub seen: Option<Vec<u8>>,
}

const REPLACE_IF_SEEN: &str = include_str!("../lua/replace_if_seen.lua");

type Fields = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Profiles {
    /// Looks at many keys in one round trip, and answers in their order.
    ///
    /// # Errors
    /// If the cache does not serve.
    pub async fn look(&mut self, keys: &[(SiteId, MemberId)]) -> Result<Vec<Held>, CacheError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let commands: Vec<Cmd> = keys
            .iter()
            .map(|(site, member)| {
                let mut command = redis::cmd("HMGET");
                command.arg(self.key(*site, *member)).arg("sequence").arg("member");
                command
            })
            .collect();
        self.within_limit(async |profiles| {
            let (connection, _) = profiles.connected().await?;
            connection.query_all::<Fields>(commands).await?.into_iter().map(held).collect()
        })
        .await
    }

    /// Replaces entries that are wrong at their own sequence, each only if its key still holds what was seen there.
    ///
    /// # Errors
    /// If the cache does not serve, or refuses one of them.
    pub async fn correct(&mut self, corrections: &[Correction]) -> Result<(), CacheError> {
        if corrections.is_empty() {
            return Ok(());
        }
        let commands: Vec<Cmd> = corrections.iter().map(|correction| self.replace_if_seen(correction)).collect();
        self.within_limit(async |profiles| {
            let (connection, _) = profiles.connected().await?;
            let answers = connection.query_all::<i64>(commands).await?;
            answers.into_iter().try_for_each(|answer| answer.map(|_| ()))
        })
        .await
    }

    fn replace_if_seen(&self, Correction { entry, seen }: &Correction) -> Cmd {
        // Rare enough to be sent as a whole.
        let mut command = redis::cmd("EVAL");
        command.arg(REPLACE_IF_SEEN).arg(1).arg(self.key(entry.site, entry.member_id));
        command.arg(entry.event_sequence).arg(self.ttl_millis(entry)).arg(entry.member.as_deref().unwrap_or_default());
        if let Some(seen) = seen {
            command.arg(seen.as_slice());
        }
        command
    }
}

fn held(answer: RedisResult<Fields>) -> Result<Held, RedisError> {
    match answer {
        Ok((None, None)) => Ok(Held::Nothing),
        Ok((sequence, member)) => Ok(match sequence.as_deref().and_then(sequence_of) {
            Some(event_sequence) => Held::Entry { event_sequence, member },
            None => Held::Junk,
        }),
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(Held::Junk),
        Err(error) => Err(error),
    }
}

/// A sequence as the scripts know one: digits. One that is beyond all others is above every record's.
fn sequence_of(text: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::sequence_of;

    #[test]
    fn a_sequence_is_digits_and_nothing_else() {
        assert_eq!(sequence_of(b"17"), Some(17));
        assert_eq!(sequence_of(b"99999999999999999999"), Some(i64::MAX));
        for junk in [&b""[..], b"-1", b"+1", b"1.0", b"many", b"\xff"] {
            assert_eq!(sequence_of(junk), None, "{junk:?}");
        }
    }
}
