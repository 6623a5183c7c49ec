//! `enqueue`: one request, sent as a producer sends it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::print::visible;
use super::record::{Deed, said};
use super::{Context, values};
use crate::domain::{Caller, IdentityType, MemberId, Method, RequestId, SiteId};
use crate::rabbitmq::producer::{Order, Producer};
use crate::wire::member::mask;
use crate::wire::request::{Draft, encode};

const GRANTED: i64 = 200;

const AFTER_HELP: &str = "\
Examples:
  join-community enqueue --site SITE --member MEMBER --wait
  join-community enqueue --site SITE --member MEMBER --as APP:GUID --elevated --wait --timeout 5s
  join-community enqueue --leave --site SITE --member MEMBER --wait
  join-community token mint … | join-community enqueue --site SITE --token-file - --wait";

/// Arguments of `enqueue`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own at the command line")]
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Leave the community instead of joining it.
    #[arg(long)]
    pub leave: bool,
    /// The site whose community is joined or left.
    #[arg(long, value_parser = values::site)]
    pub site: SiteId,
    /// The member who joins or leaves; may be left out if the caller is a member.
    #[arg(long, value_parser = values::member, required_unless_present_any = ["caller", "token", "token_file"])]
    pub member: Option<MemberId>,
    /// Who calls, for a producer that is trusted to say so; without it and without a token, the member itself.
    #[arg(long = "as", value_name = "TYPE:GUID", value_parser = values::caller)]
    pub caller: Option<Caller>,
    /// Ask for elevated permission.
    #[arg(long)]
    pub elevated: bool,
    /// The caller's session token. Other users of this machine can see it: prefer --token-file.
    #[arg(long, value_name = "JWT", value_parser = values::secret(), conflicts_with = "token_file")]
    pub token: Option<SecretString>,
    /// File with the caller's session token; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The request's id; sending it again asks for the first verdict again. By default a new, time-ordered UUID.
    #[arg(long, value_name = "ID", value_parser = values::request_id)]
    pub request_id: Option<RequestId>,
    /// Wait for the reply; exit code 1 unless its status is 200.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait for the reply.
    #[arg(long, value_name = "DURATION", default_value = "30s", requires = "wait", value_parser = values::duration)]
    pub timeout: Duration,
    /// Show the personal data in the reply; who did, and why, is recorded before, in the database.
    #[arg(long, requires = "wait", requires = "why")]
    pub unmask: bool,
    /// Why it has to be seen.
    #[arg(long, value_name = "TEXT", value_parser = values::why)]
    pub why: Option<String>,
}

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Box<RawValue>>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let token = token(&args)?;
    let id = args.request_id.clone().map_or_else(new_id, Ok)?;
    let draft = draft(&args, token.is_some());
    let body = encode(&draft);
    let method = if args.leave { Method::Leave } else { Method::Join };
    let order = Order { id: &id, method, body: &body, member: draft.target(), token: token.as_ref() };
    if args.unmask {
        let (why, target) = (said(args.why.as_deref())?, format!("{}, the reply to {id}", args.site));
        Deed { action: "enqueue.unmask", target: &target, why }.begins("shown", context).await?;
    }

    let mut producer = Producer::connect(&context.config.broker, args.wait).await?;
    producer.send(&order).await?;
    let answer = if args.wait { Some(producer.reply_to(&id, args.timeout).await) } else { None };
    producer.close().await;
    let answer = answer
        .transpose()
        .with_context(|| format!("request {id} is in the queue; asking again under this id is safe"))?;

    let status = answer.as_ref().map(|answer| answer.status);
    let reply = answer.map(|answer| shown(&answer.body, args.unmask)).transpose().context("the reply is no JSON")?;
    let outcome = Outcome { request_id: id.to_string(), status, reply };
    context.output.result(&outcome, words)?;
    Ok(if status.is_none_or(|status| status == GRANTED) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Without a token and without `--as`, the member asks for itself, as in `members.joinCommunity()`.
fn draft(args: &Args, has_token: bool) -> Draft {
    let itself = args.member.filter(|_| !has_token);
    let itself = itself.map(|member| Caller { identity_type: IdentityType::Member, id: member.0 });
    // Left out rather than `false`: with a token, leaving it out lets the token's permission count.
    let elevated = args.elevated.then_some(true);
    Draft { site: args.site, member: args.member, identity: args.caller.or(itself), elevated }
}

fn token(args: &Args) -> anyhow::Result<Option<SecretString>> {
    match &args.token_file {
        Some(file) => values::token_in(file).map(Some),
        None => Ok(args.token.clone()),
    }
}

/// Ordered by time, which spares the worker's index a leaf a request.
fn new_id() -> anyhow::Result<RequestId> {
    RequestId::parse(&Uuid::now_v7().to_string()).context("no request id could be made")
}

/// A reply as it is shown: a success holds the whole member.
fn shown(body: &[u8], unmasked: bool) -> serde_json::Result<Box<RawValue>> {
    if unmasked {
        // Byte for byte, as it came.
        return serde_json::from_slice(body);
    }
    let mut reply: Value = serde_json::from_slice(body)?;
    if let Some(member) = reply.get_mut("member").and_then(Value::as_object_mut) {
        *member = mask(std::mem::take(member));
    }
    to_raw_value(&reply)
}

fn words(outcome: &Outcome) -> String {
    let Outcome { request_id, status, reply } = outcome;
    let Some(status) = status else { return format!("sent {request_id}") };
    let body = reply.as_ref().and_then(|reply| serde_json::from_str::<Value>(reply.get()).ok()).unwrap_or_default();
    let body: Vec<_> = format!("{body:#}").lines().map(|line| visible(line).into_owned()).collect();
    format!("{request_id}: {status}\n{}", body.join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::draft;
    use crate::cli::{Cli, Command};
    use crate::wire::request::{Draft, encode};

    const GUID: &str = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";

    fn parsed(options: &[&str]) -> Result<Draft, clap::Error> {
        let line = ["join-community", "enqueue", "--site", GUID];
        let Command::Enqueue(args) = Cli::try_parse_from(line.iter().chain(options))?.command else { unreachable!() };
        Ok(draft(&args, args.token.is_some()))
    }

    #[test]
    fn a_member_asks_for_itself_unless_somebody_else_is_said_to() {
        let body = String::from_utf8(encode(&parsed(&["--member", GUID]).unwrap())).unwrap();
        assert!(body.contains(&format!(r#""identity":{{"identityType":"MEMBER","memberId":"{GUID}"}}"#)), "{body}");
        let app = format!("APP:{GUID}");
        let draft = parsed(&["--member", GUID, "--as", &app, "--elevated"]).unwrap();
        assert_eq!(draft.identity.unwrap().to_string(), app);
        assert_eq!(draft.elevated, Some(true));
        assert_eq!(
            parsed(&["--token", "x.y.z"]).unwrap(),
            Draft { elevated: None, ..parsed(&["--token", "x"]).unwrap() }
        );
        assert!(parsed(&["--token", "x.y.z", "--member", GUID]).unwrap().identity.is_none());
    }

    #[test]
    fn a_request_for_nobody_is_wrong_usage() {
        assert!(parsed(&[]).is_err());
        assert!(parsed(&["--member", GUID, "--timeout", "1s"]).is_err(), "--timeout without --wait");
        assert!(parsed(&["--member", GUID, "--wait", "--unmask"]).is_err(), "--unmask without --why");
        assert!(parsed(&["--member", GUID, "--unmask", "--why", "ticket"]).is_err(), "--unmask without --wait");
        assert!(parsed(&["--member", GUID, "--wait", "--unmask", "--why", "ticket"]).is_ok());
        assert!(parsed(&["--member", GUID, "--token", "a", "--token-file", "b"]).is_err());
    }
}
