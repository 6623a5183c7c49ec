//! A connection to one Redis or to a cluster of them. The client library's as well, and so it knows nothing of the worker.

use std::path::Path;
use std::time::Duration;

#[cfg(feature = "worker")]
use futures_util::future::join_all;
#[cfg(feature = "worker")]
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisResult, TlsCertificates};

#[cfg(feature = "worker")]
use crate::telemetry::is_mistrust;

/// Where the cache is: one URL is a single server, several separated by commas are nodes of a cluster.
pub(crate) enum Server {
    Single(Client, AsyncConnectionConfig),
    Cluster(ClusterClient),
}

/// A connection to it, cheap to clone.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A client of one server; connects later.
pub(super) fn client(url: &str, ca_file: &Path) -> RedisResult<Client> {
    let info = url.into_connection_info()?.set_tcp_settings(tcp());
    match trusted(ca_file)? {
        Some(trusted) => Client::build_with_tls(info, trusted),
        None => Client::open(info),
    }
}

/// `redis` leaves Nagle's algorithm on, which holds back the last segment of every pipeline.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// The authorities of a file, and no others; `None` for those of the system.
fn trusted(ca_file: &Path) -> RedisResult<Option<TlsCertificates>> {
    if ca_file.as_os_str().is_empty() {
        return Ok(None);
    }
    Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(std::fs::read(ca_file)?) }))
}

/// What to do where waiting does not help: the server's certificate is not taken.
#[cfg(feature = "worker")]
pub(super) fn remedy(error: &RedisError) -> &'static str {
    if is_mistrust(error) {
        "; it is not trusted: its certificate must name the host of cache.url and come from an authority in cache.ca_file, or \
         of the system where that is empty"
    } else {
        ""
    }
}

impl Server {
    /// Prepares for the server or servers of a URL, each of which has so long to accept a connection, and to answer. By TLS the
    /// authorities of a file are trusted, those of the system if it is empty.
    pub(crate) fn new(urls: &str, limit: Duration, ca_file: &Path) -> RedisResult<Self> {
        let nodes: Vec<&str> = urls.split(',').map(str::trim).collect();
        match nodes.as_slice() {
            [single] => {
                let limits =
                    AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(limit));
                Ok(Self::Single(client(single, ca_file)?, limits))
            }
            nodes => {
                let mut client = ClusterClient::builder(nodes.to_vec())
                    .tcp_settings(tcp())
                    .connection_timeout(limit)
                    .response_timeout(limit);
                if let Some(trusted) = trusted(ca_file)? {
                    client = client.certs(trusted);
                }
                Ok(Self::Cluster(client.build()?))
            }
        }
    }

    pub(crate) async fn connect(&self) -> RedisResult<Connection> {
        match self {
            Self::Single(client, limits) => {
                Ok(Connection::Single(client.get_multiplexed_async_connection_with_config(limits).await?))
            }
            Self::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }
}

impl Connection {
    pub(crate) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// Runs all commands and answers each by itself.
    #[cfg(feature = "worker")]
    pub(super) async fn query_all<T: FromRedisValue>(
        &mut self,
        commands: Vec<Cmd>,
    ) -> RedisResult<Vec<RedisResult<T>>> {
        match self {
            Self::Single(connection) => {
                let mut pipeline = redis::Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                pipeline.ignore_errors().query_async(connection).await
            }
            // A pipeline may not cross slots there; the connection itself sends what is asked for side by side.
            Self::Cluster(connection) => Ok(join_all(commands.iter().map(|command| {
                let mut connection = connection.clone();
                async move { command.query_async(&mut connection).await }
            }))
            .await),
        }
    }
}
