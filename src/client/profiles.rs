//! Reading the cache of public profiles. It is a shortcut: where it has none, or does not serve, the caller is asked.

mod way;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::timeout;

use self::way::{Failing, Way};
use super::member::{PublicMember, place};
use crate::cache::connection::Server;
use crate::domain::{MemberId, SiteId};

/// What the worker's `cache.prefix` is by default.
const PREFIX: &str = "members:v1";
/// The library's own limit, which nobody should meet: the limit of a read counts, and a connection that did not keep it is
/// thrown away.
const LAST_LIMIT: Duration = Duration::from_secs(30);

/// What the cache holds of a member.
#[derive(Clone, Debug, PartialEq)]
pub enum Cached {
    /// The profile, as everybody may see it.
    Found(Box<PublicMember>),
    /// The member has no public profile: they are not in the community, blocked, or gone. To a reader the same as absent;
    /// the record decides.
    Tombstone,
    /// Nothing: it has expired, or was never there.
    Absent,
}

/// Why the cache tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProfilesError {
    /// The URL cannot be used, or the file with the authority.
    #[error("the URL of the cache, or the file with its authority, cannot be used: {0}")]
    Url(RedisError),
    /// Redis refuses, or the connection failed.
    #[error("Redis does not serve: {0}")]
    Redis(RedisError),
    /// Redis did not answer in time.
    #[error("Redis did not answer within {0:?}")]
    Silent(Duration),
    /// Redis did not serve a moment ago, and was not asked again; or it is still being connected to.
    #[error("Redis did not serve a moment ago, and was not asked again")]
    Shut,
    /// What lies there is no profile.
    #[error("a cached profile cannot be read: {0}")]
    Malformed(String),
}

/// Why a profile does not come from the cache.
#[derive(Debug)]
pub enum Missed {
    /// There is a tombstone.
    Tombstone,
    /// There is nothing.
    Absent,
    /// The cache does not serve: for your log, and perhaps a reason to ask the record gently.
    Unavailable(ProfilesError),
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tombstone => f.write_str("the cache holds a tombstone"),
            Self::Absent => f.write_str("the cache holds nothing"),
            Self::Unavailable(error) => write!(f, "the cache does not serve: {error}"),
        }
    }
}

/// A reader of the cache, to be shared: it keeps one connection, and makes it anew when it fails.
///
/// ```no_run
/// use join_community::client::{MemberId, Missed, Profiles, PublicMember, SiteId};
///
/// # async fn ask_the_record(_: SiteId, _: MemberId) -> std::io::Result<Option<PublicMember>> { Ok(None) }
/// # async fn example(site: SiteId, member: MemberId) -> Result<(), Box<dyn std::error::Error>> {
/// let profiles = Profiles::at("redis://redis:6379")?;
/// let found = profiles
///     .get_or(site, member, async |missed| {
///         if let Missed::Unavailable(error) = missed {
///             eprintln!("{error}");
///         }
///         ask_the_record(site, member).await
///     })
///     .await?;
/// println!("{:?}", found.and_then(|member| member.profile?.nickname));
/// # Ok(())
/// # }
/// ```
///
/// After an event the cache may show the state before it for a moment.
pub struct Profiles {
    way: Arc<Way>,
    prefix: Box<str>,
    limit: Duration,
}

impl Profiles {
    /// The cache at a URL, `redis://user:password@host:6379/0`; several, separated by commas, are nodes of a cluster.
    /// Connects with the first read.
    ///
    /// # Errors
    /// If the URL cannot be used.
    pub fn at(url: &str) -> Result<Self, ProfilesError> {
        Self::at_with(url, Path::new(""))
    }

    /// The same, by `rediss://` to a cache whose certificate comes from an authority of this file, in PEM, instead of one of
    /// the system. The file is read here.
    ///
    /// # Errors
    /// If the URL or the file cannot be used.
    pub fn at_with(url: &str, ca_file: &Path) -> Result<Self, ProfilesError> {
        let server = Server::new(url, LAST_LIMIT, ca_file).map_err(ProfilesError::Url)?;
        Ok(Self { way: Arc::new(Way::to(server)), prefix: PREFIX.into(), limit: Duration::from_millis(500) })
    }

    /// What the keys begin with, the worker's `cache.prefix`. By default `members:v1`.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How long a read may take, the wait for a connection included. By default 500 ms. A connection itself has 10 s to be
    /// made: whoever cannot wait for it goes without, and those who come later have it.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// What the cache holds of a member.
    ///
    /// # Errors
    /// If it does not serve.
    pub async fn get(&self, site: SiteId, member: MemberId) -> Result<Cached, ProfilesError> {
        let read = timeout(self.limit, self.read(site, member)).await;
        let (sequence, member) = read.map_err(|_| ProfilesError::Silent(self.limit))??;
        match (sequence, member) {
            (_, Some(member)) => {
                let member =
                    serde_json::from_slice(&member).map_err(|error| ProfilesError::Malformed(place(&error)))?;
                Ok(Cached::Found(member))
            }
            (Some(_), None) => Ok(Cached::Tombstone),
            (None, None) => Ok(Cached::Absent),
        }
    }

    /// The member's public profile, from the cache, or else from you: `fallback` is told why it is asked.
    ///
    /// # Errors
    /// What `fallback` fails with. Of errors of the cache it is told, and no more comes of them.
    pub async fn get_or<E>(
        &self,
        site: SiteId,
        member: MemberId,
        fallback: impl AsyncFnOnce(Missed) -> Result<Option<PublicMember>, E>,
    ) -> Result<Option<PublicMember>, E> {
        let missed = match self.get(site, member).await {
            Ok(Cached::Found(member)) => return Ok(Some(*member)),
            Ok(Cached::Tombstone) => Missed::Tombstone,
            Ok(Cached::Absent) => Missed::Absent,
            Err(error) => Missed::Unavailable(error),
        };
        fallback(missed).await
    }

    async fn read(&self, site: SiteId, member: MemberId) -> Result<(Option<Vec<u8>>, Option<Vec<u8>>), ProfilesError> {
        let (mut connection, number) = self.way.open(self.limit).await?;
        let mut failing = Failing { way: &self.way, number, is_fine: false };
        let mut command = redis::cmd("HMGET");
        command.arg(format!("{}:{site}:{member}", self.prefix)).arg("sequence").arg("member");
        let read = connection.query(&command).await;
        // An entry of another form is the fault of that entry, not of the connection.
        failing.is_fine = read.as_ref().err().is_none_or(|error: &RedisError| error.code() == Some("WRONGTYPE"));
        read.map_err(ProfilesError::Redis)
    }
}
