//! `topology`: the exchanges and queues of the broker.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::Context;
use super::print::visible;
use crate::rabbitmq::address::Address;
use crate::rabbitmq::connect::connect;
use crate::rabbitmq::management::Management;
use crate::rabbitmq::supervisor::close;
use crate::rabbitmq::topology::{self, Declared, Depth, Finding, Names, Problem, Report};

/// What the broker's dashboard shows.
const CONNECTION: &str = "join-community topology";

/// Commands of `topology`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create every exchange, queue and binding that is missing.
    Declare,
    /// Tell what exists, what is missing and what differs; exit code 1 if anything does.
    Verify,
    /// Print the topology as RabbitMQ definitions (JSON), for `rabbitmqctl import_definitions`.
    Export,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let config = &context.config;
    let names = Names::of(&config.broker).with_webhooks(&config.webhooks);
    match command {
        Command::Declare => {
            let connection = connect(&config.broker.url, CONNECTION, &config.broker).await?;
            let declared = topology::declare(&connection, &names).await?;
            close(&connection, config.broker.timeout).await;
            let json = json!({ "createdQueues": declared.created_queues });
            context.output.result(&json, |_| told(&declared).to_owned())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify => {
            let vhost = Address::parse(&config.broker.url)?.vhost().to_owned();
            let management = Management::new(&config.broker.management_url, &vhost, config.broker.timeout)?;
            let connection = connect(&config.broker.url, CONNECTION, &config.broker).await?;
            let report = topology::verify(&connection, management.as_ref(), &names).await?;
            close(&connection, config.broker.timeout).await;
            context.output.result(&report, summary)?;
            Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Export => {
            let vhost = Address::parse(&config.broker.url)?.vhost().to_owned();
            let definitions = topology::export(&names, &vhost);
            context.output.data(&format!("{}\n", serde_json::to_string_pretty(&definitions)?))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

const fn told(declared: &Declared) -> &'static str {
    if declared.created_queues {
        "Everything is declared. Queues were created: keep the broker running for two seconds before requests are sent."
    } else {
        "Everything is declared. Every queue was there already."
    }
}

fn summary(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        // Writing to a String cannot fail.
        writeln!(text, "{}", sentence(finding)).unwrap_or_default();
    }
    let outcome = match report.findings.len() {
        0 => "all is as planned".to_owned(),
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    };
    let depth = match report.depth {
        Depth::Existence => {
            "Looked by AMQP, which tells only what exists; with broker.management_url, arguments, bindings and policies \
             are compared as well."
        }
        Depth::Everything => "Arguments, bindings and policies were compared by the management API.",
    };
    write!(text, "{} exchanges and queues: {outcome}. {depth}", report.objects).unwrap_or_default();
    text
}

/// A finding as people read it.
pub(in crate::cli) fn sentence(finding: &Finding) -> String {
    let object = visible(&finding.object);
    match &finding.problem {
        Problem::Missing => format!("{object} is missing; `topology declare` creates it"),
        Problem::Unexpected => format!("{object} is not planned"),
        Problem::LeftOver { messages } => format!(
            "{object} is of more shards than broker.shards says and holds {messages} messages; workers drain it: delete it \
             once it is empty, the highest number first"
        ),
        Problem::Hidden => format!("{object} may not be looked at by this broker user"),
        Problem::Differs { argument, expected, found } => {
            format!("{object}: {} is {}, expected {}", visible(argument), visible(found), visible(expected))
        }
    }
}
