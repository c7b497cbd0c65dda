//! The headers that speak of identity. A verifier removes them all from what a client sent.

/// Every header that keystonemiddleware sets or that Nova reads an identity from. `openstack-system-scope` is among
/// them: keystonemiddleware forgets to remove that one (W-29).
pub const IDENTITY_HEADERS: &[&str] = &[
    "x-identity-status",
    "x-domain-id",
    "x-domain-name",
    "x-project-id",
    "x-project-name",
    "x-project-domain-id",
    "x-project-domain-name",
    "x-user-id",
    "x-user-name",
    "x-user-domain-id",
    "x-user-domain-name",
    "x-roles",
    "x-is-admin-project",
    "x-service-catalog",
    "openstack-system-scope",
    "x-service-identity-status",
    "x-service-domain-id",
    "x-service-domain-name",
    "x-service-project-id",
    "x-service-project-name",
    "x-service-project-domain-id",
    "x-service-project-domain-name",
    "x-service-user-id",
    "x-service-user-name",
    "x-service-user-domain-id",
    "x-service-user-domain-name",
    "x-service-roles",
    "x-role",
    "x-user",
    "x-tenant-id",
    "x-tenant-name",
    "x-tenant",
];

/// The headers that carry tokens: secrets, and refused where they are there twice.
pub(super) const TOKEN_HEADERS: &[&str] = &["x-auth-token", "x-storage-token", "x-service-token"];

/// The header's name as CGI would see it: `X_User_Id` and `X-User-Id` are one variable there.
pub(super) fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Whether a header speaks of identity, under its own name or one that a CGI gateway would take for it.
#[must_use]
pub fn is_identity_header(name: &str) -> bool {
    let name = canonical(name);
    IDENTITY_HEADERS.contains(&name.as_str()) || TOKEN_HEADERS.contains(&name.as_str())
}
