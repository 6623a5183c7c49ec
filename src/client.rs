//! The client library: for whoever asks for a member to join or leave, hears of members who changed, or reads public profiles.
//!
//! Feature `client`, which brings none of the worker's dependencies:
//!
//! ```toml
//! join-community = { path = "../join-community", default-features = false, features = ["client"] }
//! ```
//!
//! The crate is in no registry: the path is that of a checkout.
//!
//! | | |
//! |---|---|
//! | [`JoinCommunity`] | sends requests: [`join`](JoinCommunity::join) and [`leave`](JoinCommunity::leave) wait for the answer, [`enqueue`](JoinCommunity::enqueue) for the queue |
//! | [`MemberEvents`] | consumes *member updated* events, each change once and none that is older than what was handled |
//! | [`Profiles`] | reads the cache of public profiles, and asks you where it has none |
//!
//! Every request has an id, made when it is built. After a time-out or a lost connection nobody knows what became of it:
//! **ask again with the same request.** The worker decides each id once and answers every repeat with the same verdict,
//! so that is always safe. [`JoinError::ask_again`] says when it helps.
//! An error tells all that is known in one line, its cause included.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use join_community::client::{Broker, JoinCommunity, JoinError, JoinRequest, MemberId, SiteId};
//!
//! # async fn example(site: SiteId, member: MemberId) -> Result<(), Box<dyn std::error::Error>> {
//! let client = JoinCommunity::connect(&Broker::at("amqp://shop:secret@rabbitmq/%2f")?).await?;
//! let request = JoinRequest::member(site, member);
//! let joined = loop {
//!     match client.join(&request).await {
//!         Err(error) if error.ask_again() => eprintln!("{error}"),
//!         Err(JoinError::Refused(refusal)) => return Err(format!("no, and why: {refusal}").into()),
//!         other => break other?,
//!     }
//!     tokio::time::sleep(Duration::from_secs(1)).await;
//! };
//! println!("{} is in the community", joined.id);
//! # Ok(())
//! # }
//! ```
//!
//! A message that no queue takes comes back whole, and `lapin` logs it so, session token included, as a warning of target
//! `lapin::returned_messages`: whoever collects logs should leave that target out.
//! With `amqps://` or `rediss://` in a program that has more than one provider of `rustls`, install one at start.

mod broker;
mod error;
mod events;
mod headers;
mod join;
mod member;
mod pauses;
mod profiles;

pub use broker::Broker;
pub use error::{EnqueueError, JoinError, Lost, Unsent};
pub use events::{Event, EventsError, MemberEvents, MemberUpdated, Queue, Remembered, Sequences, StoreError};
pub use join::{Asked, Code, Join, JoinCommunity, JoinRequest, Leave, LeaveRequest, Refusal, Request, Violation};
pub use member::{Image, Member, Profile, PublicMember};
pub use profiles::{Cached, Missed, Profiles, ProfilesError};

pub use crate::domain::{
    ActivityStatus, Caller, IdentityType, MemberId, Method, PrivacyStatus, RequestId, SiteId, Status,
};
pub use crate::rabbitmq::address::UrlError;
pub use crate::rabbitmq::connect::{ConnectError, TlsFiles};
