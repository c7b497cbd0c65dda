//! Nova's base rules and those of its server listing, as Nova registers them.
//!
//! The other actions of Nova's API are for whoever implements them to register.

use super::rules::{RuleDefault, Scope};

const PROJECT: &[Scope] = &[Scope::Project];
const OLD_ADMIN: Option<&str> = Some("is_admin:True");
const OLD_OWNER: Option<&str> = Some("is_admin:True or project_id:%(project_id)s");

const fn base(
    name: &'static str,
    check: &'static str,
    deprecated: Option<&'static str>,
) -> RuleDefault {
    RuleDefault {
        name,
        check,
        scopes: &[],
        deprecated,
    }
}

const fn action(name: &'static str, check: &'static str) -> RuleDefault {
    RuleDefault {
        name,
        check,
        scopes: PROJECT,
        deprecated: None,
    }
}

/// Nova's base rules, and the actions of listing and showing servers.
#[must_use]
pub fn nova_defaults() -> Vec<RuleDefault> {
    let owner = "is_admin:True or project_id:%(project_id)s";
    let reader = "rule:project_reader_or_admin";
    let admin = "rule:context_is_admin";
    vec![
        base("context_is_admin", "role:admin", OLD_ADMIN),
        base("admin_or_owner", owner, None),
        base("admin_api", "is_admin:True", None),
        base(
            "project_manager_api",
            "role:manager and project_id:%(project_id)s",
            OLD_ADMIN,
        ),
        base(
            "project_member_api",
            "role:member and project_id:%(project_id)s",
            OLD_OWNER,
        ),
        base(
            "project_reader_api",
            "role:reader and project_id:%(project_id)s",
            OLD_OWNER,
        ),
        base(
            "project_manager_or_admin",
            "rule:project_manager_api or rule:context_is_admin",
            OLD_ADMIN,
        ),
        base(
            "project_member_or_admin",
            "rule:project_member_api or rule:context_is_admin",
            OLD_OWNER,
        ),
        base(
            "project_reader_or_admin",
            "rule:project_reader_api or rule:context_is_admin",
            OLD_OWNER,
        ),
        action("os_compute_api:servers:index", reader),
        action("os_compute_api:servers:detail", reader),
        action("os_compute_api:servers:show", reader),
        action("os_compute_api:servers:index:get_all_tenants", admin),
        action("os_compute_api:servers:detail:get_all_tenants", admin),
        action("os_compute_api:servers:allow_all_filters", admin),
        action("os_compute_api:servers:show:host_status", admin),
        action(
            "os_compute_api:servers:show:host_status:unknown-only",
            admin,
        ),
        action(
            "os_compute_api:servers:create",
            "rule:project_member_or_admin",
        ),
        action(
            "os_compute_api:servers:delete",
            "rule:project_member_or_admin",
        ),
        action("compute:servers:resize:cross_cell", "!"),
    ]
}
