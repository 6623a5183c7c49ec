//! The load of a trial: members, and messages about them, good and bad, single and repeated. What must come of each is
//! known before anything is sent.

use anyhow::{Context as _, Result};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;
use uuid::Uuid;

use crate::checker::REPLIES;
use crate::dice::Dice;
use crate::ledger::{Expected, Key, Ledger, Member, Rejection, Request};
use crate::suite::support::{Installation, JOINABLE, MemberSpec, PUBLIC};

/// The broker user that sends, and the requester it stands for.
pub(crate) const PRODUCER: &str = "member-gateway";
const REQUESTER: &str = "producer:member-gateway";

/// One message to send.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its place in the ledger.
    pub(crate) request: usize,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// All properties.
    pub(crate) properties: BasicProperties,
    /// What it is sent with.
    pub(crate) routing_key: &'static str,
    /// It is sent once all of the turn before are confirmed.
    pub(crate) turn: usize,
}

/// What to send, and the ledger that goes with it.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Who is there, and what must come of each request.
    pub(crate) ledger: Ledger,
    /// The messages in the order of sending.
    pub(crate) messages: Vec<Message>,
}

impl Load {
    /// So many members who join, some of whom leave again; members who leave; beside them everything else that producers
    /// send, see [`Self::joining`].
    ///
    /// # Errors
    /// If the members cannot be made.
    pub(crate) async fn mixed(installation: &Installation, seed: u64, joins: usize) -> Result<Self> {
        let mut load = Self::joining(installation, seed, joins).await?;
        let mut dice = Dice::new(seed.wrapping_add(2));
        let joiners = load.ledger.joiners();
        let site = joiners.first().context("nobody joins")?.0;
        // In any order: whoever leaves first does so twice, or in vain.
        for member in joiners {
            if dice.once_in(4) {
                load.leave(dice.id().to_string(), member, Expected::Left);
            }
        }
        for member in load.members(installation, site, PUBLIC, (joins / 8).max(1)).await {
            let first = load.leave(dice.id().to_string(), member, Expected::Left);
            if dice.once_in(8) {
                load.again(first);
            }
            if dice.once_in(4) {
                load.leave(dice.id().to_string(), member, Expected::Left);
            }
            if dice.once_in(4) {
                load.join(dice.id().to_string(), member, Expected::Joined);
            }
        }
        for member in load.members(installation, site, PUBLIC, (joins / 25).max(1)).await {
            let stranger = dice.id();
            load.push(&mut dice, member, stranger, Expected::Rejected(Rejection::NotPermitted));
            load.have_the_last_leave();
        }
        dice.shuffle(&mut load.messages);
        Ok(load)
    }

    /// So many members who join, by one request or several; beside them everything else that producers send: requests
    /// that are repeated, malformed, not permitted, refused, under an id used before, for members who cannot join. Nobody
    /// leaves: earlier builds do not know what that is.
    ///
    /// # Errors
    /// If the members cannot be made.
    pub(crate) async fn joining(installation: &Installation, seed: u64, joins: usize) -> Result<Self> {
        let mut load = Self { ledger: Ledger { seed, ..Ledger::default() }, messages: Vec::new() };
        let mut dice = Dice::new(seed);
        let site = dice.id();
        let some = (joins / 25).max(1);
        for member in load.members(installation, site, JOINABLE, joins).await {
            let first = load.join(dice.id().to_string(), member, Expected::Joined);
            if dice.once_in(8) {
                load.again(first);
            }
            if dice.once_in(8) {
                load.join(dice.id().to_string(), member, Expected::Joined);
            }
        }
        let blocked = MemberSpec { status: "BLOCKED", ..JOINABLE };
        for member in load.members(installation, site, blocked, some).await {
            load.join(dice.id().to_string(), member, Expected::Rejected(Rejection::Blocked));
        }
        let closed = dice.id();
        installation.gate(closed, "NO_ONE").await;
        for member in load.members(installation, closed, JOINABLE, some).await {
            load.join(dice.id().to_string(), member, Expected::Rejected(Rejection::SiteClosed));
        }
        for member in load.members(installation, site, JOINABLE, some).await {
            let stranger = dice.id();
            load.push(&mut dice, member, stranger, Expected::Rejected(Rejection::NotPermitted));
        }
        for _ in 0..some {
            let nobody = (site, dice.id());
            load.join(dice.id().to_string(), nobody, Expected::Rejected(Rejection::NotFound));
            load.malformed(&mut dice, site);
            load.refused(&mut dice, site);
        }
        dice.shuffle(&mut load.messages);
        Ok(load)
    }

    /// Makes members.
    pub(crate) async fn members(
        &mut self,
        installation: &Installation,
        site: Uuid,
        spec: MemberSpec,
        count: usize,
    ) -> Vec<Key> {
        let (sequence, is_public) = (spec.sequence, spec.privacy == "PUBLIC" && spec.status == "APPROVED");
        let ids = installation.members(site, spec, count).await;
        let keys: Vec<Key> = ids.into_iter().map(|id| (site, id)).collect();
        self.ledger.members.extend(keys.iter().map(|key| Member { key: *key, is_public, sequence }));
        keys
    }

    /// A member's own request to join; answers its place in the ledger.
    pub(crate) fn join(&mut self, id: String, member: Key, expected: Expected) -> usize {
        self.ask(id, member, member.1, expected)
    }

    /// A member's own request to leave; answers its place in the ledger.
    pub(crate) fn leave(&mut self, id: String, member: Key, expected: Expected) -> usize {
        let request = self.ask(id, member, member.1, expected);
        self.have_the_last_leave();
        request
    }

    /// Has the message that was added last ask to leave.
    fn have_the_last_leave(&mut self) {
        if let Some(message) = self.messages.last_mut() {
            message.properties = message.properties.clone().with_type("leave-community.v1".into());
            message.routing_key = "leave";
        }
    }

    /// The message that was added last for a place in the ledger, once more.
    pub(crate) fn again(&mut self, request: usize) {
        if let Some(message) = self.messages.iter().rfind(|message| message.request == request).cloned() {
            self.messages.push(message);
        }
    }

    fn push(&mut self, dice: &mut Dice, member: Key, caller: Uuid, expected: Expected) -> usize {
        self.ask(dice.id().to_string(), member, caller, expected)
    }

    fn ask(&mut self, id: String, (site, member): Key, caller: Uuid, expected: Expected) -> usize {
        let identity = json!({ "identityType": "MEMBER", "memberId": caller });
        let body = json!({ "siteId": site, "memberId": member, "identity": identity }).to_string();
        self.add(id, (site, member), body.into_bytes(), expected)
    }

    /// Any message of the producer; answers its place in the ledger.
    pub(crate) fn add(&mut self, id: String, member: Key, body: Vec<u8>, expected: Expected) -> usize {
        let properties = BasicProperties::default()
            .with_message_id(id.as_str().into())
            .with_type("join-community.v1".into())
            .with_content_type("application/json".into())
            .with_user_id(PRODUCER.into())
            .with_reply_to(REPLIES.into())
            .with_delivery_mode(2)
            .with_headers(of_member(member.1));
        let request = self.ledger.requests.len();
        let requester = REQUESTER.to_owned();
        self.ledger.requests.push(Request { id, requester, member, expected, confirmed: 0 });
        self.messages.push(Message { request, body, properties, routing_key: "request", turn: 0 });
        request
    }

    fn malformed(&mut self, dice: &mut Dice, site: Uuid) {
        let bodies: [&[u8]; 4] = [b"{", b"[]", b"{\"siteId\":\"\xff\"}", b"{\"siteId\":1}"];
        let body = bodies[dice.below(bodies.len())].to_vec();
        let nobody = (site, dice.id());
        self.add(dice.id().to_string(), nobody, body, Expected::Malformed);
    }

    /// A request that nobody vouches for.
    fn refused(&mut self, dice: &mut Dice, site: Uuid) {
        let nobody = (site, dice.id());
        self.push(dice, nobody, nobody.1, Expected::Refused);
        if let Some(message) = self.messages.last_mut() {
            // There is no method that takes a property away.
            message.properties = BasicProperties::default()
                .with_message_id(self.ledger.requests[message.request].id.as_str().into())
                .with_reply_to(REPLIES.into())
                .with_delivery_mode(2);
        }
    }
}

/// What all requests for a member are kept in order by, where they are spread over shards.
fn of_member(member: Uuid) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert("memberId".into(), AMQPValue::LongString(member.to_string().into()));
    headers
}
