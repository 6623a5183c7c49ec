//! The requests that lie in the queue before the clock starts: one for each member, from a producer that is trusted, or
//! with a token of the member's own.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use join_community::auth::mint::Algorithm;
use join_community::domain::IdentityType;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel};
use uuid::Uuid;

use crate::ground::Ground;
use crate::peers::Installed;
use crate::place::dial;
use crate::records::Member;
use crate::suite::support::Issuer;

/// Messages that wait for their confirms at once.
const WINDOW: usize = 1000;

/// How requests come into the queue, and how they prove whose they are.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// The broker vouches for the producer, and the worker trusts it.
    Producer,
    /// The same, with the header by which requests are spread over shards.
    Spread,
    /// With a session token, signed in this way.
    Token(Algorithm),
    /// From anybody, straight into the queue: the peers ask for no proof.
    Plain,
    /// By a peer's own producer, since it reads nothing else.
    Own(Installed),
    /// Not at all.
    None,
}

/// Puts a request for each member into the queue, and waits until the broker has all of them.
pub(crate) async fn enqueue(ground: &Ground, manner: &Manner) -> Result<()> {
    let url = match manner {
        Manner::Producer | Manner::Spread | Manner::Token(_) => &ground.place.producer_url,
        Manner::Plain => &ground.place.administrator_url,
        Manner::Own(peer) => return by_itself(ground, peer),
        Manner::None => return Ok(()),
    };
    let connection = dial(url).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let issuer = Issuer::new();
    for window in ground.members.chunks(WINDOW) {
        let mut confirms = Vec::with_capacity(window.len());
        for member in window {
            let (body, properties) = request(*member, manner, &issuer)?;
            confirms.push(publish(&channel, target(ground, manner), &body, properties).await?);
        }
        for confirm in confirms {
            ensure!(confirm.await?.is_ack(), "the broker did not take a request");
        }
    }
    connection.close(200, "done".into()).await.context("the producer's connection")
}

/// Sends one message, which must be routed.
pub(crate) async fn publish(
    channel: &Channel,
    (exchange, key): (ShortString, ShortString),
    body: &str,
    properties: BasicProperties,
) -> Result<lapin::PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    Ok(channel.basic_publish(exchange, key, options, body.as_bytes(), properties).await?)
}

/// Where requests are sent to.
pub(crate) fn target(ground: &Ground, manner: &Manner) -> (ShortString, ShortString) {
    match manner {
        Manner::Producer | Manner::Spread | Manner::Token(_) => ("join-community".into(), "request".into()),
        Manner::Plain | Manner::Own(_) | Manner::None => (ShortString::default(), ground.place.queue.into()),
    }
}

/// Body and properties of a member's request.
pub(crate) fn request(member: Member, manner: &Manner, issuer: &Issuer) -> Result<(String, BasicProperties)> {
    let Member { site, id } = member;
    let properties = BasicProperties::default()
        .with_message_id(Uuid::now_v7().to_string().into())
        .with_type("join-community.v1".into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2);
    let vouched_for =
        format!(r#"{{"siteId":"{site}","memberId":"{id}","identity":{{"identityType":"MEMBER","memberId":"{id}"}}}}"#);
    Ok(match manner {
        Manner::Producer => (vouched_for, properties.with_user_id("member-gateway".into())),
        Manner::Spread => {
            let mut headers = FieldTable::default();
            headers.insert("memberId".into(), AMQPValue::LongString(id.to_string().into()));
            (vouched_for, properties.with_user_id("member-gateway".into()).with_headers(headers))
        }
        Manner::Token(algorithm) => {
            let claims = issuer.claims(site, IdentityType::Member, id);
            let token = format!("Bearer {}", issuer.keys.token(&claims, *algorithm)?);
            let mut headers = FieldTable::default();
            headers.insert("authorization".into(), AMQPValue::LongString(token.into()));
            (format!(r#"{{"siteId":"{site}","memberId":"{id}"}}"#), properties.with_headers(headers))
        }
        Manner::Plain | Manner::Own(_) | Manner::None => (vouched_for, properties),
    })
}

fn by_itself(ground: &Ground, peer: &Installed) -> Result<()> {
    let mut command = Command::new(peer.folder.join("produce"));
    ground.place.tell_peer(&mut command);
    command.arg(&peer.directory).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut producer = command.spawn().context("the peer's producer cannot be started")?;
    let mut lines = producer.stdin.take().context("it reads nothing")?;
    for Member { site, id } in &ground.members {
        writeln!(lines, "{site} {id}")?;
    }
    drop(lines);
    ensure!(producer.wait()?.success(), "the peer's producer failed");
    Ok(())
}
