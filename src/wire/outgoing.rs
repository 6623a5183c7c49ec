//! A message to be published, in plain types, built from nothing: no property or header of a request is in it by accident.

use std::borrow::Cow;

/// A value of a message header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// Text, at most 16 KiB in all headers together.
    Text(Cow<'static, str>),
    /// An integer.
    Number(i64),
    /// A truth value.
    Flag(bool),
}

/// A message to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The exchange; empty for the default exchange. Includes the installation's prefix.
    pub exchange: Cow<'static, str>,
    /// The routing key, at most 255 bytes.
    pub routing_key: Cow<'static, str>,
    /// Property `message_id`.
    pub message_id: Option<Box<str>>,
    /// Property `type`.
    pub kind: Option<Cow<'static, str>>,
    /// Property `content_type`.
    pub content_type: Option<Cow<'static, str>>,
    /// Property `content_encoding`: only on dead letters, to show what came.
    pub content_encoding: Option<Box<str>>,
    /// Property `correlation_id`.
    pub correlation_id: Option<Box<str>>,
    /// Property `reply_to`: only on copies.
    pub reply_to: Option<Box<str>>,
    /// Property `user_id`: only on copies, and then the worker's own.
    pub user_id: Option<Box<str>>,
    /// Property `app_id`.
    pub app_id: Option<Cow<'static, str>>,
    /// Property `timestamp`, seconds since 1970.
    pub timestamp: Option<u64>,
    /// Whether the message survives a restart of the broker.
    pub persistent: bool,
    /// The headers.
    pub headers: Vec<(Cow<'static, str>, HeaderValue)>,
    /// The body.
    pub body: Vec<u8>,
}
