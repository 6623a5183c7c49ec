//! What operators set by hand: paused, held, bounded, drained, each with a reason, and on record before it counts; and what
//! they have tried at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Operator;
use super::actions::{Deed, said, tidy};
use super::failure::Failure;
use super::parts::Console;
use crate::domain::{Bounds, Control, Setting};
use crate::operations::Dependency;
use crate::postgres::{Action, Terms};
use crate::wire::instant;

/// A page that must be there while PostgreSQL is out waits no longer for what that has.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// Longer than a year is until it is released.
const LONGEST: u64 = 366 * 24 * 60 * 60;

/// A control that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetControl {
    /// `pause intake`, `pause events`, `pause cache`, `pause database`, `hold SITE` or `bounds`.
    pub control: String,
    /// Of `bounds`: lanes that work, up to `join.lanes` of each worker.
    pub lanes: Option<u16>,
    /// Of `bounds`: most requests in a batch, up to `join.batch_max`.
    pub batch: Option<u16>,
    /// Who has set it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: String,
    /// Until when; absent: until it is released.
    pub expires_at: Option<String>,
}

/// What is to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ControlOrder {
    /// `pause intake`, `pause events`, `pause cache`, `pause database`, `hold SITE` or `bounds`.
    pub(super) control: String,
    /// Of `bounds`.
    pub(super) lanes: Option<u16>,
    /// Of `bounds`.
    pub(super) batch: Option<u16>,
    /// Why; it is recorded.
    pub(super) reason: String,
    /// For how long; until it is released, if it is left out.
    pub(super) expires_in_seconds: Option<u64>,
}

/// What is to be released.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReleaseOrder {
    /// As it was set.
    pub(super) control: String,
    /// Why; it is recorded.
    pub(super) reason: String,
}

/// Why this worker is to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DrainOrder {
    /// Why; it is recorded.
    pub(super) reason: String,
}

/// What this worker is to try at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TryOrder {
    /// `broker`, `database` or `cache`.
    pub(super) service: String,
    /// Why; it is recorded.
    pub(super) reason: String,
}

impl Console {
    /// What is set now, as PostgreSQL has it.
    pub(super) async fn controls(&self) -> Result<Vec<SetControl>, Failure> {
        let settings = self.store.session().await.controls().await?;
        Ok(settings.into_iter().map(SetControl::from).collect())
    }

    /// The same for the page, which is to be there while PostgreSQL is away or hangs: then it is what this worker read last,
    /// if it read any, and why it is no newer.
    pub(super) async fn controls_as_known(&self) -> (Option<Vec<SetControl>>, Option<Failure>) {
        let read = tokio::time::timeout(READ_WITHIN, self.controls()).await.unwrap_or_else(|_| {
            let seconds = READ_WITHIN.as_secs();
            Err(Failure::Unavailable(format!("PostgreSQL does not answer within {seconds} seconds")))
        });
        match read {
            Ok(set) => (Some(set), None),
            Err(failure) => {
                let last = self.controls.last_read();
                (last.map(|set| set.into_iter().map(SetControl::from).collect()), Some(failure))
            }
        }
    }

    /// Sets a control for all workers.
    pub(super) async fn set_control(&self, operator: &Operator, order: &ControlOrder) -> Result<(), Failure> {
        let (control, terms) = order.read()?;
        let outcome = terms.bounds.map_or_else(
            || "set".to_owned(),
            |bounds| format!("set to {} lanes, batches of {}", bounds.lanes, bounds.batch),
        );
        let action = action(operator, "controls.set", control, &order.reason, &outcome)?;
        self.store.session().await.set_control(&action, terms).await?;
        Ok(())
    }

    /// Releases a control.
    pub(super) async fn release_control(&self, operator: &Operator, order: &ReleaseOrder) -> Result<(), Failure> {
        let action = action(operator, "controls.release", known(&order.control)?, &order.reason, "released")?;
        let was_set = self.store.session().await.release_control(&action).await?;
        if was_set { Ok(()) } else { Err(Failure::Missing(format!("{} is not set", order.control))) }
    }

    /// Has this worker, and no other, stop as a signal does.
    pub(super) async fn drain(&self, operator: &Operator, order: &DrainOrder) -> Result<(), Failure> {
        let reason = said(&order.reason)?;
        // After the note, which would go away with the worker; and all the same if whoever ordered it does not wait for that.
        let _stops = self.drain.clone().drop_guard();
        self.note(operator, Deed { action: "worker.drain", target: "this worker", reason, outcome: "ordered" }).await;
        Ok(())
    }

    /// Has this worker, and no other, try a service at once instead of waiting for the end of its pause.
    pub(super) async fn try_now(&self, operator: &Operator, order: &TryOrder) -> Result<(), Failure> {
        let (dependencies, reason) = (tried(&order.service)?, said(&order.reason)?);
        for dependency in dependencies {
            self.health.try_now(*dependency);
        }
        // Afterwards, unlike all else: the service that is out may be the one that keeps the record.
        let deed = Deed { action: "worker.try-now", target: &order.service, reason, outcome: "tried" };
        self.note(operator, deed).await;
        Ok(())
    }
}

impl ControlOrder {
    fn read(&self) -> Result<(Control, Terms), Failure> {
        let control = known(&self.control)?;
        let bounds = match (control, self.lanes, self.batch) {
            (Control::Bounds, Some(lanes @ 1..), Some(batch @ 1..)) => Some(Bounds { lanes, batch }),
            (Control::Bounds, _, _) => return Err(Failure::Invalid("bounds need lanes and batch, above 0".to_owned())),
            (_, None, None) => None,
            (_, _, _) => return Err(Failure::Invalid("only bounds have lanes and batch".to_owned())),
        };
        let seconds = match self.expires_in_seconds {
            Some(seconds @ 1..=LONGEST) => Some(Duration::from_secs(seconds).as_secs_f64()),
            Some(_) => return Err(Failure::Invalid(format!("expiresInSeconds is 1 to {LONGEST}"))),
            None => None,
        };
        Ok((control, Terms { bounds, seconds }))
    }
}

/// What is known under the name of a service.
fn tried(service: &str) -> Result<&'static [Dependency], Failure> {
    match service {
        "broker" => Ok(&[Dependency::Consuming, Dependency::Publishing]),
        "database" => Ok(&[Dependency::Database]),
        "cache" => Ok(&[Dependency::Cache]),
        _ => Err(Failure::Invalid("there is no service of that name; there are broker, database, cache".to_owned())),
    }
}

fn known(name: &str) -> Result<Control, Failure> {
    Control::parse(name).ok_or_else(|| {
        let names = "pause intake, pause events, pause cache, pause database, hold SITE, bounds";
        Failure::Invalid(format!("there is no control of that name; there are {names}"))
    })
}

fn action(operator: &Operator, word: &str, control: Control, reason: &str, outcome: &str) -> Result<Action, Failure> {
    let (who, role, reason) = (operator.who.to_string(), operator.role.as_str().to_owned(), tidy(said(reason)?));
    let (action, target, outcome) = (word.to_owned(), control.to_string(), outcome.to_owned());
    Ok(Action { who, role, action, target, reason, outcome })
}

impl From<Setting> for SetControl {
    fn from(setting: Setting) -> Self {
        let Setting { control, bounds, who, reason, since, expires_at } = setting;
        Self {
            control: control.to_string(),
            lanes: bounds.map(|bounds| bounds.lanes),
            batch: bounds.map(|bounds| bounds.batch),
            who,
            reason,
            since: instant::text(since),
            expires_at: expires_at.map(instant::text),
        }
    }
}

impl SetControl {
    /// It in one line, as a person reads it.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { control, lanes, batch, who, reason, since, expires_at } = self;
        let bounds = match (lanes, batch) {
            (Some(lanes), Some(batch)) => format!(" of {lanes} lanes, batches of {batch}"),
            _ => String::new(),
        };
        let until = expires_at.as_ref().map_or_else(|| "until released".to_owned(), |at| format!("until {at}"));
        format!("{control}{bounds}, since {since}, {until}, by {who}: {reason}")
    }
}
