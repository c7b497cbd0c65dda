//! The command line: what can be asked, in the words of the contract. Nothing is read or opened here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// See every cell of a Nova cloud at once: which there are, whether they answer, and their servers in one list.
#[derive(Debug, Parser)]
#[command(name = "cellctl", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cellctl demo
      a small cloud on SQLite, one cell of which hangs
  cellctl --nova-conf /etc/nova/nova.conf cells list
      the cells, as this host sees them
  cellctl --nova-conf /etc/nova/nova.conf cells check
      does each cell's database and bus answer?
  cellctl --api-db sqlite:////var/lib/nova/nova_api.sqlite servers list --limit 50
      the newest 50 servers of all cells
  cellctl --nova-conf /etc/nova/nova.conf --format json --timeout 5 servers list | jq .cells
      which cells answered within 5 seconds
  cellctl --nova-conf /etc/nova/nova.conf --format csv servers list --page-all > servers.csv
      every server, however many
  cellctl --nova-conf /etc/nova/nova.conf query --sql 'SELECT host, COUNT(*) FROM instances GROUP BY host'
      the same question to every cell's database

Exit codes:
  0  all cells that were asked answered      2  wrong usage or configuration
  1  some cell did not                       3  no cell answered, or the mappings could not be read
  128 + N  signal N ended it (130: ^C); what it had running in the cells was ended, too";

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// A nova.conf: of `[api_database]` and `[database]` connection and connection_parameters are read, of `[DEFAULT]`
    /// transport_url, and what `[oslo_messaging_rabbit]` says of TLS and queues. Later files win, as for Nova's own
    /// --config-file; a folder stands for its *.conf, as for --config-dir. Variables like OS_DATABASE__CONNECTION win over
    /// files, as for Nova
    #[arg(long, value_name = "FILE|DIR", global = true)]
    pub(crate) nova_conf: Vec<PathBuf>,

    /// The API database, as SQLAlchemy writes it: sqlite:////abs/path, mysql+pymysql://user:password@host/nova_api.
    /// Better given by the environment: other users can see a command line
    #[arg(
        long,
        value_name = "URL",
        global = true,
        env = "CELLCTL_API_DB",
        hide_env_values = true
    )]
    pub(crate) api_db: Option<String>,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    pub(crate) format: Format,

    /// Seconds for the whole call, fractions allowed; what has not answered by then is reported as timed out
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, global = true)]
    pub(crate) timeout: Duration,

    /// What runs the work in the cells
    #[arg(long, value_enum, default_value_t = ExecutorKind::Async, global = true)]
    pub(crate) executor: ExecutorKind,

    /// Which hosts, ports and databases mappings may name (TOML); a mapping that names another is rejected.
    /// `cells allow-list` prints one for today's mappings
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) allow_list: Option<PathBuf>,

    /// The signed manifest of the mappings
    #[arg(
        long,
        value_name = "MANIFEST",
        global = true,
        requires = "trusted_keys"
    )]
    pub(crate) seals: Option<PathBuf>,

    /// Keys whose manifests are believed (PREFIX.pub), repeatable
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) trusted_keys: Vec<PathBuf>,

    /// Ask only cells whose mapping is validly sealed
    #[arg(long, global = true, requires = "seals")]
    pub(crate) require_seals: bool,

    /// Also log to stderr: -v what failed and why, -vv every step
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, at 100 columns
    Table,
    /// One JSON document
    Json,
    /// A JSON document per row, for `servers list`, `servers count` and `query`; what became of the cells goes to stderr
    Jsonl,
    /// Comma-separated values with a heading (RFC 4180), for the same commands and with the same to stderr
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecutorKind {
    /// Tasks of an async runtime
    Async,
    /// A bounded pool of threads
    Thread,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build a small cloud on SQLite, list its servers, hang one cell, list them again
    Demo(Demo),
    /// The cells themselves
    #[command(subcommand)]
    Cells(CellsCommand),
    /// The servers of all cells
    #[command(subcommand)]
    Servers(ServersCommand),
    /// Run one SQL statement that only reads in every cell; each cell's database refuses any other
    Query(Query),
    /// The keys that seal mappings
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Write a shell's completion script to stdout
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether it goes on until it is told to stop, which it listens for by itself.
    pub(crate) fn stays(&self) -> bool {
        matches!(self, Self::Cells(CellsCommand::Watch(_)))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many cells, besides cell0
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) cells: u16,
    /// How many servers, over all cells
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) servers: u32,
    /// Build the cloud in this folder, which must be empty or not there yet, and leave it there
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CellsCommand {
    /// Every cell mapping, with its URLs masked and what is wrong with it
    List,
    /// Whether each cell's database and bus answer
    Check,
    /// Sign a manifest of the current mappings, after showing what changes
    Seal(Seal),
    /// The state of each cell's seal; needs --seals and --trusted-keys
    Verify,
    /// Print an allow-list that lets today's mappings pass and nothing else
    AllowList,
    /// Keep the mappings current, as a service does, and print what happens to them: one line for each event, with
    /// --format json or jsonl one JSON document for each. SIGHUP reads the allow-list and the mappings again; ends at SIGTERM
    Watch(Watch),
    /// Tell every process that listens that a mapping was changed, so that it looks at once
    Announce(Announce),
}

/// Where changed mappings are announced.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The Redis that carries announcements: redis://user:password@host:port/, or rediss:// for TLS. Better given by the
    /// environment: other users can see a command line
    #[arg(long, value_name = "URL", env = "CELLCTL_PUSH", hide_env_values = true)]
    pub(crate) push: Option<String>,
    /// The key that announcements are signed with (`keys push` makes one)
    #[arg(long, value_name = "FILE")]
    pub(crate) push_key: Option<PathBuf>,
    /// The channel's name
    #[arg(long, value_name = "NAME", default_value = "nova_cells.invalidations")]
    pub(crate) push_channel: String,
}

#[derive(Debug, Args)]
pub(crate) struct Announce {
    /// The cell whose mapping was changed; all of them where none is named
    #[arg(long, value_name = "UUID")]
    pub(crate) cell: Option<String>,
    #[command(flatten)]
    pub(crate) push: Push,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Seconds between two loads of the mappings when nothing else asks for one
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) every: Duration,
    #[command(flatten)]
    pub(crate) push: Push,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key: PREFIX.key signs and is the operator's alone, PREFIX.pub goes to the services
    Generate {
        /// Where the two files go; existing ones are never written over
        #[arg(long, value_name = "PREFIX")]
        out: PathBuf,
    },
    /// Make the key that announcements of changed mappings are signed with, for those who announce and who listen
    Push {
        /// Where it goes; an existing file is never written over
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Seal {
    /// The signing key, PREFIX.key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where the manifest goes; one that is there is the last one: its serial is continued and the difference shown
    #[arg(long, value_name = "MANIFEST")]
    pub(crate) out: PathBuf,
    /// For how many days the seals hold
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
    /// Show what would change, and sign nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServersCommand {
    /// One ordered page of the servers of all cells
    List(ServersList),
    /// One server, deleted or not, from whichever cell has it
    Show {
        /// Its id
        #[arg(value_name = "UUID")]
        uuid: String,
    },
    /// How many servers there are by project, state and cell
    Count(ServersCount),
}

/// Which servers are meant.
#[derive(Debug, Args)]
pub(crate) struct ServersFilter {
    /// Servers of this project alone
    #[arg(long, value_name = "ID", conflicts_with = "all_projects")]
    pub(crate) project: Option<String>,
    /// Servers of all projects; the default
    #[arg(long)]
    pub(crate) all_projects: bool,
    /// Whether soft-deleted servers are part of the list
    #[arg(long, value_enum, default_value_t = Deleted::No)]
    pub(crate) deleted: Deleted,
    /// Names that contain this text
    #[arg(long, value_name = "SUBSTR")]
    pub(crate) name: Option<String>,
    /// Servers on this compute host
    #[arg(long, value_name = "H")]
    pub(crate) host: Option<String>,
    /// Servers in this state: active, error, stopped …
    #[arg(long, value_name = "S")]
    pub(crate) status: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ServersCount {
    #[command(flatten)]
    pub(crate) filter: ServersFilter,
    /// Count what the cells that answered have, where others do not: otherwise there is no count
    #[arg(long)]
    pub(crate) allow_partial: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// One SELECT; write a LIMIT where there may be many rows
    #[arg(long, value_name = "SELECT…")]
    pub(crate) sql: String,
    /// Which cells are asked: their uuids, `all`, or `no-cell0`
    #[arg(long, value_name = "UUID,…|all|no-cell0", default_value = "all")]
    pub(crate) cells: String,
}

#[derive(Debug, Args)]
pub(crate) struct ServersList {
    #[command(flatten)]
    pub(crate) filter: ServersFilter,
    /// A sort key and its direction, repeatable. Default: created_at:desc, id:desc; uuid:asc is always the last
    #[arg(long, value_name = "KEY:asc|desc")]
    pub(crate) sort: Vec<String>,
    /// How many servers at the most; with --page-all, on one page
    #[arg(long, value_name = "N", default_value_t = 1000, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) limit: u32,
    /// Start after this server
    #[arg(long, value_name = "UUID")]
    pub(crate) marker: Option<String>,
    /// All pages, one after the other, of --limit servers each: written as they come, so that memory does not grow with
    /// the list. A cell that does not answer is not asked for later pages
    #[arg(long)]
    pub(crate) page_all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deleted {
    /// Living servers alone
    No,
    /// Living and deleted servers
    Yes,
    /// Deleted servers alone
    Only,
}

/// A positive number of seconds, at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if !(number > 0.0 && number <= 86_400.0) {
        return Err("seconds are more than 0 and at most 86400".into());
    }
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_timeout_is_a_positive_number_of_seconds() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for bad in ["0", "-1", "NaN", "inf", "1e9", "5s", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
