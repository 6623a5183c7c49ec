//! *Load, decide, commit*, round by round, until every request of a batch has an answer that stands recorded.

use std::collections::HashSet;
use std::time::Duration;

use time::OffsetDateTime;

use crate::domain::{Decision, Member, Request, Standing, Verdict, decide, to_millis};
use crate::fail_point::{self, Point};
use crate::operations::{Laps, Step};
use crate::postgres::{Ruling, Session, StoreError};

/// What a request comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The verdict, and the member as the record has it now.
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// The member's record, a tombstone included.
        member: Option<Box<Member>>,
        /// Recorded just now, rather than earlier: what it owes is to be announced.
        fresh: bool,
    },
    /// The id was used for another request before.
    Conflict,
    /// The member is unknown, but may be on the way.
    Later,
    /// The caller is allowed to name a target, and did not.
    TargetMissing,
}

impl Outcome {
    /// The verdict, if it is one.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Verdict { verdict, .. } => Some(*verdict),
            Self::Conflict | Self::Later | Self::TargetMissing => None,
        }
    }
}

/// The policy that the rule is given.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How often an unknown member is waited for.
    pub patience: u32,
    /// How long a debt is ours alone.
    pub lease: Duration,
}

/// Brings every request to its outcome, in their order.
///
/// In one round at most one request for each member and one for each request key is decided, on what stands recorded;
/// the others go through load again after this round's commit. A verdict that leaned on a neighbour's change would
/// survive that change losing.
///
/// # Errors
/// Sorted by reaction. Nothing decided before a failure may be used after it: start again from here.
pub async fn bring_to_outcome(
    store: &mut Session,
    requests: &[&Request],
    policy: Policy,
    laps: &mut Laps,
) -> Result<Vec<Outcome>, StoreError> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; requests.len()];
    let mut open: Vec<usize> = (0..requests.len()).collect();
    while !open.is_empty() {
        let round = distinct(&open, requests);
        let asked: Vec<&Request> = round.iter().map(|place| requests[*place]).collect();
        for (place, outcome) in round.iter().zip(one_round(store, &asked, policy, laps).await?) {
            outcomes[*place] = outcome;
        }
        open.retain(|place| outcomes[*place].is_none());
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// The first open request for each member and each key.
fn distinct(open: &[usize], requests: &[&Request]) -> Vec<usize> {
    let mut members = HashSet::with_capacity(open.len());
    let mut keys = HashSet::with_capacity(open.len());
    let is_first = |place: &&usize| {
        let request = requests[**place];
        let free = request.target.is_none_or(|member| !members.contains(&(request.site, member)))
            && !keys.contains(&(request.site, &request.id, &request.requester));
        // Taken even where the request has to wait: what comes after it must not overtake it.
        members.extend(request.target.map(|member| (request.site, member)));
        keys.insert((request.site, &request.id, &request.requester));
        free
    };
    open.iter().filter(is_first).copied().collect()
}

/// One round. `None` for a request that was overtaken between load and commit: it goes through load again.
async fn one_round(
    store: &mut Session,
    requests: &[&Request],
    policy: Policy,
    laps: &mut Laps,
) -> Result<Vec<Option<Outcome>>, StoreError> {
    fail_point::pass(Point::BeforeLoad);
    let standings = store.load(requests).await?;
    laps.done(Step::Load);
    fail_point::pass(Point::AfterLoad);
    let now = to_millis(OffsetDateTime::now_utc());
    let decisions: Vec<Decision> =
        requests.iter().zip(&standings).map(|(request, standing)| decide(request, standing, policy.patience)).collect();
    let rulings: Vec<Ruling<'_>> = requests
        .iter()
        .zip(&standings)
        .zip(&decisions)
        .filter_map(|((request, standing), decision)| ruling(request, standing, *decision))
        .collect();
    laps.done(Step::Decide);
    let mut recorded = commit(store, &rulings, now, policy.lease).await?.into_iter();
    laps.done(Step::Commit);
    Ok(standings
        .into_iter()
        .zip(decisions)
        .map(|(standing, decision)| match decision {
            Decision::Decided(verdict) => {
                recorded.next().unwrap_or(false).then(|| fresh(verdict, standing.member, now))
            }
            Decision::Repeat(verdict) => {
                Some(Outcome::Verdict { verdict, member: standing.member.map(Box::new), fresh: false })
            }
            Decision::Conflict => Some(Outcome::Conflict),
            Decision::Later => Some(Outcome::Later),
            Decision::TargetMissing => Some(Outcome::TargetMissing),
        })
        .collect())
}

/// Commits what there is to commit. Answers for each ruling whether it stands recorded because of this.
async fn commit(
    store: &mut Session,
    rulings: &[Ruling<'_>],
    now: OffsetDateTime,
    lease: Duration,
) -> Result<Vec<bool>, StoreError> {
    if rulings.is_empty() {
        return Ok(Vec::new());
    }
    fail_point::pass(Point::BeforeCommit);
    let recorded = store.commit(rulings, now, lease).await?;
    fail_point::pass(Point::AfterCommit);
    Ok(recorded)
}

/// What there is to record of a decision.
pub(super) fn ruling<'a>(request: &'a Request, standing: &Standing, decision: Decision) -> Option<Ruling<'a>> {
    let Decision::Decided(verdict) = decision else { return None };
    let sequence = standing.member.as_ref().map(|member| member.event_sequence);
    let event_sequence = if verdict.leads_to().is_some() { sequence.map(|sequence| sequence + 1) } else { sequence };
    Some(Ruling { request, verdict, event_sequence })
}

/// The outcome of a verdict that was recorded just now, with the member as this very statement left it.
fn fresh(verdict: Verdict, member: Option<Member>, now: OffsetDateTime) -> Outcome {
    let member = match verdict.leads_to() {
        Some(privacy_status) => member.map(|member| member.becoming(privacy_status, now)),
        None => member,
    };
    Outcome::Verdict { verdict, member: member.map(Box::new), fresh: true }
}
