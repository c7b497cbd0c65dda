//! `cellctl cells watch`: keeps the mappings of a cloud current as a service does, and tells what happens to them, until
//! it is stopped. SIGHUP makes it read the allow-list and the mappings again, and so does an announcement.

use std::sync::Arc;
use std::time::Duration;

use cells::{CacheEvent, CachePolicy, Cells, GatePolicy, InvalidationGate, SystemClock};
use connect::{Caretaker, CaretakerPolicy, NovaConnector};
use context::AuditOutcome;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Format, Global, Watch};
use crate::cloud::Cloud;
use crate::exit::{CliError, Exit};
use crate::output::{self, Reader};
use crate::push;
use crate::trust;

/// One event: one line of JSON.
#[derive(Serialize)]
struct Line {
    sequence: u64,
    at: String,
    action: &'static str,
    outcome: &'static str,
    cell: Option<Cell>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Cell {
    uuid: String,
    name: Option<String>,
}

/// How long an event may wait to be shown.
const SHOWN_WITHIN: Duration = Duration::from_millis(50);

pub(crate) async fn run(global: &Global, watch: &Watch) -> Result<Exit, CliError> {
    let channel = push::channel(&watch.push)?;
    let policy = CachePolicy {
        reload_every: watch.every,
        ..CachePolicy::default()
    };
    let cloud = Cloud::kept(global, "cellctl cells watch", policy).await?;
    let system = |error| CliError::nothing(format_args!("listening to signals: {error}"));
    let mut stopped = signal(SignalKind::terminate()).map_err(system)?;
    let caretaking = CaretakerPolicy {
        budget: global.timeout,
        ..CaretakerPolicy::default()
    };
    let reread = reread_allow_list(global, cloud.cells.clone());
    let mut caretaker = Caretaker::start(&cloud.cells, caretaking)
        .on_hangup(reread)
        .map_err(system)?;
    if let Some((place, key)) = channel {
        let gate = InvalidationGate::new(key, GatePolicy::default(), Arc::new(SystemClock));
        caretaker = caretaker.follow(place, gate);
    }
    let ended = tokio::select! {
        shown = show(&cloud.cells, global.format) => shown,
        _ = stopped.recv() => Ok(Exit::Complete),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Complete),
    };
    drop(caretaker);
    ended
}

/// Puts the allow-list's file in force as it is now. One that cannot be used leaves the list in force as it was.
fn reread_allow_list(global: &Global, cells: Cells<NovaConnector>) -> impl Fn() + use<> {
    let path = global.allow_list.clone();
    move || match path.as_deref().map(trust::read_allow_list).transpose() {
        Ok(None) => {}
        Ok(Some(list)) => cells.set_allow_list(Some(list)),
        Err(error) => output::note(format_args!("cellctl: {error}; the list before stays")),
    }
}

/// Shows events until nobody reads them any more.
async fn show(cells: &Cells<NovaConnector>, format: Format) -> Result<Exit, CliError> {
    let mut looks = tokio::time::interval(SHOWN_WITHIN);
    let mut last = 0;
    loop {
        looks.tick().await;
        for event in cells.events(last) {
            if event.sequence != last + 1 {
                let missed = event.sequence - last - 1;
                output::note(format_args!(
                    "cellctl: {missed} events came too fast to be kept"
                ));
            }
            last = event.sequence;
            let line = line(&event);
            let reader = match format {
                Format::Json | Format::Jsonl | Format::Csv => output::json_line(&line)?,
                Format::Table => output::text_line(&in_words(&line))?,
            };
            if reader == Reader::Gone {
                return Ok(Exit::Complete);
            }
        }
    }
}

fn line(event: &CacheEvent) -> Line {
    const MILLIS: &[FormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    Line {
        sequence: event.sequence,
        at: OffsetDateTime::from(event.at)
            .format(MILLIS)
            .unwrap_or_default(),
        action: event.kind.action(),
        outcome: match event.kind.outcome() {
            AuditOutcome::Success => "success",
            AuditOutcome::Failure => "failure",
        },
        cell: event.cell.as_ref().map(|cell| Cell {
            uuid: cell.uuid().to_owned(),
            name: cell.name().map(str::to_owned),
        }),
        reason: event.kind.reason(),
    }
}

fn in_words(line: &Line) -> String {
    let mut words = format!("{}  {:<22}", line.at, line.action);
    if let Some(cell) = &line.cell {
        words.push_str(&format!("  {}", cell.name.as_deref().unwrap_or(&cell.uuid)));
    }
    if let Some(reason) = &line.reason {
        words.push_str(&format!("  {reason}"));
    }
    words
}
