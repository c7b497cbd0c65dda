//! The names of the wire form's keys (1.5), and which of them a reader looks at.

/// Where the keys stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireForm {
    /// A dict of its own: `user_id`, `roles`, ..
    Dict,
    /// Among the keys of an RPC message: `_context_user_id`, `_context_roles`, ..
    Rpc,
}

impl WireForm {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Dict => "",
            Self::Rpc => "_context_",
        }
    }
}

macro_rules! keys {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A key that `from_dict` reads.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Key { $($variant),* }

        impl Key {
            /// `None` for keys that Nova ignores: `user`, `project`, `tenant`, `user_identity`, anything unknown.
            pub(super) fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

keys! {
    UserId = "user_id",
    ProjectId = "project_id",
    ReadDeleted = "read_deleted",
    RemoteAddress = "remote_address",
    Timestamp = "timestamp",
    QuotaClass = "quota_class",
    ServiceCatalog = "service_catalog",
    AuthToken = "auth_token",
    Domain = "domain",
    UserDomain = "user_domain",
    ProjectDomain = "project_domain",
    IsAdmin = "is_admin",
    ReadOnly = "read_only",
    ShowDeleted = "show_deleted",
    RequestId = "request_id",
    GlobalRequestId = "global_request_id",
    ResourceUuid = "resource_uuid",
    Roles = "roles",
    UserName = "user_name",
    ProjectName = "project_name",
    DomainName = "domain_name",
    UserDomainName = "user_domain_name",
    ProjectDomainName = "project_domain_name",
    IsAdminProject = "is_admin_project",
    SystemScope = "system_scope",
}
