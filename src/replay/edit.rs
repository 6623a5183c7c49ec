//! Editing a letter: the same request with another body, as far as what proves the letter covers it. Separate, because what
//! an operator writes must never be believed for more than the sender of the letter was.

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::foreseen::{Preview, Shown};
use super::said::{Elevated, Said};
use super::sending::{ReplayError, send};
use super::way_back::{Ready, WayBack};
use crate::config::Broker;
use crate::domain::Request;
use crate::join::rehearsal::{Foreseen, take_in};
use crate::postgres::{Session, StoreError};
use crate::rabbitmq::courier::Courier;
use crate::rabbitmq::dead_letters::{DeadLetters, Letter, Mover, To, shown_id};
use crate::wire::Incoming;
use crate::wire::copy::body_digest;

/// An edited letter, ready to be sent.
pub struct Edited {
    /// Its replacement.
    pub ready: Ready,
    /// What it would come to.
    pub shown: Shown,
    /// What was edited.
    pub link: Link,
}

/// Both versions, by their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The letter.
    pub letter: String,
    /// The request id that the letter has.
    pub request_id: String,
    /// The id under which it is sent, if the first was used for another request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_request_id: Option<String>,
    /// SHA-256 of the body that lay there.
    pub body_sha256: String,
    /// SHA-256 of the edited one.
    pub new_body_sha256: String,
}

/// Why a letter cannot be edited so.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot; in words.
    #[error("it cannot be sent so: {0}")]
    Refused(String),
    /// What it would come to cannot be told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { letter, request_id, new_request_id, body_sha256, new_body_sha256 } = self;
        write!(f, "letter {letter}, request {request_id}, sha256 {body_sha256}, as ")?;
        match new_request_id {
            Some(id) => write!(f, "new request {id}")?,
            None => f.write_str("the same request")?,
        }
        write!(f, ", sha256 {new_body_sha256}")
    }
}

/// Sends an edited letter. The letter as it was is kept among the discarded ones before, under the id that its replacement
/// names, so that a bad edit can be undone; from where it lies it is removed once both are confirmed.
///
/// # Errors
/// If it is not sent, or the letter may still be there. It may then lie in both queues.
pub async fn send_edited(
    letters: &mut DeadLetters,
    letter: &Letter,
    edited: &Edited,
    courier: &mut Courier,
    broker: &Broker,
) -> Result<(), ReplayError> {
    // Boxed: it is a connection beside the one that sends.
    Box::pin(keep(letter, broker)).await?;
    let message = edited.ready.message.clone();
    send(courier, broker, &letter.id, message).await?.map_err(ReplayError::Refused)?;
    Ok(letters.remove(letter).await?)
}

/// Puts the letter to the discarded ones, from where it can be restored.
async fn keep(letter: &Letter, broker: &Broker) -> Result<(), ReplayError> {
    let mut mover = Mover::connect(broker).await.map_err(ReplayError::Keeping)?;
    let put = mover.put(letter, To::Discarded).await;
    mover.close().await;
    let not_kept = |why: String| ReplayError::Refused(format!("it cannot be kept among the discarded letters: {why}"));
    put.map_err(ReplayError::Keeping)?.map_err(not_kept)
}

/// Makes the replacement of a letter with another body. Writes nothing anywhere.
///
/// # Errors
/// If what proves the letter does not cover the edited body, or the body is no request.
pub async fn edit(
    letter: &Letter,
    body: Vec<u8>,
    way_back: &WayBack,
    preview: &Preview,
    store: &mut Session,
) -> Result<Edited, EditError> {
    let now = OffsetDateTime::now_utc();
    let new_body_sha256 = body_digest(&body);
    let incoming = Incoming { body, ..way_back.taken_now(letter) };
    let mut ready = way_back.ready(&letter.id, &incoming, now).map_err(EditError::Refused)?;
    way_back.check_age(letter, now).map_err(EditError::Refused)?;
    check(letter, &ready.request, way_back, now).map_err(EditError::Refused)?;
    let mut foreseen = preview.foresee(store, &ready).await?;
    let mut new_request_id = None;
    if matches!(foreseen, Foreseen::Conflict) {
        // The id means something else already: under it the edited request could never be carried out.
        let id = Uuid::now_v7().to_string();
        let renamed = Incoming { message_id: Some(id.as_str().into()), ..incoming };
        new_request_id = Some(id);
        ready = way_back.ready(&letter.id, &renamed, now).map_err(EditError::Refused)?;
        foreseen = preview.foresee(store, &ready).await?;
    }
    let shown = preview.show(&letter.id, &ready, &foreseen);
    let link = Link {
        letter: letter.id.clone(),
        request_id: letter.incoming.message_id.as_deref().map(shown_id).unwrap_or_default(),
        new_request_id,
        body_sha256: body_digest(&letter.incoming.body),
        new_body_sha256,
    };
    Ok(Edited { ready, shown, link })
}

/// Whether an edited body claims no more than the letter did. A token that lies on the letter was just checked against the
/// edited body: its site and its caller are what it says. Everything else that proves a letter says no site, and a producer's
/// word no caller: it vouched for what the letter's own body says.
fn check(letter: &Letter, edited: &Request, way_back: &WayBack, now: OffsetDateTime) -> Result<(), String> {
    let said = Said::read(&letter.incoming.body);
    let by_token = letter.incoming.authorization.is_some();
    if !by_token && said.site != Some(edited.site.0) {
        return Err("siteId is not the letter's, and nothing proves that its sender may ask there".to_owned());
    }
    // A caller that the worker had proven is taken from there, whatever a body says.
    let is_proven = letter.written_by_worker && letter.incoming.own.caller.is_some();
    if !by_token && !is_proven && said.caller != Some(edited.caller) {
        return Err("identity is not the letter's, and nothing proves that its sender may speak for another".to_owned());
    }
    let asked_for_elevation = match take_in(&way_back.taken_now(letter), way_back.authenticator(), now) {
        Ok(original) => original.is_elevated(),
        // No request: it asks for what it says in so many words, or by silence where a token's permission counts.
        Err(_) => said.elevated == Elevated::Yes || (by_token && said.elevated == Elevated::Unsaid),
    };
    if !asked_for_elevation && (edited.is_elevated() || edited.elevated == Some(true)) {
        return Err("elevated is more than the letter asked for".to_owned());
    }
    Ok(())
}
