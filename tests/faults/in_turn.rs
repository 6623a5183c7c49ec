//! Members who ask to join and to leave in turn, and which of their requests had to be decided in that order. Apart from the
//! mixed load, whose requests may be decided in any.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Result;

use crate::dice::Dice;
use crate::ledger::{Expected, Ledger};
use crate::load::Load;
use crate::logs;
use crate::suite::support::{Installation, JOINABLE};

/// How workers log, so that they tell what became of each request.
pub(crate) const FILTER: &str = "info,lapin=off,join_community::join=debug";

/// A request got its verdict.
const DECIDED: [&str; 2] = [": settled ", "fresh=true"];
/// Later ones may have overtaken it.
const OVERTAKEN: [&str; 2] = ["a delivery that came back is tried alone", "tried again later"];
/// A shard came into other hands without the loss of any: what its worker had in hand may have been overtaken.
const LEFT: &str = "a shard is left to a worker that serves fewer";

/// The requests of each such member, in the order of their sending, by their places in the ledger.
pub(crate) struct InTurn(Vec<Vec<usize>>);

impl InTurn {
    /// Adds so many such members to a load, each with a request in each of so many turns. What it holds already is spread
    /// between.
    pub(crate) async fn add(load: &mut Load, installation: &Installation, members: usize, turns: usize) -> Self {
        let mut dice = Dice::new(load.ledger.seed.wrapping_add(3));
        let others = load.messages.len();
        for (place, message) in load.messages.iter_mut().enumerate() {
            message.turn = place * turns / others;
        }
        let site = dice.id();
        let mut sequences = Vec::new();
        let members = load.members(installation, site, JOINABLE, members).await;
        for (number, member) in members.into_iter().enumerate() {
            let mut sequence = Vec::new();
            for turn in 0..turns {
                let id = dice.id().to_string();
                // Half of them ask last to leave, the others to join.
                let request = if (number + turn).is_multiple_of(2) {
                    load.join(id, member, Expected::Joined)
                } else {
                    load.leave(id, member, Expected::Left)
                };
                sequence.push(request);
                if let Some(message) = load.messages.last_mut() {
                    message.turn = turn;
                }
            }
            sequences.push(sequence);
        }
        dice.shuffle(&mut load.messages);
        load.messages.sort_by_key(|message| message.turn);
        Self(sequences)
    }

    /// How many requests there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Which of them had to be decided in the order of their sending, as the workers' logs tell. Where a shard was left to
    /// another worker, those that one worker decided: what it still had in hand of that shard the other one may have overtaken.
    pub(crate) fn promised(&self, folder: &Path, ledger: &Ledger) -> Result<Vec<Vec<usize>>> {
        let mut overtaken = HashSet::new();
        for words in OVERTAKEN {
            overtaken.extend(logs::requests(folder, &[words])?.into_iter().map(|(_, id)| id));
        }
        let decided = logs::requests(folder, &DECIDED)?.into_iter().map(|(log, id)| (id, log));
        let decided: HashMap<String, String> = decided.filter(|(id, _)| !overtaken.contains(id)).collect();
        let is_left = logs::count(folder, LEFT)? > 0;
        let mut promised = Vec::new();
        for sequence in &self.0 {
            let mut by_worker: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for place in sequence {
                if let Some(log) = decided.get(&ledger.requests[*place].id) {
                    by_worker.entry(if is_left { log.as_str() } else { "" }).or_default().push(*place);
                }
            }
            promised.extend(by_worker.into_values());
        }
        Ok(promised)
    }
}
