//! `token`: development keys and session tokens, so that both ways of proving a caller can be tried without an issuer; and
//! tokens for operators.

mod console;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{Context, values};
use crate::auth::mint::{Algorithm, DevelopmentKeys, TokenClaims};
use crate::config;
use crate::domain::{Caller, IdentityType, MemberId, RequestId, SiteId};

const DEFAULT_KEYS: &str = ".services/keys";

const AFTER_HELP: &str = "\
Only for development: whoever reads the key directory can be anybody.

Examples:
  export JOIN_COMMUNITY__AUTH__ISSUER=https://login.localhost JOIN_COMMUNITY__AUTH__AUDIENCE=join-community
  TOKEN=$(join-community token mint --site SITE --member MEMBER)
  join-community token mint --site SITE --as APP:GUID --permission MEMBERS.MEMBER_JOIN_COMMUNITY
  join-community token mint --site SITE --member MEMBER --expires-in=-1h    # has expired
  join-community token mint --site SITE --member MEMBER |
    join-community enqueue --site SITE --token-file - --wait";

/// Commands of `token`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Sign a session token; keys are made at first use, and their public halves written as a JWKS.
    Mint(Mint),
    /// Make a token for an operator of the console, and the entry of `http.tokens` that takes it.
    Console(console::Console),
}

/// Arguments of `token mint`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Mint {
    /// The site that the token is for.
    #[arg(long, value_parser = values::site)]
    pub site: SiteId,
    /// The member who calls; with --as it is not needed and not looked at.
    #[arg(long, value_parser = values::member, required_unless_present = "caller")]
    pub member: Option<MemberId>,
    /// Who calls, if not a member.
    #[arg(long = "as", value_name = "TYPE:GUID", value_parser = values::caller)]
    pub caller: Option<Caller>,
    /// A permission that the caller holds, such as `MEMBERS.MEMBER_JOIN_COMMUNITY`; may be given several times.
    #[arg(long = "permission", value_name = "NAME")]
    pub permissions: Vec<String>,
    /// How long the token is valid; negative: it has expired.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = span, allow_hyphen_values = true)]
    pub expires_in: Duration,
    /// When the token becomes valid: a time in RFC 3339, or a duration from now.
    #[arg(long, value_name = "TIME|DURATION", value_parser = moment, allow_hyphen_values = true)]
    pub not_before: Option<OffsetDateTime>,
    /// Good for this request alone.
    #[arg(long, value_name = "ID", value_parser = values::request_id)]
    pub request_id: Option<RequestId>,
    /// What the token is signed with.
    #[arg(long, value_enum, default_value_t, ignore_case = true)]
    pub algorithm: Algorithm,
    /// Who issues the token; by default what `auth.issuer` says.
    #[arg(long)]
    pub issuer: Option<String>,
    /// Whom the token is for; by default what `auth.audience` says.
    #[arg(long)]
    pub audience: Option<String>,
    /// The key's name in the token, if not the true one: for tokens that are to be refused.
    #[arg(long)]
    pub kid: Option<String>,
    /// Directory of the keys; by default where `auth.jwks` lies if it is a file `jwks.json`, else `.services/keys`.
    #[arg(long, value_name = "DIRECTORY")]
    pub keys: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted {
    token: String,
    kid: String,
    jwks: String,
    expires_at: String,
}

impl ValueEnum for Algorithm {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let args = match command {
        Command::Mint(args) => args,
        Command::Console(args) => return console::run(args, context),
    };
    let auth = context.config.auth.clone();
    // Files and, at first use, the search for large primes: nothing for a thread that others wait for.
    let (keys, minted) = tokio::task::spawn_blocking(move || mint(args, &auth)).await??;
    if keys.created() {
        context.output.note(&hint(&minted.jwks, &context.config.auth));
    }
    context.output.result(&minted, |minted| minted.token.clone())?;
    Ok(ExitCode::SUCCESS)
}

/// What is left to do so that a worker takes the tokens of new keys.
fn hint(jwks: &str, auth: &config::Auth) -> String {
    if auth.jwks == jwks {
        return format!("made development keys; auth.jwks names them already: {jwks}");
    }
    format!(
        "made development keys; a worker takes their tokens with\n  JOIN_COMMUNITY__AUTH__JWKS={jwks}\n\
         and with auth.issuer and auth.audience set to what the token says"
    )
}

fn mint(args: Mint, auth: &config::Auth) -> anyhow::Result<(DevelopmentKeys, Minted)> {
    let claims = claims(&args, auth)?;
    let expires_at = claims.expires_at.format(&Rfc3339)?;
    let keys = DevelopmentKeys::load_or_create(&args.keys.unwrap_or_else(|| directory(&auth.jwks)))?;
    let kid = args.kid.unwrap_or_else(|| keys.kid(args.algorithm).to_owned());
    let token = keys.token_under(&claims, args.algorithm, &kid)?;
    let jwks = keys.jwks_path().display().to_string();
    Ok((keys, Minted { token, kid, jwks, expires_at }))
}

fn claims(args: &Mint, auth: &config::Auth) -> anyhow::Result<TokenClaims> {
    let member = args.member.map(|member| Caller { identity_type: IdentityType::Member, id: member.0 });
    let Some(caller) = args.caller.or(member) else {
        bail!("who calls is missing: give --member or --as");
    };
    let now = OffsetDateTime::now_utc();
    let Some(expires_at) = now.checked_add(args.expires_in) else {
        bail!("--expires-in reaches beyond the end of time");
    };
    Ok(TokenClaims {
        issuer: given(args.issuer.as_deref(), &auth.issuer, "issuer")?,
        audience: given(args.audience.as_deref(), &auth.audience, "audience")?,
        site: args.site,
        caller,
        permissions: args.permissions.clone(),
        expires_at: expires_at.replace_nanosecond(0)?,
        not_before: args.not_before,
        request_id: args.request_id.clone(),
    })
}

fn given(argument: Option<&str>, configured: &str, name: &str) -> anyhow::Result<String> {
    match argument.unwrap_or(configured) {
        "" => bail!("the {name} is missing: give --{name}, or a --config with auth.{name}"),
        value => Ok(value.to_owned()),
    }
}

/// Where a worker with this configuration looks, if that is a place that this command could have written.
fn directory(jwks: &str) -> PathBuf {
    let path = Path::new(jwks);
    let is_file = !jwks.contains("://") && path.file_name().is_some_and(|name| name == "jwks.json");
    match path.parent() {
        Some(parent) if is_file && parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) if is_file => parent.to_owned(),
        Some(_) | None => PathBuf::from(DEFAULT_KEYS),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let (negative, amount) = text.strip_prefix('-').map_or((false, text), |amount| (true, amount));
    let amount = humantime::parse_duration(amount).map_err(|error| format!("expected a duration like 1h: {error}"))?;
    let amount = Duration::try_from(amount).map_err(|_| "expected a shorter duration".to_owned())?;
    Ok(if negative { -amount } else { amount })
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let expected = || "expected a time like 2026-11-24T10:00:00Z or a duration like 10m".to_owned();
    match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(at) => Ok(at),
        Err(_) => OffsetDateTime::now_utc().checked_add(span(text).map_err(|_| expected())?).ok_or_else(expected),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;
    use time::Duration;

    use super::{Command, Mint, directory, mint};
    use crate::auth::mint::Algorithm;
    use crate::cli::{self, Cli};
    use crate::config;

    const SITE: &str = "6b0e7f1a-0000-4000-8000-000000000001";

    fn parse(more: &str) -> Result<Mint, clap::Error> {
        let line = format!("join-community token mint --site {SITE} {more}");
        let cli = Cli::try_parse_from(line.split_whitespace())?;
        let cli::Command::Token(Command::Mint(mint)) = cli.command else { panic!("{cli:?}") };
        Ok(mint)
    }

    #[test]
    fn somebody_has_to_call() {
        assert!(parse("").is_err());
        assert!(parse(&format!("--member {SITE}")).is_ok());
        assert!(parse(&format!("--as APP:{SITE}")).is_ok());
    }

    #[test]
    fn a_token_may_have_expired_or_not_begun() {
        let args = parse(&format!("--member {SITE} --expires-in -1h --not-before 10m --algorithm eddsa")).unwrap();
        assert_eq!((args.expires_in, args.algorithm), (-Duration::HOUR, Algorithm::EdDsa));
        for wrong in ["--expires-in 1", "--not-before tomorrow", "--algorithm HS256"] {
            assert!(parse(&format!("--member {SITE} {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_lie_where_the_worker_looks_if_that_can_be_written() {
        assert_eq!(directory("dev/jwks.json"), Path::new("dev"));
        assert_eq!(directory("jwks.json"), Path::new("."));
        for other in ["", "/etc/issuer.json", "https://issuer.example/.well-known/jwks.json"] {
            assert_eq!(directory(other), Path::new(".services/keys"), "{other}");
        }
    }

    #[test]
    fn an_issuer_is_needed_before_any_key_is_made() {
        let args = parse(&format!("--member {SITE} --keys /nowhere/to/be/written")).unwrap();
        let auth = config::load(None, Vec::<(String, String)>::new()).unwrap().auth;
        let problem = mint(args, &auth).err().unwrap().to_string();
        assert_eq!(problem, "the issuer is missing: give --issuer, or a --config with auth.issuer");
    }
}
