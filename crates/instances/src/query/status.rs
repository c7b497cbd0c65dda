//! A server's status as the API names it, and the states in the table that it stands for.
//!
//! Nova filters by status through its state map (`nova/api/openstack/common.py`): the states that can show the status,
//! and, where the status only shows during a task, those tasks. As in Nova, a status that is some state's usual one
//! finds all servers in that state, also those whose task shows another status meanwhile.

use std::fmt;
use std::str::FromStr;

/// One status of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(&'static Row);

#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: &'static str,
    vm_states: &'static [&'static str],
    /// Empty: whatever the task.
    tasks: &'static [&'static str],
}

const RESIZE: &[&str] = &[
    "resize_prep",
    "resize_migrating",
    "resize_migrated",
    "resize_finish",
];
const REBUILD: &[&str] = &[
    "rebuilding",
    "rebuild_block_device_mapping",
    "rebuild_spawning",
];

const fn usual(name: &'static str, vm_states: &'static [&'static str]) -> Row {
    let tasks = &[];
    Row {
        name,
        vm_states,
        tasks,
    }
}

const fn during(
    name: &'static str,
    vm_states: &'static [&'static str],
    tasks: &'static [&'static str],
) -> Row {
    Row {
        name,
        vm_states,
        tasks,
    }
}

static ROWS: [Row; 19] = [
    usual("ACTIVE", &["active"]),
    usual("BUILD", &["building"]),
    usual("DELETED", &["deleted"]),
    usual("ERROR", &["error"]),
    during(
        "HARD_REBOOT",
        &["active"],
        &[
            "rebooting_hard",
            "reboot_pending_hard",
            "reboot_started_hard",
        ],
    ),
    during("MIGRATING", &["active", "paused"], &["migrating"]),
    during("PASSWORD", &["active"], &["updating_password"]),
    usual("PAUSED", &["paused"]),
    during(
        "REBOOT",
        &["active"],
        &["rebooting", "reboot_pending", "reboot_started"],
    ),
    during("REBUILD", &["active", "stopped", "error"], REBUILD),
    usual("RESCUE", &["rescued"]),
    during("RESIZE", &["active", "stopped"], RESIZE),
    during("REVERT_RESIZE", &["resized"], &["resize_reverting"]),
    usual("SHELVED", &["shelved"]),
    usual("SHELVED_OFFLOADED", &["shelved_offloaded"]),
    usual("SHUTOFF", &["stopped"]),
    usual("SOFT_DELETED", &["soft-delete"]),
    usual("SUSPENDED", &["suspended"]),
    usual("VERIFY_RESIZE", &["resized"]),
];

/// No such status. The text is not repeated: it comes from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown status; the statuses are {}", names())]
pub struct UnknownStatus;

fn names() -> String {
    let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    names.join(", ")
}

impl Status {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn vm_states(self) -> &'static [&'static str] {
        self.0.vm_states
    }

    pub(crate) fn tasks(self) -> &'static [&'static str] {
        self.0.tasks
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    /// Reads a status; case does not matter.
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let found = ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(text));
        found.map(Self).ok_or(UnknownStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_any_case_and_an_unknown_one_lists_the_others() {
        assert_eq!(
            "shutoff".parse::<Status>().unwrap().vm_states(),
            ["stopped"]
        );
        let error = "running".parse::<Status>().unwrap_err().to_string();
        assert!(
            error.contains("ACTIVE, BUILD") && !error.contains("running"),
            "{error}"
        );
    }

    #[test]
    fn a_status_of_a_task_names_its_tasks() {
        let reboot: Status = "REBOOT".parse().unwrap();
        assert_eq!((reboot.vm_states().len(), reboot.tasks().len()), (1, 3));
    }
}
