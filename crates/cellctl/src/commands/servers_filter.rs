//! The words that say which servers are meant, as `servers list` and `servers count` take them.

use context::ProjectId;
use instances::{ListError, NameFilter, ServerFilter};

use crate::args::{Deleted, ServersFilter};
use crate::cloud::select_error;
use crate::exit::CliError;

pub(super) fn filter(args: &ServersFilter) -> Result<ServerFilter, CliError> {
    let project = args.project.as_deref().map(ProjectId::parse).transpose();
    let project = project.map_err(|error| CliError::usage(format_args!("--project: {error}")))?;
    let mut filter = ServerFilter {
        project,
        host: args.host.clone(),
        name: args.name.clone().map(NameFilter::Contains),
        deleted: Some(match args.deleted {
            Deleted::No => context::ReadDeleted::No,
            Deleted::Yes => context::ReadDeleted::Yes,
            Deleted::Only => context::ReadDeleted::Only,
        }),
        ..ServerFilter::default()
    };
    if let Some(status) = &args.status {
        // The API's statuses are in capitals (ACTIVE, SHUTOFF), the table's states are not (active, stopped).
        match status.parse() {
            Ok(status) => filter.statuses.push(status),
            Err(instances::UnknownStatus) => filter.vm_states.push(status.clone()),
        }
    }
    Ok(filter)
}

pub(super) fn list_error(error: &ListError) -> CliError {
    match error {
        ListError::Select(error) => select_error(error),
        ListError::Scope(error) => CliError::usage(error),
        ListError::MarkerNotFound(_) => CliError::usage(error),
        ListError::MarkerUnreachable { .. } | ListError::CellsDown(_) => CliError::partial(error),
        other => CliError::nothing(other),
    }
}
