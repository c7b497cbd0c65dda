//! `cellctl servers show`: one server, looked up in the cell that its mapping names.

use context::ReadDeleted;
use instances::Servers;
use serde::Serialize;
use uuid::Uuid;

use crate::args::{Format, Global};
use crate::cloud::{Cloud, Executor};
use crate::commands::servers_filter::list_error;
use crate::commands::servers_list::ServerDocument;
use crate::exit::{CliError, Exit};
use crate::output::{self, progress::Progress, table};

#[derive(Serialize)]
struct Document {
    server: Shown,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    server: ServerDocument,
    deleted: bool,
}

pub(crate) async fn run(global: &Global, uuid: &str) -> Result<Exit, CliError> {
    let uuid = Uuid::try_parse(uuid).map_err(|_| CliError::usage("not a UUID"))?;
    let cloud = Cloud::open(global, "cellctl servers show").await?;
    let progress = Progress::of("looking for the server", global.timeout);
    // Whoever asks by id wants to know what became of it.
    let request = cloud.request.with_read_deleted(ReadDeleted::Yes);
    let left = cloud.deadline.remaining();
    let found = match &cloud.executor {
        Executor::Tasks(tasks) => {
            let servers = Servers::new(&request, &cloud.cells, tasks.clone());
            servers.api(&cloud.api).timeout(left).get(uuid).await
        }
        Executor::Threads(threads) => {
            let servers = Servers::new(&request, &cloud.cells, threads.clone());
            servers.api(&cloud.api).timeout(left).get(uuid).await
        }
    };
    drop(progress);
    let Some(server) = found.map_err(|error| list_error(&error))? else {
        return Err(CliError::usage("no server has this id"));
    };
    let deleted = server.deleted;
    let server = ServerDocument::of(server);
    match global.format {
        Format::Json => output::json(&Document {
            server: Shown { server, deleted },
        })?,
        _ => {
            let mut fields = server.fields();
            fields.push(("deleted".into(), deleted.into()));
            let rows = fields.iter().map(|(name, value)| {
                let text = match value {
                    serde_json::Value::String(text) => Some(text.clone()),
                    serde_json::Value::Null => None,
                    other => Some(other.to_string()),
                };
                vec![table::safe(name), table::optional(text.as_deref())]
            });
            output::text(&table::table(&["FIELD", "VALUE"], rows))?;
        }
    }
    Ok(Exit::Complete)
}
