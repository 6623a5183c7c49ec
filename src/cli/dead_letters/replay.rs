//! `replay`: puts dead letters back into the request queue. Each is taken in the way a delivery is: believed only as far
//! as it proves itself, its proof written anew. Otherwise the worker's word would vouch for whatever lies there.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::discard::found;
use super::look::counted;
use super::which::{Chosen, Which};
use super::{progress, with};
use crate::auth::{Authentication, Authenticator};
use crate::cli::Context;
use crate::config::Config;
use crate::domain::to_millis;
use crate::rabbitmq::address::Address;
use crate::rabbitmq::courier::Courier;
use crate::rabbitmq::dead_letters::{DeadLetters, Letter};
use crate::rabbitmq::topology::Names;
use crate::rabbitmq::window::Fate;
use crate::wire::copy::{self, History, Sender};
use crate::wire::request::decode;
use crate::wire::{Incoming, Outgoing};

/// Replays what is chosen. A letter goes only when its replacement is confirmed: if this is interrupted, a request may
/// be there twice, which changes nothing, but none is lost.
pub(super) async fn run(which: Which, force: bool, context: &Context) -> anyhow::Result<ExitCode> {
    let mut way_back = WayBack::start(&context.config, force).await?;
    let mut chosen = Chosen::new(which);
    let output = context.output;
    if output.is_json() {
        output.data("{\"refused\":[")?;
    }
    let all = with(context, async |letters| replay_all(letters, &mut chosen, &mut way_back, context).await).await;
    way_back.courier.close().await;
    let (replayed, refused) = all?;
    if output.is_json() {
        let missing = serde_json::to_string(chosen.missing())?;
        output.data(&format!("],\"replayed\":{replayed},\"notFound\":{missing}}}\n"))?;
    } else {
        output.say(&format_args!("{} replayed, {refused} refused", counted(replayed)))?;
    }
    let found = found(&chosen, context);
    Ok(if refused > 0 { ExitCode::FAILURE } else { found })
}

/// Yields how many were replayed, and how many refused.
async fn replay_all(
    letters: &mut DeadLetters,
    chosen: &mut Chosen,
    way_back: &mut WayBack,
    context: &Context,
) -> anyhow::Result<(u32, u32)> {
    let bar = progress(letters.total());
    let (mut replayed, mut refused): (u32, u32) = (0, 0);
    while let Some(letter) = letters.next().await? {
        bar.inc(1);
        if !chosen.takes(&letter) {
            continue;
        }
        if let Err(why) = way_back.replay(&letter).await? {
            bar.suspend(|| tell(&letter, &why, refused, context))?;
            refused += 1;
        } else {
            letters.remove(&letter).await?;
            replayed += 1;
        }
    }
    bar.finish_and_clear();
    Ok((replayed, refused))
}

/// Says of one why it was refused, as soon as that is known: however many there are, none is kept in memory.
fn tell(letter: &Letter, why: &str, before: u32, context: &Context) -> anyhow::Result<()> {
    if !context.output.is_json() {
        return context.output.say(&format_args!("{} is not replayed: {why}", letter.id));
    }
    let request: Value = letter.incoming.message_id.as_deref().into();
    let refusal = json!({ "id": letter.id, "requestId": request, "why": why });
    let separator = if before == 0 { "" } else { "," };
    context.output.data(&format!("{separator}{refusal}"))
}

/// The way back into the request queue.
struct WayBack {
    authenticator: Authenticator,
    courier: Courier,
    names: Names,
    worker: String,
    retention: Duration,
    force: bool,
    /// What says nothing of its arrival came before this: so keys that were read since then can judge its token.
    started: OffsetDateTime,
    _keys: DropGuard,
}

impl WayBack {
    async fn start(config: &Config, force: bool) -> anyhow::Result<Self> {
        let started = to_millis(OffsetDateTime::now_utc());
        let broker = &config.broker;
        let worker = Address::parse(&broker.url)?.user().to_owned();
        let stop = CancellationToken::new();
        let authenticator = Authenticator::start(&config.auth, &worker, stop.clone()).await?;
        let courier = Courier::connect(&broker.url, "join-community dead-letters replay", broker).await?;
        // Without keys, what a token must prove is refused below, by name; the rest needs none.
        drop(tokio::time::timeout(broker.timeout, authenticator.wait_for_keys()).await);
        Ok(Self {
            authenticator,
            courier,
            names: Names::of(broker),
            worker,
            retention: config.requests.retention,
            force,
            started,
            _keys: stop.drop_guard(),
        })
    }

    /// Publishes the replacement of a letter, or says why there is none.
    async fn replay(&mut self, letter: &Letter) -> anyhow::Result<Result<(), String>> {
        let replacement = match self.replacement(letter, OffsetDateTime::now_utc()) {
            Ok(replacement) => replacement,
            Err(why) => return Ok(Err(why)),
        };
        let unknown = || format!("dead letter {}: replaying it again is safe", letter.id);
        Ok(match self.courier.publish(replacement).await.with_context(unknown)? {
            Fate::Confirmed => Ok(()),
            Fate::TooLarge => Err("it is larger than any request may be".to_owned()),
            Fate::Refused | Fate::Returned => {
                let intake = self.names.intake();
                Err(format!("exchange `{intake}` does not lead to the request queue; see `topology verify`"))
            }
        })
    }

    fn replacement(&self, letter: &Letter, now: OffsetDateTime) -> Result<Outgoing, String> {
        if letter.cut_from.is_some() {
            return Err("only the beginning of its body was kept".to_owned());
        }
        let incoming =
            Incoming { taken_at: Some(letter.first_seen.unwrap_or(self.started)), ..letter.incoming.clone() };
        let decoded = decode(&incoming).map_err(|malformed| format!("it is malformed: {malformed}"))?;
        let proven = match self.authenticator.authenticate(&incoming, &decoded, now) {
            Authentication::Proven(proven) => proven,
            Authentication::Refused(word) => return Err(format!("it does not prove who asks: {word}")),
            Authentication::NoKeys => {
                let missing = self.authenticator.keys_missing();
                return Err(missing.unwrap_or_else(|| "the key that its token names is not known yet".to_owned()));
            }
        };
        self.check_age(letter, now)?;
        let (attempts, arrived) = self.authenticator.history(&incoming, now);
        let sender = Sender { requester: &proven.requester, caller: Some(proven.caller), proof: proven.proof };
        let target = decoded.body.member.or_else(|| proven.caller.own_member());
        let history = History { attempts, arrived, sender: Some(sender), target };
        Ok(copy::replay(&incoming, &history, &self.names.intake(), &self.worker))
    }

    /// A request that was carried out is known for `requests.retention`; after that it would be carried out again.
    fn check_age(&self, letter: &Letter, now: OffsetDateTime) -> Result<(), String> {
        let is_young = letter.first_seen.is_some_and(|seen| now - seen <= self.retention);
        if is_young || self.force {
            return Ok(());
        }
        let retention = humantime::format_duration(self.retention);
        let age =
            if letter.first_seen.is_some() { "it is older than" } else { "it does not say whether it is older than" };
        Err(format!(
            "{age} requests.retention ({retention}), for which a verdict is known: if it was carried out before, it \
             would be carried out again; --force replays it all the same"
        ))
    }
}
