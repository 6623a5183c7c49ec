//! Webhooks: events once more, signed and posted to receivers of HTTP. A connection and queues of their own, so that neither
//! a join nor an event waits for a receiver, and no receiver for another.
//!
//! `spreader` makes of each event a signed delivery for each target; a `carrier` takes those of one target to it, or back
//! into a wait. The queues are told in `src/rabbitmq/topology/plan/webhooks.rs`.

mod carrier;
mod losses;
mod parts;
mod preflight;
mod resolver;
mod sender;
mod session;
mod signer;
mod spreader;

pub use preflight::{Place, Unreached, place, reach};
pub use session::{SessionEnd, Webhooks};
pub use signer::Signer;

/// Why no webhooks can be sent: a fault of the configuration that waiting does not mend.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `webhooks.key` cannot sign. What is wrong with it is not quoted: it is a secret.
    #[error(
        "webhooks.key is no RSA private key of 2048 to 8192 bits in PEM (PKCS#8 or PKCS#1, without a password); \
         `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048` makes one"
    )]
    Key,
    /// A URL cannot be used.
    #[error("the url of target `{0}` of webhooks cannot be used")]
    Url(String),
    /// There is no HTTP client.
    #[error("no HTTP client for webhooks; install the system's CA certificates (package ca-certificates)")]
    HttpClient(#[source] reqwest::Error),
}
