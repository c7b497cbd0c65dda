//! `cellctl`, the operator's command. This file starts the process and ends it; what the commands do is beside it.

mod args;
mod cloud;
mod commands;
mod exit;
mod interrupt;
mod oslo_conf;
mod output;
mod push;
mod revision_key;
mod settings;
mod trust;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::Cli;
use crate::exit::{CliError, Exit};
use crate::interrupt::{Interrupted, unless_interrupted};

fn main() -> ExitCode {
    // clap prints usage errors itself and ends with 2, which is what the contract says.
    let cli = Cli::parse();
    log_to_stderr(cli.global.verbose);
    match run(cli) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(interrupted)) => interrupted.into(),
        Err(error) => {
            output::note(format_args!("cellctl: {error}"));
            error.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Result<Exit, Interrupted>, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::nothing(format_args!("starting the runtime: {error}")))?;
    let result = runtime.block_on(async {
        // It has signals of its own.
        if cli.command.stays() {
            return commands::run(cli).await.map(Ok);
        }
        let ended = unless_interrupted(commands::run(cli)).await;
        match ended
            .map_err(|error| CliError::nothing(format_args!("listening to signals: {error}")))?
        {
            Ok(result) => result.map(Ok),
            Err(interrupted) => Ok(Err(interrupted)),
        }
    });
    // A thread stuck in a cell's file must not keep the process: what it would say, nobody waits for.
    runtime.shutdown_background();
    result
}

/// Logs go to stderr, and only when asked for: by `-v`, `-vv` or RUST_LOG. At `-vv` they have what databases said.
fn log_to_stderr(verbose: u8) {
    let default = match verbose {
        0 => "off",
        1 => "warn,nova_audit=info",
        _ => "info,nova_cells=debug,nova_scatter=debug,nova_connect=debug,nova_cells::detail=debug",
    };
    let filter = match verbose {
        0 => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default)),
        _ => EnvFilter::new(default),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
