//! Headers of a verified request, and those that nobody verified, that lie, or that contradict each other.
#![cfg(feature = "serde")]

use std::sync::Arc;

use nova_context::{
    Guard, HeaderFault, InvalidHeaders, RequestContext, UpstreamTrust, VerifiedHeaders,
    is_identity_header,
};

const USER: &[(&str, &str)] = &[
    ("X-Identity-Status", "Confirmed"),
    ("X-User-Id", "u1"),
    ("X-User-Name", "demo"),
    ("X-User-Domain-Id", "default"),
    ("X-Project-Id", "p1"),
    ("X-Roles", "member, reader,,"),
    ("X-Auth-Token", "gAAAAAB0123456789012345678901234567890"),
    (
        "X-Service-Catalog",
        r#"[{"type":"image","endpoints":[{"publicURL":"https://i"}]},{"type":"compute","endpoints":[]}]"#,
    ),
    ("Accept", "*/*"),
];

fn read(headers: &[(&str, &str)]) -> Result<RequestContext, InvalidHeaders> {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    let trust = UpstreamTrust::because("a test");
    let verified = VerifiedHeaders::from_upstream(headers, trust)?;
    Ok(verified.context(Arc::new(Guard::default()), None, None, None))
}

fn with(more: &[(&'static str, &'static str)]) -> Result<RequestContext, InvalidHeaders> {
    let headers: Vec<_> = USER.iter().chain(more).copied().collect();
    read(&headers)
}

fn without(
    name: &str,
    more: &[(&'static str, &'static str)],
) -> Result<RequestContext, InvalidHeaders> {
    let headers = USER.iter().filter(|(held, _)| *held != name);
    read(&headers.chain(more).copied().collect::<Vec<_>>())
}

fn faults(result: Result<RequestContext, InvalidHeaders>) -> Vec<(&'static str, HeaderFault)> {
    match result {
        Err(InvalidHeaders::Problems(problems)) => problems
            .into_iter()
            .map(|problem| (problem.header, problem.fault))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn confirmed_headers_become_a_context() {
    let ctx = with(&[]).unwrap();
    assert_eq!(ctx.identity().user.name.as_deref(), Some("demo"));
    assert_eq!(ctx.roles(), &["member", "reader"].into_iter().collect());
    assert_eq!(ctx.catalog().service_types().collect::<Vec<_>>(), ["image"]);
    assert!(ctx.token().is_some() && ctx.identity().is_admin_project && !ctx.is_admin());
}

#[test]
fn headers_that_nobody_confirmed_are_nothing() {
    assert_eq!(
        without("X-Identity-Status", &[]).unwrap_err(),
        InvalidHeaders::NotConfirmed
    );
    let invalid = without("X-Identity-Status", &[("X-Identity-Status", "Invalid")]);
    assert_eq!(invalid.unwrap_err(), InvalidHeaders::NotConfirmed);
}

#[test]
fn a_users_name_is_never_taken_for_an_id() {
    let named = without("X-User-Id", &[("X-User", "root")]);
    assert_eq!(named.unwrap_err(), InvalidHeaders::NoUser);
    let tenant = without("X-Project-Id", &[("X-Tenant", "admin")]).unwrap();
    assert!(tenant.identity().project.id.is_none());
    let tenant = without("X-Project-Id", &[("X-Tenant-Id", "p2")]).unwrap();
    assert_eq!(
        tenant.identity().project.id.as_ref().unwrap().as_str(),
        "p2"
    );
}

#[test]
fn doubled_and_look_alike_headers_are_refused() {
    assert_eq!(
        faults(with(&[("x-user-id", "admin")])),
        [("x-user-id", HeaderFault::Repeated)]
    );
    assert_eq!(
        faults(with(&[("X_Roles", "admin")])),
        [("x-roles", HeaderFault::LookAlike)]
    );
}

#[test]
fn service_headers_need_a_confirmed_service() {
    let spoofed = faults(with(&[
        ("X-Service-Roles", "service"),
        ("X-Service-User-Id", "nova"),
    ]));
    assert_eq!(
        spoofed,
        [
            ("x-service-roles", HeaderFault::Unconfirmed),
            ("x-service-user-id", HeaderFault::Unconfirmed)
        ]
    );
    let ctx = with(&[
        ("X-Service-Identity-Status", "Confirmed"),
        ("X-Service-Roles", "service"),
        ("X-Service-User-Id", "nova"),
        ("X-Service-Token", "gAAAAAB-service-0123456789012345678901"),
    ])
    .unwrap();
    assert_eq!(
        ctx.service().unwrap().user.id.as_ref().unwrap().as_str(),
        "nova"
    );
    assert!(ctx.service().unwrap().token.is_some());
}

#[test]
fn a_service_tokens_system_scope_does_not_rub_off_on_a_projects_user() {
    let scope = ("OpenStack-System-Scope", "all");
    assert_eq!(with(&[scope]).unwrap().identity().system_scope, None);
    let system = without("X-Project-Id", &[scope]).unwrap();
    assert_eq!(system.identity().system_scope.as_deref(), Some("all"));
    assert!(is_identity_header("OPENSTACK_SYSTEM_SCOPE"));
}

#[test]
fn malformed_values_are_all_named_and_never_repeated() {
    let headers: Vec<_> = USER
        .iter()
        .filter(|(name, _)| !["X-Project-Id", "X-Auth-Token", "X-Service-Catalog"].contains(name))
        .copied()
        .chain([
            ("X-Project-Id", "ca nary"),
            ("X-Auth-Token", "canary"),
            ("X-Service-Catalog", "canary"),
        ])
        .collect();
    let error = read(&headers).unwrap_err();
    let text = error.to_string();
    for header in ["x-project-id", "x-auth-token", "x-service-catalog"] {
        assert!(text.contains(header), "{text}");
    }
    assert!(!text.contains("canary"));
}

#[test]
fn is_admin_project_is_false_for_anything_but_true() {
    assert!(
        with(&[("X-Is-Admin-Project", "TRUE")])
            .unwrap()
            .identity()
            .is_admin_project
    );
    assert!(
        !with(&[("X-Is-Admin-Project", "yes")])
            .unwrap()
            .identity()
            .is_admin_project
    );
}
