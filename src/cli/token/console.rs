//! `token console`: a token for an operator, and the entry that lets it in. Separate from `token mint`, whose tokens are for
//! development and prove a caller.

use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Serialize;

use crate::cli::Context;
use crate::config::ConsoleRole;
use crate::console::Secret;

/// Arguments of `token console`.
#[derive(Debug, clap::Args)]
pub struct Console {
    /// Who it is for: what the log and the record of actions say.
    #[arg(long, value_parser = name)]
    pub name: String,
    /// What they may do.
    #[arg(long, value_enum)]
    pub role: ConsoleRole,
}

#[derive(Serialize)]
struct Made {
    token: String,
    name: String,
    role: &'static str,
    sha256: String,
}

impl ValueEnum for ConsoleRole {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// Makes one. It is shown once, and kept nowhere.
pub(super) fn run(args: Console, context: &Context) -> anyhow::Result<ExitCode> {
    let Secret { token, sha256 } = Secret::make().map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let made = Made { token, name: args.name, role: args.role.as_str(), sha256 };
    context.output.note(&format_args!(
        "The token is shown once. The worker takes it with\n\n[[http.tokens]]\nname = \"{}\"\nrole = \"{}\"\nsha256 = \"{}\"\n",
        made.name, made.role, made.sha256
    ));
    context.output.result(&made, |made| made.token.clone())?;
    Ok(ExitCode::SUCCESS)
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
    fits.then(|| text.to_owned()).ok_or_else(|| "expected 1 to 64 letters, digits, and -_.@".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn a_name_and_a_role_are_needed() {
        let parses = |more: &str| {
            let line = format!("join-community token console {more}");
            Cli::try_parse_from(line.split_whitespace()).is_ok()
        };
        assert!(parses("--name ana --role viewer") && parses("--role admin --name a.b@c"));
        for wrong in ["", "--name ana", "--role viewer", "--name ana --role root", "--name a\"b --role viewer"] {
            assert!(!parses(wrong), "{wrong}");
        }
    }
}
