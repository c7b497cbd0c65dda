//! The commands, one file each; here they are only told apart.

mod allow_list;
mod cells_announce;
mod cells_check;
mod cells_list;
mod cells_seal;
mod cells_verify;
mod cells_watch;
mod demo;
mod keys_generate;
mod keys_push;
mod query;
mod servers_count;
mod servers_filter;
mod servers_list;
mod servers_pages;
mod servers_show;

use clap::CommandFactory;

use crate::args::{CellsCommand, Cli, Command, Format, KeysCommand, ServersCommand};
use crate::exit::{CliError, Exit};
use crate::output;

/// Runs the command that was asked for.
pub(crate) async fn run(cli: Cli) -> Result<Exit, CliError> {
    let global = &cli.global;
    let of_rows = matches!(
        cli.command,
        Command::Query(_) | Command::Servers(ServersCommand::List(_) | ServersCommand::Count(_))
    );
    let of_events = matches!(cli.command, Command::Cells(CellsCommand::Watch(_)))
        && global.format == Format::Jsonl;
    if !of_rows && !of_events && matches!(global.format, Format::Jsonl | Format::Csv) {
        return Err(CliError::usage(
            "--format jsonl and csv are for `servers list`, `servers count` and `query`",
        ));
    }
    match &cli.command {
        Command::Demo(demo) => demo::run(global, demo).await,
        Command::Cells(CellsCommand::List) => cells_list::run(global).await,
        Command::Cells(CellsCommand::Check) => cells_check::run(global).await,
        Command::Cells(CellsCommand::Seal(seal)) => cells_seal::run(global, seal).await,
        Command::Cells(CellsCommand::Verify) => cells_verify::run(global).await,
        Command::Cells(CellsCommand::Watch(watch)) => cells_watch::run(global, watch).await,
        Command::Cells(CellsCommand::Announce(announce)) => {
            cells_announce::run(global, announce).await
        }
        Command::Cells(CellsCommand::AllowList) => allow_list::run(global).await,
        Command::Keys(KeysCommand::Generate { out }) => keys_generate::run(global, out),
        Command::Keys(KeysCommand::Push { out }) => keys_push::run(global, out),
        Command::Servers(ServersCommand::List(list)) => servers_list::run(global, list).await,
        Command::Servers(ServersCommand::Show { uuid }) => servers_show::run(global, uuid).await,
        Command::Servers(ServersCommand::Count(count)) => servers_count::run(global, count).await,
        Command::Query(query) => query::run(global, query).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "cellctl", &mut script);
            output::text(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Complete)
        }
    }
}
