//! Compares what is there with the plan, and changes nothing. Separate from declaring, because it is what a worker
//! without the right to configure, or an operator, can run at any time.

use lapin::Connection;
use serde::Serialize;

use super::declare::{Existence, look_at_exchange, look_at_queue, waiting};
use super::error::TopologyError;
use super::names::Names;
use super::plan::plan;
use crate::config::MOST_SHARDS;
use crate::rabbitmq::management::{Management, ManagementError};

mod compare;

/// How deeply was looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Depth {
    /// By AMQP, which tells only what exists.
    Existence,
    /// By the management API as well: arguments, bindings, alternate exchange and policies.
    Everything,
}

/// What verifying found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How deeply was looked.
    pub depth: Depth,
    /// Exchanges and queues that were looked at.
    pub objects: usize,
    /// What is not as planned. Empty if all is well.
    pub findings: Vec<Finding>,
}

/// Something that is not as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which exchange, queue or binding.
    pub object: String,
    /// What about it.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What is not as planned about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "problem")]
pub enum Problem {
    /// It does not exist.
    Missing,
    /// Something exists that should not.
    Unexpected,
    /// A shard from when there were more: no request comes into it any more, and workers drain it.
    LeftOver {
        /// What waits in it.
        messages: u32,
    },
    /// This user may not look at it.
    Hidden,
    /// It is another.
    Differs {
        /// In what.
        argument: String,
        /// What is planned.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// Why verifying was not possible.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// AMQP failed.
    #[error(transparent)]
    Broker(#[from] TopologyError),
    /// The management API failed.
    #[error(transparent)]
    Management(#[from] ManagementError),
}

impl Report {
    /// Whether everything is as planned, as far as was looked.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Finding {
    fn new(object: String, problem: Problem) -> Self {
        Self { object, problem }
    }
}

/// Looks at everything in the plan.
///
/// # Errors
/// If broker or management API do not tell. That something is missing is no error, but a finding.
pub async fn verify(
    connection: &Connection,
    management: Option<&Management>,
    names: &Names,
) -> Result<Report, VerifyError> {
    let plan = plan(names);
    let mut findings = Vec::new();
    for exchange in &plan.exchanges {
        let existence = look_at_exchange(connection, &exchange.name).await?;
        findings.extend(absent(format!("exchange `{}`", exchange.name), existence));
    }
    for queue in &plan.queues {
        let existence = look_at_queue(connection, &queue.name).await?;
        findings.extend(absent(format!("queue `{}`", queue.name), existence));
    }
    findings.extend(left_over(connection, names).await?);
    let depth = if let Some(management) = management {
        findings.extend(compare::everything(management, names, &plan).await?);
        Depth::Everything
    } else {
        Depth::Existence
    };
    Ok(Report { depth, objects: plan.exchanges.len() + plan.queues.len(), findings })
}

/// Shards beyond those that are planned.
async fn left_over(connection: &Connection, names: &Names) -> Result<Vec<Finding>, TopologyError> {
    let mut found = Vec::new();
    // Without the exchange there never was one.
    if look_at_exchange(connection, &names.spread()).await? != Existence::Exists {
        return Ok(found);
    }
    for number in names.shards() + 1..=MOST_SHARDS {
        let queue = names.shard(number);
        if let Some(messages) = waiting(connection, &queue).await? {
            found.push(Finding::new(format!("queue `{queue}`"), Problem::LeftOver { messages }));
        }
    }
    Ok(found)
}

fn absent(object: String, existence: Existence) -> Option<Finding> {
    let problem = match existence {
        Existence::Exists => return None,
        Existence::Missing => Problem::Missing,
        Existence::Hidden => Problem::Hidden,
    };
    Some(Finding::new(object, problem))
}
