//! Keeps a client connected: one task, which starts over after every fault and pauses longer each time.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::super::broker::Broker;
use super::super::pauses::Pauses;
use super::calls::Calls;
use super::session::{Order, Session};

/// What keeps the client connected.
pub(super) struct Keeper {
    pub(super) broker: Broker,
    pub(super) calls: Arc<Calls>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) session: Option<Session>,
}

impl Keeper {
    /// Works until the client is closed, or all who could use it are gone.
    pub(super) async fn run(mut self) {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = self.keep() => {}
            () = closed(&mut closing) => {}
        }
        // From here on nothing is taken; what was taken before is among the calls, and told.
        self.orders.close();
        self.calls.close();
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }

    async fn keep(&mut self) {
        let mut pauses = Pauses::up_to(self.broker.longest_pause);
        loop {
            if let Some(session) = &mut self.session {
                self.calls.note(None);
                let started = Instant::now();
                let Err(lost) = session.run(&mut self.orders, &self.calls).await else { return };
                self.calls.lose(lost);
                if started.elapsed() > self.broker.longest_pause {
                    pauses.reset();
                }
            }
            if let Some(session) = self.session.take() {
                session.close().await;
            }
            sleep(pauses.next_pause()).await;
            match Session::open(&self.broker).await {
                Ok(session) => self.session = Some(session),
                Err(lost) => self.calls.note(Some(Arc::new(lost))),
            }
        }
    }
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that nobody is left who could close it.
    drop(closing.wait_for(|is_closing| *is_closing).await);
}
