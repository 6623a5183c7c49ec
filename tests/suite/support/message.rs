//! A message as a producer builds it, sound or not. Apart from sending it, because most of bad input is only bad here.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a producer sends. A new one is a request of sound form, sent under the producer's own broker user.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    body: Vec<u8>,
    properties: BasicProperties,
    id: Option<String>,
    headers: FieldTable,
    vouched: bool,
    mute: bool,
    to: (&'static str, &'static str),
}

impl Message {
    /// A member who asks to join.
    pub(crate) fn join(site: Uuid, member: Uuid) -> Self {
        let identity = json!({ "identityType": "MEMBER", "memberId": member });
        let message = Self::json(&json!({ "siteId": site, "memberId": member, "identity": identity }));
        message.text_header("memberId", &member.to_string())
    }

    /// A member who asks to leave.
    pub(crate) fn leave(site: Uuid, member: Uuid) -> Self {
        Self::join(site, member).leaving()
    }

    /// The same, to leave.
    pub(crate) fn leaving(self) -> Self {
        self.properties(|properties| properties.with_type("leave-community.v1".into())).to("join-community", "leave")
    }

    /// A request with this body.
    pub(crate) fn json(body: &Value) -> Self {
        Self::bytes(body.to_string())
    }

    /// A message with these bytes.
    pub(crate) fn bytes(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            properties: BasicProperties::default()
                .with_content_type("application/json".into())
                .with_type("join-community.v1".into())
                .with_delivery_mode(2),
            id: Some(Uuid::now_v7().to_string()),
            headers: FieldTable::default(),
            vouched: true,
            mute: false,
            to: ("join-community", "request"),
        }
    }

    /// Under this request id.
    pub(crate) fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Under no request id.
    pub(crate) fn without_id(self) -> Self {
        Self { id: None, ..self }
    }

    /// Without `user_id`: the broker vouches for nobody.
    pub(crate) fn anonymous(self) -> Self {
        Self { vouched: false, ..self }
    }

    /// With this session token, and nobody else's word.
    pub(crate) fn token(self, token: &str) -> Self {
        self.anonymous().text_header("authorization", &format!("Bearer {token}"))
    }

    /// With a text header.
    pub(crate) fn text_header(self, name: &str, value: &str) -> Self {
        self.header(name, AMQPValue::LongString(LongString::from(value)))
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &str, value: AMQPValue) -> Self {
        self.headers.insert(name.into(), value);
        self
    }

    /// Without any header.
    pub(crate) fn without_headers(&self) -> Self {
        Self { headers: FieldTable::default(), ..self.clone() }
    }

    /// With other properties. `message_id`, `user_id` and headers have their own methods.
    pub(crate) fn properties(self, change: impl FnOnce(BasicProperties) -> BasicProperties) -> Self {
        Self { properties: change(self.properties), ..self }
    }

    /// With this `correlation_id`.
    pub(crate) fn correlation_id(self, id: &str) -> Self {
        self.properties(|properties| properties.with_correlation_id(id.into()))
    }

    /// With this `reply_to` in place of direct reply-to.
    pub(crate) fn reply_to(self, queue: &str) -> Self {
        Self { mute: true, ..self }.properties(|properties| properties.with_reply_to(queue.into()))
    }

    /// To another exchange.
    pub(crate) fn to(self, exchange: &'static str, routing_key: &'static str) -> Self {
        Self { to: (exchange, routing_key), ..self }
    }

    /// The request id.
    pub(crate) fn request_id(&self) -> &str {
        self.id.as_deref().expect("the message has a request id")
    }

    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn target(&self) -> (ShortString, ShortString) {
        (self.to.0.into(), self.to.1.into())
    }

    /// The `correlation_id` that the reply must have.
    pub(super) fn correlation(&self) -> Option<String> {
        self.properties.correlation_id().as_ref().map(ToString::to_string).or_else(|| self.id.clone())
    }

    /// The properties as this user sends them, with replies to this queue unless others were chosen.
    pub(super) fn signed(&self, user: &str, reply_to: &str) -> BasicProperties {
        let mut properties = self.properties.clone().with_headers(self.headers.clone());
        if let Some(id) = &self.id {
            properties = properties.with_message_id(id.as_str().into());
        }
        if self.vouched {
            properties = properties.with_user_id(user.into());
        }
        if self.mute { properties } else { properties.with_reply_to(reply_to.into()) }
    }
}
