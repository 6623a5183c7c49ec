//! A connection to one Redis or to a cluster of them. The client library's as well, and so it knows nothing of the worker.

use std::time::Duration;

#[cfg(feature = "worker")]
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisResult};

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

impl Server {
    /// Prepares for the server or servers of a URL, each of which has so long to accept a connection, and to answer.
    pub(crate) fn new(urls: &str, limit: Duration) -> RedisResult<Self> {
        // `redis` leaves Nagle's algorithm on, which holds back the last segment of every pipeline.
        let tcp = TcpSettings::default().set_nodelay(true);
        let nodes: Vec<&str> = urls.split(',').map(str::trim).collect();
        match nodes.as_slice() {
            [single] => {
                let info = single.into_connection_info()?.set_tcp_settings(tcp);
                let limits =
                    AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(limit));
                Ok(Self::Single(Client::open(info)?, limits))
            }
            nodes => {
                let client = ClusterClient::builder(nodes.to_vec())
                    .tcp_settings(tcp)
                    .connection_timeout(limit)
                    .response_timeout(limit)
                    .build()?;
                Ok(Self::Cluster(client))
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
