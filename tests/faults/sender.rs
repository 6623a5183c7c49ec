//! Sends a load and does not give up: what the broker has not confirmed is sent again, under the same id, as a good
//! producer does. So a fault of the broker makes repeats, and loses nothing before the worker has seen it. No turn begins
//! before all of the one before it is confirmed.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection, ConnectionProperties};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::ledger::Ledger;
use crate::load::{Load, Message};

/// Messages under way at once.
const WINDOW: usize = 20;
/// How long the broker may take to confirm a window, or to let a producer in.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one message may take, all tries together.
const LIMIT: Duration = Duration::from_mins(5);

/// A load that is being sent.
pub(crate) struct Sender {
    confirmed: watch::Receiver<usize>,
    messages: usize,
    task: JoinHandle<Result<Ledger>>,
}

impl Sender {
    /// Starts to send, with a pause between windows.
    pub(crate) fn start(url: String, load: Load, pause: Duration) -> Self {
        let messages = load.messages.len();
        let (progress, confirmed) = watch::channel(0);
        let task = tokio::spawn(async move { send(&url, load, pause, &progress).await });
        Self { confirmed, messages, task }
    }

    /// Waits until this share of the messages, in hundredths, lies in the queue.
    pub(crate) async fn until(&mut self, hundredths: usize) -> Result<()> {
        self.until_sent(self.messages * hundredths / 100).await
    }

    /// Waits until so many messages, or all there are, lie in the queue.
    pub(crate) async fn until_sent(&mut self, wanted: usize) -> Result<()> {
        let wanted = wanted.min(self.messages);
        timeout(LIMIT, self.confirmed.wait_for(|confirmed| *confirmed >= wanted))
            .await
            .with_context(|| format!("{wanted} of {} messages were not confirmed within {LIMIT:?}", self.messages))?
            .context("the sender ended before")?;
        Ok(())
    }

    /// How many messages are confirmed by now.
    pub(crate) fn confirmed(&self) -> usize {
        *self.confirmed.borrow()
    }

    /// How many are not.
    pub(crate) fn left(&self) -> usize {
        self.messages - self.confirmed()
    }

    /// Waits until everything is confirmed; the ledger then says how often each message was.
    pub(crate) async fn finish(self) -> Result<Ledger> {
        let sent = timeout(LIMIT, self.task).await;
        sent.with_context(|| format!("not everything was confirmed within {LIMIT:?}"))?.context("the sender failed")?
    }
}

async fn send(url: &str, load: Load, pause: Duration, progress: &watch::Sender<usize>) -> Result<Ledger> {
    let Load { mut ledger, messages } = load;
    let mut left: VecDeque<Message> = messages.into();
    let mut confirmed = 0;
    let deadline = Instant::now() + LIMIT;
    while !left.is_empty() {
        if Instant::now() > deadline {
            bail!("{} messages are not confirmed after {LIMIT:?}", left.len());
        }
        // Whatever ends a connection, the next one goes on with what is left.
        if let Ok(Ok((connection, channel))) = timeout(PATIENCE, connect(url)).await {
            loop {
                let (count, is_whole) = window(&channel, &mut left, &mut ledger).await;
                confirmed += count;
                progress.send_replace(confirmed);
                if left.is_empty() || !is_whole {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
            timeout(PATIENCE, connection.close(200, "done".into())).await.ok();
        } else {
            tokio::time::sleep(PATIENCE / 50).await;
        }
    }
    Ok(ledger)
}

async fn connect(url: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// Sends a window, of one turn. Answers how many messages were confirmed, and whether all were: if not, the connection is to
/// be made anew.
async fn window(channel: &Channel, left: &mut VecDeque<Message>, ledger: &mut Ledger) -> (usize, bool) {
    let turn = left.front().map(|message| message.turn);
    let size = left.iter().take(WINDOW).take_while(|message| Some(message.turn) == turn).count();
    let window: Vec<Message> = left.drain(..size).collect();
    let mut confirms = Vec::with_capacity(window.len());
    for message in &window {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = ("join-community".into(), message.routing_key.into());
        let sent = channel.basic_publish(exchange, key, options, &message.body, message.properties.clone());
        confirms.push(timeout(PATIENCE, sent).await);
    }
    let (mut confirmed, mut unconfirmed, deadline) = (0, Vec::new(), Instant::now() + PATIENCE);
    for (message, sent) in window.into_iter().zip(confirms) {
        let answer = match sent {
            Ok(Ok(confirm)) => timeout_at(deadline, confirm).await.ok().and_then(Result::ok),
            Ok(Err(_)) | Err(_) => None,
        };
        // A return may be attached to the wrong confirm: what came with one is sent again.
        if matches!(answer, Some(Confirmation::Ack(None))) {
            ledger.requests[message.request].confirmed += 1;
            confirmed += 1;
        } else {
            unconfirmed.push(message);
        }
    }
    let is_whole = unconfirmed.is_empty();
    // In front again: the next turn waits for it.
    for message in unconfirmed.into_iter().rev() {
        left.push_front(message);
    }
    (confirmed, is_whole)
}
