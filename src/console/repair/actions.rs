//! The same with whoever does it: on record before anything is changed, and what came of it afterwards.

use std::sync::Arc;

use super::moving::{Order, Way};
use super::run::nothing_left;
use super::{DryRun, Plan, Progress};
use crate::config::ConsoleRole;
use crate::console::access::Operator;
use crate::console::actions::{Deed, said};
use crate::console::failure::Failure;
use crate::console::oldest::missing;
use crate::console::parts::Console;
use crate::console::which::Which;
use crate::replay::{Link, Moved, Shown};

impl Console {
    /// What letters would come to if they were replayed now; `unmasked` for an admin who says why.
    pub(in crate::console) async fn dry_run(
        &self,
        operator: &Operator,
        which: &Which,
        force: bool,
        unmasked: Option<&str>,
    ) -> Result<DryRun, Failure> {
        let selection = which.selection()?;
        let reason = unmasked.unwrap_or_default();
        let target = which.words();
        if unmasked.is_some() {
            let deed = Deed { action: "dead_letters.dry_run_unmasked", target: &target, reason, outcome: "shown" };
            if operator.role < ConsoleRole::Admin {
                let outcome = format!("refused: needs role {}", ConsoleRole::Admin.as_str());
                self.note(operator, Deed { outcome: &outcome, ..deed }).await;
                return Err(Failure::Forbidden("personal data is shown to an admin alone".to_owned()));
            }
            said(reason)?;
            self.record(operator, deed).await?;
        }
        let shown = self.repair.dry_run(&self.letters, selection, force, unmasked.is_some()).await;
        let outcome = outcome(&shown, |dry_run| format!("foresaw {}", dry_run.shown.len()));
        self.note(operator, Deed { action: "dead_letters.dry_run", target: &target, reason, outcome: &outcome }).await;
        shown
    }

    /// Begins a replay in the background, once it is on record.
    pub(in crate::console) async fn begin_replay(
        self: &Arc<Self>,
        operator: &Operator,
        plan: Plan,
        reason: &str,
    ) -> Result<Option<Progress>, Failure> {
        said(reason)?;
        let words = plan.words.clone();
        let deed = Deed { action: "dead_letters.replay", target: &words, reason, outcome: "ordered" };
        self.record(operator, deed).await?;
        let ordered = self.ordered(operator, deed);
        let ended = move |outcome| ordered.ended(outcome);
        let started = self.repair.start(&self.letters, plan, &operator.who, ended).await;
        self.note_if_failed(operator, deed, &started).await;
        started?;
        Ok(self.repair.progress())
    }

    /// Goes on with the replay that stopped before its end, once that is on record.
    pub(in crate::console) async fn resume_replay(
        self: &Arc<Self>,
        operator: &Operator,
        reason: &str,
    ) -> Result<Option<Progress>, Failure> {
        said(reason)?;
        let stopped = self.repair.progress().filter(|progress| progress.resumable).ok_or_else(nothing_left)?;
        let target = format!("{} of {}", stopped.id, stopped.letters);
        let deed = Deed { action: "dead_letters.replay_resume", target: &target, reason, outcome: "ordered" };
        self.record(operator, deed).await?;
        let ordered = self.ordered(operator, deed);
        let ended = move |outcome| ordered.ended(outcome);
        let started = self.repair.resume(&self.letters, &operator.who, ended).await;
        self.note_if_failed(operator, deed, &started).await;
        started?;
        Ok(self.repair.progress())
    }

    /// Has the replay that goes on stop between two letters; also while PostgreSQL is away.
    pub(in crate::console) async fn stop_replay(
        &self,
        operator: &Operator,
        reason: &str,
    ) -> Result<Option<Progress>, Failure> {
        said(reason)?;
        let (stopped, progress) = (self.repair.stop(), self.repair.progress());
        let target = progress.as_ref().map(|progress| progress.id.as_str()).unwrap_or_default();
        let outcome = if stopped { "told to stop" } else { "nothing goes on" };
        self.note(operator, Deed { action: "dead_letters.replay_stop", target, reason, outcome }).await;
        Ok(progress)
    }

    /// Discards as many as somebody says that there are.
    pub(in crate::console) async fn discard(
        self: &Arc<Self>,
        operator: &Operator,
        which: &Which,
        agreed: u32,
        reason: &str,
    ) -> Result<Moved, Failure> {
        self.move_letters(operator, which, Way::Discard(agreed), reason).await
    }

    /// Takes back what was discarded.
    pub(in crate::console) async fn restore(
        self: &Arc<Self>,
        operator: &Operator,
        which: &Which,
        reason: &str,
    ) -> Result<Moved, Failure> {
        self.move_letters(operator, which, Way::Restore, reason).await
    }

    async fn move_letters(
        self: &Arc<Self>,
        operator: &Operator,
        which: &Which,
        way: Way,
        reason: &str,
    ) -> Result<Moved, Failure> {
        said(reason)?;
        let (selection, words) = (which.selection()?, which.words());
        let deed = Deed { action: way.action(), target: &words, reason, outcome: "ordered" };
        self.record(operator, deed).await?;
        let ordered = self.ordered(operator, deed);
        let ended = move |outcome| ordered.ended(outcome);
        let order = Order { selection, words: words.clone(), way };
        self.repair.move_letters(&self.letters, order, &operator.who, ended).await
    }

    /// Shows what an edited letter comes to, and sends it where it is said why.
    pub(in crate::console) async fn edit(
        &self,
        operator: &Operator,
        id: &str,
        body: String,
        why: Option<&str>,
    ) -> Result<(Shown, Link), Failure> {
        let (send, reason) = (why.is_some(), why.unwrap_or_default());
        let deed = Deed { action: "dead_letters.edit", target: id, reason, outcome: "ordered" };
        if send {
            said(reason)?;
            self.record(operator, deed).await?;
        }
        let edited = self.repair.edit(&self.letters, id, body.into_bytes(), send).await;
        let done = if send { "sent" } else { "foreseen" };
        let outcome = outcome(&edited, |edited| match edited {
            Some((_, link)) => format!("{done}: {link}"),
            None => "not found".to_owned(),
        });
        self.note(operator, Deed { outcome: &outcome, ..deed }).await;
        edited?.ok_or_else(missing)
    }
}

/// What was ordered and goes on by itself, until it is on record what came of it.
struct Ordered {
    console: Arc<Console>,
    operator: Operator,
    action: String,
    target: String,
    reason: String,
}

impl Console {
    fn ordered(self: &Arc<Self>, operator: &Operator, deed: Deed<'_>) -> Ordered {
        let [action, target, reason] = [deed.action, deed.target, deed.reason].map(ToOwned::to_owned);
        Ordered { console: Arc::clone(self), operator: operator.clone(), action, target, reason }
    }

    async fn note_if_failed(&self, operator: &Operator, deed: Deed<'_>, done: &Result<(), Failure>) {
        if let Err(failure) = done {
            let outcome = format!("failed: {}", failure.message());
            self.note(operator, Deed { outcome: &outcome, ..deed }).await;
        }
    }
}

impl Ordered {
    async fn ended(self, outcome: String) {
        let Self { console, operator, action, target, reason } = self;
        let deed = Deed { action: &action, target: &target, reason: &reason, outcome: &outcome };
        console.note(&operator, deed).await;
    }
}

/// Nothing is changed without a word of why.
fn outcome<T>(done: &Result<T, Failure>, words: impl FnOnce(&T) -> String) -> String {
    match done {
        Ok(done) => words(done),
        Err(failure) => format!("failed: {}", failure.message()),
    }
}
