//! Nova's own documented cases of URLs and templates, one by one: the same result, or refused on purpose with the weak
//! point's number. Sources: Nova's `unit/objects/test_cell_mapping.py`, its templating, oslo.messaging's URL grammar.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that breaks should stop the test"
)]

mod support;

use nova_cells::{
    CellMapping, DatabaseLocation, Problem, ProblemKind, RawCellMapping, RevisionKey,
    TransportLocation, UrlDefaults,
};
use support::row;

const DB: &str = "sqlite:////var/lib/nova/nova.sqlite";

fn parse(
    transport: &str,
    base: Option<&str>,
    database: &str,
    database_base: Option<&str>,
) -> Result<CellMapping, Vec<ProblemKind>> {
    let raw = RawCellMapping {
        transport_url: Some(transport.into()),
        ..row(1, database)
    };
    let defaults = UrlDefaults {
        transport: base.map(Into::into),
        database: database_base.map(Into::into),
        ..UrlDefaults::default()
    };
    let kinds = |problems: &[Problem]| {
        problems
            .iter()
            .map(|problem| problem.kind.clone())
            .collect()
    };
    CellMapping::parse(&raw, &defaults, &RevisionKey::from_bytes(b"test"))
        .map_err(|invalid| kinds(invalid.problems()))
}

/// The bus as it is read, every password shown.
fn bus(mapping: &CellMapping) -> String {
    let TransportLocation::Broker(broker) = mapping.transport() else {
        return mapping.transport().to_string();
    };
    let hosts: Vec<String> = broker
        .hosts
        .iter()
        .map(|host| {
            let user = host.user.as_deref().unwrap_or("-");
            let password = host
                .password
                .as_ref()
                .map_or("-", |password| password.expose());
            format!("{user}|{password}|{}|{}", host.host, host.port)
        })
        .collect();
    format!("{} /{}/", hosts.join(" "), broker.virtual_host)
}

fn check_bus(transport: &str, base: &str, expected: &str) {
    let mapping = parse(transport, Some(base), DB, None).unwrap();
    assert_eq!(bus(&mapping), expected, "{transport} over {base}");
}

#[test]
fn formatted_mq_url() {
    let all = "{scheme}://{username}:{password}@{hostname}:{port}/{path}?{query}";
    check_bus(
        all,
        "rabbit://bob:s3kret@localhost:123/nova?ssl=true",
        "bob|s3kret|localhost|123 /nova/",
    );
    // Nova's own case goes on with an option nobody knows and a fragment, which oslo.messaging drops in silence.
    let whole = format!("{all}#{{fragment}}");
    let base = "rabbit://bob:s3kret@localhost:123/nova?sync=true#extra";
    let refused = parse(&whole, Some(base), DB, None).unwrap_err();
    let unknown = ProblemKind::UnknownOption(nova_cells::Word::of("sync"));
    assert_eq!(refused, [ProblemKind::UnusedPart, unknown]);
}

#[test]
fn formatted_db_url() {
    let all = "{scheme}://{username}:{password}@{hostname}:{port}/{path}?{query}";
    let base = "mysql+pymysql://bob:s3kret@localhost:123/nova?charset=utf8";
    let mapping = parse("rabbit://h/", None, all, Some(base)).unwrap();
    let DatabaseLocation::Server(server) = mapping.database() else {
        panic!("a server was expected");
    };
    assert_eq!(
        (
            server.user.as_deref(),
            server.password.as_ref().map(|p| p.expose())
        ),
        (Some("bob"), Some("s3kret"))
    );
    assert_eq!(
        mapping.database().to_string(),
        "mysql+pymysql://bob:***@localhost:123/nova"
    );
}

#[test]
fn formatted_mq_url_multi_netloc() {
    let full = "{scheme}://{username1}:{password1}@{hostname1}:{port1},{username2}:{password2}@{hostname2}:{port2}/{path}";
    check_bus(
        full,
        "rabbit://alice:n0ts3kret@otherhost:456,bob:s3kret@localhost:123/nova",
        "alice|n0ts3kret|otherhost|456 bob|s3kret|localhost|123 /nova/",
    );
    let v6 = "{scheme}://{username1}:{password1}@[{hostname1}]:{port1},{username2}:{password2}@[{hostname2}]:{port2}/{path}";
    check_bus(
        v6,
        "rabbit://alice:n0ts3kret@[::2]:456,bob:s3kret@[2001:DB8::1]:123/nova",
        "alice|n0ts3kret|[::2]|456 bob|s3kret|[2001:db8::1]|123 /nova/",
    );
    let no_password =
        "{scheme}://{username1}@{hostname1},{username2}:{password2}@{hostname2}:{port2}/{path}";
    check_bus(
        no_password,
        "rabbit://alice@otherhost,bob:s3kret@localhost:123/nova",
        "alice|-|otherhost|5672 bob|s3kret|localhost|123 /nova/",
    );
    let no_user =
        "{scheme}://{hostname1}:{port1},{username2}:{password2}@{hostname2}:{port2}/{path}";
    check_bus(
        no_user,
        "rabbit://otherhost:456,bob:s3kret@localhost:123/nova",
        "-|-|otherhost|456 bob|s3kret|localhost|123 /nova/",
    );
}

#[test]
fn a_plain_url_needs_no_base_and_a_base_changes_nothing_about_it() {
    for base in [None, Some("rabbit://x:y@z/")] {
        let mapping = parse("rabbit://bob:s3kret@localhost:123/nova", base, DB, base).unwrap();
        assert_eq!(bus(&mapping), "bob|s3kret|localhost|123 /nova/");
    }
}

#[test]
fn what_nova_logs_and_uses_raw_is_refused_here() {
    use ProblemKind::{
        TemplateBadBase, TemplateMissingPart, TemplateNeedsIndex, TemplateSyntax, TemplateUnknown,
        TemplateWithoutBase,
    };
    let word = nova_cells::Word::of;
    let one = "rabbit://bob@localhost/nova";
    let two = "rabbit://a:b@h1,c:d@h2/";
    for (template, base, expected) in [
        // The base is not set: Nova uses the raw text, or with oslo's default base the text `None` (W-16).
        ("rabbit://{username}@h/", None, TemplateWithoutBase),
        (
            "rabbit://u:{password}@h/",
            Some(one),
            TemplateMissingPart(word("password")),
        ),
        (
            "rabbit://h:{port}/",
            Some(one),
            TemplateMissingPart(word("port")),
        ),
        // Braces in a stored password: Nova logs an error and uses the raw text.
        ("rabbit://u:pa{ss@h/", Some(one), TemplateSyntax),
        ("rabbit://u:pa}ss@h/", Some(one), TemplateSyntax),
        (
            "rabbit://u:pa{s}s@h/",
            Some(one),
            TemplateUnknown(word("s")),
        ),
        // The whole of str.format.
        ("rabbit://{hostname.__class__}/", Some(one), TemplateSyntax),
        ("rabbit://{hostname!r}/", Some(one), TemplateSyntax),
        ("rabbit://{hostname:>10}/", Some(one), TemplateSyntax),
        ("rabbit://{hostname[0]}/", Some(one), TemplateSyntax),
        ("rabbit://{0}/", Some(one), TemplateUnknown(word("0"))),
        // Several hosts: Nova gives the first user with a password that spans to the last `@`.
        (
            "rabbit://{username}:{password}@h/",
            Some(two),
            TemplateNeedsIndex(word("username")),
        ),
        (
            "rabbit://{hostname3}/",
            Some(two),
            TemplateMissingPart(word("hostname3")),
        ),
        (
            "rabbit://{hostname0}/",
            Some(two),
            TemplateMissingPart(word("hostname0")),
        ),
        (
            "rabbit://{hostname1}/",
            Some(one),
            TemplateMissingPart(word("hostname1")),
        ),
        ("rabbit://{hostname}/", Some("localhost"), TemplateBadBase),
        (
            "rabbit://{hostname}/",
            Some("rabbit://[::1/"),
            TemplateBadBase,
        ),
    ] {
        let refused = parse(template, base, DB, None).unwrap_err();
        assert_eq!(refused[0], expected, "{template} over {base:?}");
    }
}

#[test]
fn a_base_of_several_hosts_without_logins_is_no_error_by_itself() {
    check_bus(
        "rabbit://{hostname1}:{port1},{hostname2}/",
        "rabbit://h1:1,h2:2/",
        "-|-|h1|1 -|-|h2|5672 ///",
    );
    check_bus(
        "rabbit://u:p{{w}}@h/",
        "rabbit://h1:1,h2:2/",
        "u|p{w}|h|5672 ///",
    );
}

#[test]
fn parts_are_put_in_as_they_stand_still_escaped() {
    check_bus(
        "rabbit://{username}:{password}@{hostname}/",
        "rabbit://a%40b:p%2Fq@HOST/",
        "a@b|p/q|host|5672 ///",
    );
}

#[test]
fn transport_urls_are_read_as_oslo_messaging_reads_them() {
    for (url, expected) in [
        ("rabbit://u@x:p:q@h/", "u@x|p:q|h|5672 ///"),
        ("rabbit://u:p@h1,,h2/", "u|p|h1|5672 -|-|h2|5672 ///"),
        ("RABBIT://h/", "-|-|h|5672 ///"),
        ("rabbit://h/a/b", "-|-|h|5672 /a/b/"),
        ("rabbit://h//", "-|-|h|5672 ///"),
        ("rabbit://h", "-|-|h|5672 ///"),
        ("rabbit://h/%61", "-|-|h|5672 /a/"),
        ("rabbit://u:@h/", "u||h|5672 ///"),
        ("rabbit://[2001:DB8::1]:7/", "-|-|[2001:db8::1]|7 ///"),
        ("rabbit://u:100%@h/", "u|100%|h|5672 ///"),
    ] {
        assert_eq!(bus(&parse(url, None, DB, None).unwrap()), expected, "{url}");
    }
}

#[test]
fn what_oslo_messaging_takes_and_cannot_work_is_refused() {
    for (url, expected) in [
        ("rabbit://h:0/", ProblemKind::BadPort),
        ("rabbit://h:99999/", ProblemKind::BadPort),
        ("rabbit://h:+5/", ProblemKind::BadPort),
        ("rabbit://u:p#x@h/", ProblemKind::UnusedPart),
        ("rabbit:///v", ProblemKind::NoHost),
        ("rabbit://[::1/", ProblemKind::BadHost),
        ("h:5672/", ProblemKind::NoScheme),
        (
            "rabbit://h/?ssl=1&ssl=0",
            ProblemKind::BadOption(nova_cells::Word::of("ssl")),
        ),
        ("rabbit://%ff@h/", ProblemKind::BadEscape),
    ] {
        let refused = parse(url, None, DB, None).unwrap_err();
        assert!(refused.contains(&expected), "{url} gave {refused:?}");
    }
}

#[test]
fn every_query_key_that_redirects_or_weakens_a_connection_is_refused() {
    for url in [
        "postgresql://nova@allowed/nova?host=evil&port=1&user=root",
        "postgresql://nova@allowed/nova?hostaddr=192.0.2.1",
        "postgresql://nova@allowed/nova?password=x",
        "postgresql://nova@allowed/nova?sslmode=disable",
        "postgresql://nova@allowed/nova?sslmode=prefer",
        "postgresql://nova@allowed/nova?options=-c%20search_path%3Devil",
        "postgresql://nova@allowed/nova?service=evil",
        "postgresql://nova@allowed/nova?%68ost=evil",
        "mysql://nova@allowed/nova?socket=/tmp/evil",
        "mysql://nova@allowed/nova?unix_socket=/tmp/evil",
        "mysql://nova@allowed/nova?ssl-mode=DISABLED",
        "mysql://nova@allowed/nova?init_command=DROP%20TABLE%20x",
        "mysql://nova@allowed/nova?local_infile=1",
        "sqlite:///x?vfs=unix-none",
        "sqlite:///x?mode=memory",
        "sqlite:///x?immutable=1",
        "sqlite:///file:x?cache=shared",
    ] {
        let refused = parse("rabbit://h/", None, url, None).unwrap_err();
        let why = |kind: &ProblemKind| {
            matches!(
                kind,
                ProblemKind::ForbiddenOption(_) | ProblemKind::UnknownOption(_)
            )
        };
        assert!(refused.iter().any(why), "{url} gave {refused:?}");
    }
}
