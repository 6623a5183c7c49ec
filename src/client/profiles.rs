//! Reading the cache of public profiles. It is a shortcut: where it has none, or does not serve, the caller is asked.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::RedisError;
use tokio::time::{Instant, timeout};

use super::member::{PublicMember, place};
use crate::cache::connection::{Connection, Server};
use crate::domain::{MemberId, SiteId};

/// What the worker's `cache.prefix` is by default.
const PREFIX: &str = "members:v1";
/// The library's own limit, which nobody should meet: the limit of a read counts, and a connection that did not keep it is
/// thrown away.
const LAST_LIMIT: Duration = Duration::from_secs(30);
/// After a try to connect that failed, how long nobody tries again: readers shall not queue up before a door that is shut.
const SHUT_FOR: Duration = Duration::from_secs(1);

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
    /// The URL cannot be used.
    #[error("the URL of the cache cannot be used")]
    Url(#[source] RedisError),
    /// Redis refuses, or the connection failed.
    #[error("Redis does not serve")]
    Redis(#[from] RedisError),
    /// Redis did not answer in time.
    #[error("Redis did not answer within {0:?}")]
    Silent(Duration),
    /// Redis did not serve a moment ago, and was not asked again.
    #[error("Redis did not serve a moment ago")]
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
    server: Server,
    prefix: Box<str>,
    limit: Duration,
    door: Mutex<Door>,
    /// Whoever connects, so that the others wait for that.
    connecting: tokio::sync::Mutex<()>,
}

/// The way to Redis.
#[derive(Default)]
struct Door {
    connection: Option<Connection>,
    /// Counts the connections, so that a reader throws away only the one that failed it.
    number: u64,
    shut_until: Option<Instant>,
}

impl Profiles {
    /// The cache at a URL, `redis://user:password@host:6379/0`; several, separated by commas, are nodes of a cluster.
    /// Connects with the first read.
    ///
    /// # Errors
    /// If the URL cannot be used.
    pub fn at(url: &str) -> Result<Self, ProfilesError> {
        let server = Server::new(url, LAST_LIMIT, Path::new("")).map_err(ProfilesError::Url)?;
        let (door, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { server, prefix: PREFIX.into(), limit: Duration::from_millis(500), door, connecting })
    }

    /// What the keys begin with, the worker's `cache.prefix`. By default `members:v1`.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// How long a read may take, connecting included. By default 500 ms.
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
        let (mut connection, number) = self.connected().await?;
        let mut failing = Failing { profiles: self, number, is_fine: false };
        let mut command = redis::cmd("HMGET");
        command.arg(format!("{}:{site}:{member}", self.prefix)).arg("sequence").arg("member");
        let read = connection.query(&command).await;
        // An entry of another form is the fault of that entry, not of the connection.
        failing.is_fine = read.as_ref().err().is_none_or(|error: &RedisError| error.code() == Some("WRONGTYPE"));
        read.map_err(ProfilesError::Redis)
    }

    /// The connection and its number; made, if there is none.
    async fn connected(&self) -> Result<(Connection, u64), ProfilesError> {
        if let Some(open) = self.door().open() {
            return Ok(open);
        }
        let _turn = self.connecting.lock().await;
        if let Some(open) = self.door().open() {
            return Ok(open);
        }
        self.door().knock()?;
        let connection = self.server.connect().await?;
        Ok(self.door().let_in(connection))
    }

    /// Never held while anything is waited for.
    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    fn open(&self) -> Option<(Connection, u64)> {
        self.connection.clone().map(|connection| (connection, self.number))
    }

    /// Begins a try to connect. Until it has succeeded the door counts as shut, whatever becomes of the try.
    fn knock(&mut self) -> Result<(), ProfilesError> {
        let now = Instant::now();
        if self.shut_until.is_some_and(|until| now < until) {
            return Err(ProfilesError::Shut);
        }
        self.shut_until = Some(now + SHUT_FOR);
        Ok(())
    }

    fn let_in(&mut self, connection: Connection) -> (Connection, u64) {
        let number = self.number + 1;
        *self = Self { connection: Some(connection.clone()), number, shut_until: None };
        (connection, number)
    }
}

/// Throws a connection away that failed, or did not answer in time: one that hangs would stay in use otherwise.
struct Failing<'a> {
    profiles: &'a Profiles,
    number: u64,
    is_fine: bool,
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if self.is_fine {
            return;
        }
        let mut door = self.profiles.door();
        if door.number == self.number {
            door.connection = None;
        }
    }
}
