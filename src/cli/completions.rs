//! `completions`: what a shell needs to complete commands, options and their values. Made from the command line's own
//! description, so that it offers what is there.

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Context};

const AFTER_HELP: &str = "\
Examples:
  join-community completions bash > /etc/bash_completion.d/join-community
  join-community completions zsh > \"${fpath[1]}/_join-community\"
  join-community completions fish > ~/.config/fish/completions/join-community.fish";

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The shell that they are for.
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// If they cannot be written.
#[expect(clippy::unused_async, reason = "all commands are run alike")]
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    context.output.data(&script(args.shell)?)?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell) -> anyhow::Result<String> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    Ok(String::from_utf8(script)?)
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::script;

    #[test]
    fn commands_options_and_values_are_offered_in_every_shell() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell).unwrap();
            for word in ["dead-letters", "rebuild", "public-member-candidates", "human", "json"] {
                assert!(script.contains(word), "{shell} is not offered {word}");
            }
        }
    }
}
