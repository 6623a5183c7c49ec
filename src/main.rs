//! The entry: everything that has to happen before a command can run, and how its end becomes an exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use join_community::cli::{self, Cli, Command, Context};
use join_community::{config, telemetry};

/// A third of the worker's own time went to the system's allocator (docs/performance.md). Bounds of what it keeps are in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// `EX_CONFIG` of `sysexits.h`: a service manager can tell a wrong configuration from a crash, and need not start again.
const BAD_CONFIGURATION: u8 = 78;
/// For what blocks a thread when everything else has ended. A name that is being looked up cannot be called off, and may take
/// minutes.
const LAST_MOMENTS: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    // A second provider, should a dependency ever bring one, would otherwise be a panic at the first TLS connection.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let cli = Cli::parse();
    let config = match config::load(cli.config.as_deref(), std::env::vars_os()) {
        Ok(config) => config,
        Err(findings) => {
            cli::complain(&findings);
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    if let Err(error) = telemetry::init(&config.log) {
        cli::complain(&error);
        return ExitCode::from(BAD_CONFIGURATION);
    }
    #[cfg(feature = "fail-points")]
    if let Err(error) = join_community::fail_point::arm(std::env::vars_os()) {
        cli::complain(&error);
        return ExitCode::from(BAD_CONFIGURATION);
    }
    let context = Context::new(config, cli.output, cli.config);
    run(cli.command, &context).unwrap_or_else(|error| cli::fail(&error))
}

fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(command.run(context));
    runtime.shutdown_timeout(LAST_MOMENTS);
    ended
}
