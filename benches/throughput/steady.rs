//! A steady load: requests at a rate that nothing slows down, and the moment that the answer to each came.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use crate::figures::count;
use crate::ground::Ground;
use crate::place::{KEPT, dial};
use crate::requests::{Manner, publish, request, target};
use crate::suite::support::Issuer;

/// At the beginning connections warm up, and lanes are chosen: what came then is left out.
const WARMING: f64 = 5.0;
/// The load is measured so many times as long as a series of joins.
const LONGER: f64 = 2.0;
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);
/// By how much the sender may be behind its schedule, as part of the whole.
const LATE: f64 = 0.02;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What lies in the queue of events.
    Event,
    /// A reply to the sender.
    Reply,
}

/// A load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    rate: f64,
    seconds: f64,
}

impl Load {
    /// So many requests a second, long enough to be compared with series of so many seconds.
    pub(crate) fn of(rate: f64, seconds: f64) -> Self {
        Self { rate, seconds: WARMING + seconds * LONGER }
    }

    /// How many requests that makes.
    pub(crate) fn requests(self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^53, never negative")]
        let requests = (self.rate * self.seconds).ceil() as usize;
        requests
    }

    fn moment(self, began: Instant, number: usize) -> Instant {
        began + Duration::from_secs_f64(count(number) / self.rate)
    }
}

/// Sends a request of each member, and answers how many milliseconds each took; and what `once_warm` did, which begins with
/// those that count.
pub(crate) async fn answers<T>(
    ground: &Ground,
    load: Load,
    answer: Answer,
    once_warm: impl Future<Output = Result<T>>,
) -> Result<(Vec<f64>, T)> {
    let producer = dial(&ground.place.producer_url).await?;
    let channel = producer.create_channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let (from, queue) = match answer {
        Answer::Event => (ground.channel().await, KEPT),
        // Replies come to the channel that asks.
        Answer::Reply => (channel.clone(), "amq.rabbitmq.reply-to"),
    };
    let consumer = from.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    let (messages, numbers) = messages(ground, answer)?;
    let arriving = tokio::spawn(arrivals(consumer, numbers, answer));
    let warming = async {
        sleep(Duration::from_secs_f64(WARMING)).await;
        once_warm.await
    };
    let (sent, done) = tokio::try_join!(send(&channel, ground, load, messages), warming)?;
    let arrived = arriving.await??;
    producer.close(200, "done".into()).await?;
    let warm = sent.iter().position(|at| (*at - sent[0]).as_secs_f64() >= WARMING).unwrap_or_default();
    let taken = sent.iter().zip(arrived).skip(warm).map(|(sent, arrived)| (arrived - *sent).as_secs_f64() * 1e3);
    Ok((taken.collect(), done))
}

type Messages = Vec<(String, BasicProperties)>;

/// All messages, made before the clock starts, and the number of each by what its answer names.
fn messages(ground: &Ground, answer: Answer) -> Result<(Messages, HashMap<Uuid, usize>)> {
    let issuer = Issuer::new();
    let (mut messages, mut numbers) = (Vec::new(), HashMap::new());
    for (number, member) in ground.members.iter().enumerate() {
        let (body, mut properties) = request(*member, &Manner::Producer, &issuer)?;
        let key = match answer {
            Answer::Event => member.id,
            Answer::Reply => {
                properties = properties.with_reply_to("amq.rabbitmq.reply-to".into());
                properties.message_id().as_ref().context("no message_id")?.as_str().parse()?
            }
        };
        numbers.insert(key, number);
        messages.push((body, properties));
    }
    Ok((messages, numbers))
}

/// Sends by the clock, whatever comes back. Answers when each was sent.
async fn send(channel: &Channel, ground: &Ground, load: Load, messages: Messages) -> Result<Vec<Instant>> {
    let (began, mut sent) = (Instant::now(), Vec::with_capacity(messages.len()));
    for (number, (body, properties)) in messages.into_iter().enumerate() {
        sleep_until(load.moment(began, number)).await;
        sent.push(Instant::now());
        publish(channel, target(ground, &Manner::Producer), &body, properties).await?;
    }
    let late = began.elapsed().as_secs_f64() / load.seconds - 1.0;
    ensure!(late < LATE, "the sender cannot keep {:.0} requests a second", load.rate);
    Ok(sent)
}

/// Notes when the answer to each came.
async fn arrivals(mut consumer: Consumer, numbers: HashMap<Uuid, usize>, answer: Answer) -> Result<Vec<Instant>> {
    let mut arrived = vec![None; numbers.len()];
    let mut missing = numbers.len();
    while missing > 0 {
        let Ok(delivery) = timeout(LIMIT, consumer.next()).await else {
            bail!("{missing} answers did not come within {LIMIT:?}");
        };
        let now = Instant::now();
        let delivery = delivery.context("the consumer of answers ended")??;
        let key = key(&delivery, answer).context("an answer names nobody")?;
        let place = numbers.get(&key).and_then(|number| arrived.get_mut(*number)).context("nobody asked for this")?;
        if place.replace(now).is_none() {
            missing -= 1;
        }
    }
    Ok(arrived.into_iter().flatten().collect())
}

/// What an answer names: a reply the request, an event its member, what was relayed the member who asked.
fn key(delivery: &Delivery, answer: Answer) -> Option<Uuid> {
    match answer {
        Answer::Reply => delivery.properties.correlation_id().as_ref()?.as_str().parse().ok(),
        Answer::Event => {
            let body = std::str::from_utf8(&delivery.data).ok()?;
            let (_, rest) = body.split_once(r#""entityId":""#).or_else(|| body.split_once(r#""memberId":""#))?;
            rest.get(..36)?.parse().ok()
        }
    }
}
