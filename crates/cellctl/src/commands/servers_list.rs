//! `cellctl servers list`: one ordered page of the servers of all cells, and what became of each cell.

use instances::{DownCells, Page, Server, ServerQuery, SortBy};
use serde::Serialize;
use serde_json::Value;
use time::PrimitiveDateTime;
use uuid::Uuid;

use crate::args::{Format, Global, ServersList};
use crate::cloud::{Cloud, on_servers};
use crate::commands::servers_filter::{filter, list_error};
use crate::commands::servers_pages;
use crate::exit::{CliError, Exit};
use crate::output::lines::{Fields, Lines};
use crate::output::report::{CellDocument, exit, millis, note_failed, note_missing, outcomes};
use crate::output::{self, progress::Progress, table};

/// One listing, in the shape of the contract.
#[derive(Serialize)]
pub(crate) struct Listing {
    pub(crate) servers: Vec<ServerDocument>,
    pub(crate) cells: Vec<CellDocument>,
    pub(crate) partial: bool,
    pub(crate) next_marker: Option<String>,
    /// Wall-clock time of the whole call, for the table.
    #[serde(skip)]
    elapsed_ms: u64,
}

#[derive(Serialize)]
pub(crate) struct ServerDocument {
    uuid: String,
    name: Option<String>,
    project_id: Option<String>,
    user_id: Option<String>,
    vm_state: Option<String>,
    host: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    launched_at: Option<String>,
    /// The cell's uuid.
    cell: String,
    /// What a table calls the cell.
    #[serde(skip)]
    cell_name: Option<String>,
}

/// What a server's fields are called, in their order.
pub(crate) const NAMES: [&str; 10] = [
    "uuid",
    "name",
    "project_id",
    "user_id",
    "vm_state",
    "host",
    "created_at",
    "updated_at",
    "launched_at",
    "cell",
];

pub(crate) async fn run(global: &Global, args: &ServersList) -> Result<Exit, CliError> {
    // Before anything is opened: a mistake in the words costs no time.
    let query = query(args)?;
    let cloud = Cloud::open(global, "cellctl servers list").await?;
    if args.page_all {
        return servers_pages::run(global, &cloud, &query).await;
    }
    let progress = Progress::of("listing servers", global.timeout);
    let listing = list(&cloud, &query).await?;
    drop(progress);
    match global.format {
        Format::Json => output::json(&listing)?,
        Format::Table => output::text(&listing.table(usize::MAX))?,
        Format::Jsonl | Format::Csv => {
            let mut lines = Lines::new(global.format, NAMES);
            for server in &listing.servers {
                if !lines.row(&server.fields())? {
                    break;
                }
            }
            lines.flush()?;
            note_missing(&listing.cells);
            if let Some(marker) = &listing.next_marker {
                output::note(format_args!("cellctl: more with --marker {marker}"));
            }
        }
    }
    note_failed(&listing.cells, global.verbose);
    Ok(exit(&listing.cells))
}

/// Lists on whichever executor was asked for.
pub(crate) async fn list(cloud: &Cloud, query: &ServerQuery) -> Result<Listing, CliError> {
    let page = on_servers!(cloud, servers => servers.list(query, DownCells::Skip).await);
    page.map(Listing::of).map_err(|error| list_error(&error))
}

fn query(args: &ServersList) -> Result<ServerQuery, CliError> {
    let mut sort = Vec::new();
    for text in &args.sort {
        // A default direction would be a guess: the contract writes it out.
        let key: SortBy = match text.contains(':') {
            true => text.parse(),
            false => Err(instances::InvalidSort::UnknownDirection),
        }
        .map_err(|error| CliError::usage(format_args!("--sort: {error}")))?;
        if sort.iter().any(|earlier: &SortBy| earlier.key == key.key) {
            return Err(CliError::usage(format_args!(
                "--sort: {} is named twice",
                key.key
            )));
        }
        sort.push(key);
    }
    let marker = args.marker.as_deref().map(Uuid::try_parse).transpose();
    let marker = marker.map_err(|_| CliError::usage("--marker: not a UUID"))?;
    Ok(ServerQuery {
        filter: filter(&args.filter)?,
        sort,
        limit: args.limit,
        marker,
    })
}

impl Listing {
    fn of(page: Page) -> Self {
        Self {
            partial: page.is_partial(),
            next_marker: page.next_marker.map(|uuid| uuid.to_string()),
            elapsed_ms: millis(page.elapsed),
            cells: page
                .cells
                .iter()
                .map(|cell| CellDocument::of(cell, |rows| *rows))
                .collect(),
            servers: page.servers.into_iter().map(ServerDocument::of).collect(),
        }
    }

    /// The first `shown` servers, and every cell's outcome.
    pub(crate) fn table(&self, shown: usize) -> String {
        // Servers that are not there are not seen: the cells that lack come before them.
        let mut text = match self.partial {
            true => outcomes(&self.cells),
            false => String::new(),
        };
        text.push_str(&servers_table(self.servers.iter().take(shown)));
        if let Some(more) = self
            .servers
            .len()
            .checked_sub(shown)
            .filter(|more| *more > 0)
        {
            text.push_str(&format!("… and {more} more\n\n"));
        }
        if !self.partial {
            text.push_str(&outcomes(&self.cells));
        }
        let answered = self.cells.iter().filter(|cell| cell.is_answered()).count();
        text.push_str(&format!(
            "{} servers; {answered} of {} cells answered; {:.3} s\n",
            self.servers.len(),
            self.cells.len(),
            std::time::Duration::from_millis(self.elapsed_ms).as_secs_f64(),
        ));
        if let Some(marker) = &self.next_marker {
            text.push_str(&format!("More with --marker {marker}\n"));
        }
        text
    }
}

/// Servers as a table shows them.
pub(crate) fn servers_table<'d>(servers: impl Iterator<Item = &'d ServerDocument>) -> String {
    table::table(
        &["UUID", "NAME", "STATE", "CREATED", "CELL"],
        servers.map(|server| {
            vec![
                table::safe(&server.uuid),
                table::optional(server.name.as_deref()),
                table::optional(server.vm_state.as_deref()),
                table::optional(server.created_at.as_deref()),
                table::optional(server.cell_name.as_deref().or(Some(&server.cell))),
            ]
        }),
    )
}

impl ServerDocument {
    /// Its fields by the contract's names.
    pub(crate) fn fields(&self) -> Fields {
        let fields = [
            Some(&self.uuid),
            self.name.as_ref(),
            self.project_id.as_ref(),
            self.user_id.as_ref(),
            self.vm_state.as_ref(),
            self.host.as_ref(),
            self.created_at.as_ref(),
            self.updated_at.as_ref(),
            self.launched_at.as_ref(),
            Some(&self.cell),
        ];
        let value = |text: Option<&String>| text.map_or(Value::Null, |text| text.as_str().into());
        let named = NAMES.into_iter().zip(fields);
        named
            .map(|(name, text)| (name.to_owned(), value(text)))
            .collect()
    }

    pub(crate) fn of(server: Server) -> Self {
        Self {
            uuid: server.uuid.to_string(),
            name: server.name,
            project_id: server.project_id,
            user_id: server.user_id,
            vm_state: server.vm_state,
            host: server.host,
            created_at: server.created_at.map(timestamp),
            updated_at: server.updated_at.map(timestamp),
            launched_at: server.launched_at.map(timestamp),
            cell: server.cell.uuid().to_owned(),
            cell_name: server.cell.name().map(str::to_owned),
        }
    }
}

/// RFC 3339 in UTC, as Nova's API writes times; with microseconds only where there are any.
fn timestamp(time: PrimitiveDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    let micros = match clock.microsecond() {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    let (hour, minute, second) = clock.as_hms();
    format!("{date}T{hour:02}:{minute:02}:{second:02}{micros}Z")
}

#[cfg(test)]
mod tests {
    use time::{Date, Month, Time};

    use super::*;

    #[test]
    fn times_are_written_as_novas_api_does() {
        let date = Date::from_calendar_date(2026, Month::September, 8).unwrap();
        let at =
            |micros| PrimitiveDateTime::new(date, Time::from_hms_micro(4, 33, 0, micros).unwrap());
        assert_eq!(timestamp(at(0)), "2026-09-08T04:33:00Z");
        assert_eq!(timestamp(at(1200)), "2026-09-08T04:33:00.001200Z");
    }
}
