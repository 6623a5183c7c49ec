//! Why there is no connection to the broker. Separate, because the words tell an operator what to do, and are many.

use std::io;
use std::time::Duration;

use crate::rabbitmq::address::{Address, UrlError};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL cannot be used. Waiting does not help.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Nobody answers there.
    #[error("cannot reach {broker}: is the broker running, and are host and port right?")]
    Unreachable {
        /// Which broker.
        broker: Box<Address>,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Something accepts connections there, and then says nothing.
    #[error(
        "{broker} accepts connections but does not answer within {limit:?}: the broker hangs, or is still starting"
    )]
    Silent {
        /// Which broker.
        broker: Box<Address>,
        /// How long it had.
        limit: Duration,
    },
    /// What answers does not speak AMQP 0-9-1, or not by TLS.
    #[error(
        "{broker} does not speak AMQP 0-9-1 there: is this the port of the management API? With TLS it is amqps://, \
         and another port"
    )]
    Foreign {
        /// Which broker.
        broker: Box<Address>,
    },
    /// The broker refuses this user, or refuses it this vhost.
    #[error(
        "{broker} refuses the connection: check the user, its password, that the vhost exists and the user's rights on it"
    )]
    Refused {
        /// Which broker, user and vhost.
        broker: Box<Address>,
        /// What the broker says.
        #[source]
        source: lapin::protocol::AMQPError,
    },
    /// What TLS needs on our side is of no use.
    #[error("{broker} cannot be reached by TLS with what broker.ca_file, client_cert_file and client_key_file name")]
    Unequipped {
        /// Which broker.
        broker: Box<Address>,
        /// Which file, and what is wrong with it.
        #[source]
        source: io::Error,
    },
    /// The broker does not prove that it is the one that was meant.
    #[error(
        "RabbitMQ at {broker} is not trusted: its certificate must name that host and come from an authority in \
         broker.ca_file, or of the system where that is empty"
    )]
    Untrusted {
        /// Which broker.
        broker: Box<Address>,
        /// What is wrong with its certificate.
        #[source]
        source: lapin::Error,
    },
    /// The broker ends a connection by TLS before AMQP begins.
    #[error(
        "RabbitMQ at {broker} ends the TLS connection: where it asks for a certificate, broker.client_cert_file and \
         broker.client_key_file must name one of an authority that it trusts"
    )]
    Unproven {
        /// Which broker.
        broker: Box<Address>,
        /// How it ended.
        #[source]
        source: lapin::Error,
    },
    /// The connection broke while it was made.
    #[error("the connection to {broker} broke while it was made")]
    Broken {
        /// Which broker.
        broker: Box<Address>,
        /// What happened.
        #[source]
        source: lapin::Error,
    },
}
