//! What became of a step: by the verdicts that stand recorded, and by what came back into the dead letters. Apart from
//! sending, because the next step depends on it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::run::{Replay, Sent};
use super::sending::ReplayError;
use crate::domain::Verdict;
use crate::postgres::RequestKey;
use crate::rabbitmq::dead_letters::{DeadLetters, mask, without_personal_data};
use crate::rabbitmq::topology::Names;
use crate::retry::Pauses;

/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Replay {
    /// Waits for the outcomes of what was sent, and counts them. Yields how many are failures: dead letters again,
    /// rejections, which are final for their request ids, and what has no outcome in time.
    pub(super) async fn await_outcomes(&mut self, mut open: Vec<Sent>) -> Result<u32, ReplayError> {
        let deadline = Instant::now() + self.order.patience;
        let queue = Names::of(&self.broker).dead_letters();
        let (mut pauses, mut failures, mut looked_at) = (Pauses::up_to(LONGEST_PAUSE), 0, 0);
        while !open.is_empty() {
            failures += self.take_verdicts(&mut open).await?;
            if open.is_empty() {
                break;
            }
            // Reading all of them is for when there is something new, and so something to be found.
            let waiting = self.courier.waiting(&queue).await.map_err(ReplayError::Looking)?;
            if waiting != looked_at {
                failures += self.take_back(&mut open).await?;
                looked_at = waiting;
            }
            if open.is_empty() || self.stop.is_cancelled() || Instant::now() >= deadline {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline.min(Instant::now() + pauses.next_pause())) => {}
                () = self.stop.cancelled() => {}
            }
        }
        let unsettled = u32::try_from(open.len()).unwrap_or(u32::MAX);
        self.tally.unsettled += unsettled;
        let patience = humantime::format_duration(self.order.patience);
        let why = if self.stop.is_cancelled() {
            "no outcome yet".to_owned()
        } else {
            format!("no outcome within {patience}")
        };
        for sent in &open {
            self.failed(sent, why.as_str());
        }
        Ok(failures + unsettled)
    }

    /// Counts the verdicts that stand recorded by now; yields how many are rejections.
    async fn take_verdicts(&mut self, open: &mut Vec<Sent>) -> Result<u32, ReplayError> {
        let keys: Vec<RequestKey> = open.iter().map(|sent| sent.key.clone()).collect();
        let verdicts: HashMap<usize, Verdict> = self.store.verdicts(&keys).await?.into_iter().collect();
        let mut rejections = 0;
        for (place, sent) in std::mem::take(open).into_iter().enumerate() {
            let Some(verdict) = verdicts.get(&place) else {
                open.push(sent);
                continue;
            };
            *self.tally.verdicts.entry(verdict.as_str()).or_default() += 1;
            match verdict {
                Verdict::Joined | Verdict::AlreadyJoined | Verdict::Left | Verdict::AlreadyLeft => {}
                Verdict::Rejected(_) => {
                    rejections += 1;
                    let code = verdict.code().unwrap_or_default();
                    let reason = verdict.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
                    self.failed(&sent, format!("rejected: {code}{reason}"));
                }
            }
        }
        Ok(rejections)
    }

    /// Counts those that lie among the dead letters again.
    async fn take_back(&mut self, open: &mut Vec<Sent>) -> Result<u32, ReplayError> {
        let mut back: HashMap<String, String> = HashMap::new();
        let wanted: HashSet<&str> = open.iter().map(|sent| sent.letter.as_str()).collect();
        let mut letters = DeadLetters::open(&self.broker).await?;
        let read = async {
            while let Some(letter) = letters.next().await? {
                if self.way_back.sent(&letter)
                    && let Some((of, _)) = &letter.replayed
                    && wanted.contains(of.as_str())
                {
                    let error = letter.error.as_deref().map(|error| without_personal_data(&mask(error)).into_owned());
                    let error = error.unwrap_or_default();
                    back.insert(
                        of.clone(),
                        format!("a dead letter again: {} {error}", letter.reason.unwrap_or("unknown")),
                    );
                }
            }
            Ok::<_, ReplayError>(())
        }
        .await;
        let closed = letters.close().await;
        read?;
        closed?;
        let mut count = 0;
        for sent in std::mem::take(open) {
            if let Some(why) = back.get(&sent.letter) {
                count += 1;
                self.failed(&sent, why.clone());
            } else {
                open.push(sent);
            }
        }
        self.tally.came_back += count;
        Ok(count)
    }
}
