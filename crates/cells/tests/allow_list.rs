//! The allow-list: what it lets pass, what it refuses and why, and that no address gets around it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that breaks should stop the test"
)]

mod support;

use std::sync::Arc;

use nova_cells::{
    AllowList, CellMapping, Field, Host, Leg, Problem, ProblemKind, RawCellMapping, Refusal,
    RevisionKey, UrlDefaults,
};
use support::{Cloud, id, row, uuid};

const LIST: &str = r#"
version = 1

[[database]]
schemes = ["mysql"]
hosts = ["db1.example.org", "*.db.example.org"]
networks = ["10.1.0.0/16", "2001:db8::/32"]
ports = [3306, "3310-3319"]
names = ["nova_cell*"]
tls = "optional"

[[database]]
schemes = ["postgresql"]
hosts = ["pg"]
networks = ["10.1.0.0/16"]
ports = [5432]
names = ["nova"]
tls = "required"
cells = ["00000000-0000-0000-0000-000000000007"]

[[database]]
schemes = ["sqlite"]
files = ["/var/lib/nova/*.sqlite"]

[[transport]]
schemes = ["rabbit"]
networks = ["10.2.0.0/16"]
ports = [5672]
names = ["*"]
tls = "optional"

[[pin]]
cell = "00000000-0000-0000-0000-000000000008"
database = "mysql://db1.example.org/nova_cell8"
"#;

fn mapping(n: u32, database: &str, transport: &str) -> CellMapping {
    let raw = RawCellMapping {
        transport_url: Some(transport.into()),
        ..row(n, database)
    };
    let key = RevisionKey::from_bytes(b"test");
    CellMapping::parse(&raw, &UrlDefaults::default(), &key).unwrap()
}

fn refused(n: u32, database: &str, transport: &str) -> Vec<(Field, Refusal)> {
    let list = AllowList::parse(LIST).unwrap();
    let Err(invalid) = list.check(&mapping(n, database, transport)) else {
        return Vec::new();
    };
    let told = |problem: &Problem| match &problem.kind {
        ProblemKind::NotAllowed(refusal) => (problem.field, *refusal),
        other => panic!("a refusal was expected, got {other}"),
    };
    invalid.problems().iter().map(told).collect()
}

const BUS: &str = "rabbit://u:p@mq1,u:p@10.2.0.9/c1";

#[test]
fn what_is_listed_passes() {
    for database in [
        "mysql+pymysql://u:p@db1.example.org/nova_cell1",
        "mysql://u:p@C7.DB.example.org:3312/nova_cell7",
        "mysql://u:p@10.1.2.3/nova_cell1",
        "mysql://u:p@[2001:db8::9]/nova_cell1",
        "mysql://u:p@[::ffff:10.1.2.3]/nova_cell1",
        "sqlite:////var/lib/nova/c1.sqlite",
    ] {
        assert_eq!(refused(1, database, BUS), [], "{database}");
    }
    let tls = "postgresql://u:p@pg/nova?sslmode=verify-full";
    assert_eq!(refused(7, tls, BUS), []);
    assert_eq!(
        refused(0, "mysql://u:p@10.1.2.3/nova_cell0", "none:///"),
        []
    );
}

#[test]
fn what_is_not_listed_is_refused_with_what_is_missing() {
    for (n, database, refusal) in [
        (1, "mysql://u:p@evil/nova_cell1", Refusal::Host),
        (1, "mysql://u:p@db.example.org/nova_cell1", Refusal::Host),
        (
            1,
            "mysql://u:p@db1.example.org.evil/nova_cell1",
            Refusal::Host,
        ),
        (1, "mysql://u:p@10.9.0.1/nova_cell1", Refusal::Address),
        (
            1,
            "mysql://u:p@[::ffff:10.9.0.1]/nova_cell1",
            Refusal::Address,
        ),
        (
            1,
            "mysql://u:p@db1.example.org:3307/nova_cell1",
            Refusal::Port,
        ),
        (1, "mysql://u:p@db1.example.org/keystone", Refusal::Name),
        (1, "sqlite:////etc/passwd", Refusal::File),
        (
            1,
            "sqlite:////var/lib/nova/../../../etc/x.sqlite",
            Refusal::File,
        ),
        (1, "sqlite:////var/lib/nova/sub/c1.sqlite", Refusal::File),
        (
            1,
            "postgresql://u:p@pg/nova?sslmode=verify-full",
            Refusal::Cell,
        ),
        (7, "postgresql://u:p@pg/nova", Refusal::Tls),
        (8, "mysql://u:p@db1.example.org/nova_cell1", Refusal::Pin),
    ] {
        assert_eq!(
            refused(n, database, BUS),
            [(Field::Database, refusal)],
            "{database}"
        );
    }
    let ok = "mysql://u:p@10.1.2.3/nova_cell1";
    for (transport, refusal) in [
        ("rabbit://u:p@mq1,u:p@10.9.9.9/c1", Refusal::Address),
        ("rabbit://u:p@mq1:5673/c1", Refusal::Port),
        ("redis://mq1/0", Refusal::Scheme),
        ("fake:///c1", Refusal::Scheme),
    ] {
        assert_eq!(
            refused(1, ok, transport),
            [(Field::Transport, refusal)],
            "{transport}"
        );
    }
    assert_eq!(
        refused(1, "mysql://u@evil/nova", "redis://evil/").len(),
        2,
        "both legs at once"
    );
}

#[test]
fn an_empty_list_refuses_everything_but_no_bus() {
    let list = AllowList::parse("version = 1").unwrap();
    let zero = mapping(0, "sqlite:///c0", "none:///");
    assert_eq!(list.check(&zero).unwrap_err().problems().len(), 1);
}

#[test]
fn a_name_that_resolves_elsewhere_is_refused_where_it_would_be_connected() {
    let good = row(1, "mysql://u:p@db1.example.org/nova_cell1");
    let bad = row(2, "mysql://u:hunter2@evil/nova_cell2");
    let cloud = Cloud::with(vec![good.clone(), bad], |options| {
        options.allow = Some(Arc::new(AllowList::parse(LIST).unwrap()));
    });
    let snapshot = cloud.cells.snapshot();
    assert_eq!(
        (snapshot.mappings().count(), snapshot.rejected().count()),
        (1, 1)
    );
    assert!(cloud.actions(0).contains(&"mapping/refuse"));
    let mapping = snapshot.mapping(id(1)).unwrap();
    let check = |leg, address: &str, port| {
        let checked = mapping.check_address(leg, address.parse().unwrap(), port);
        checked.map_err(|refused| refused.refusal)
    };
    assert_eq!(check(Leg::Database, "10.1.200.1", 3306), Ok(()));
    assert_eq!(check(Leg::Database, "::ffff:10.1.200.1", 3306), Ok(()));
    assert_eq!(
        check(Leg::Database, "127.0.0.1", 3306),
        Err(Refusal::Address)
    );
    assert_eq!(
        check(Leg::Database, "10.1.200.1", 3310),
        Err(Refusal::Port),
        "not this mapping's port"
    );
    assert_eq!(check(Leg::Transport, "10.2.0.1", 5672), Ok(()));
    assert_eq!(
        check(Leg::Transport, "10.1.0.1", 5672),
        Err(Refusal::Address)
    );

    // Another list: the cell is not served from what the old one allowed.
    let held = cloud.cells.target(&support::request(), id(1)).unwrap();
    let narrower = LIST.replace("10.1.0.0/16", "10.1.0.0/24");
    cloud
        .cells
        .set_allow_list(Some(Arc::new(AllowList::parse(&narrower).unwrap())));
    assert!(cloud.cells.reload_due());
    cloud.refresh();
    assert!(held.superseded());
    let fresh = cloud.cells.target(&support::request(), id(1)).unwrap();
    let refused = fresh
        .mapping()
        .check_address(Leg::Database, "10.1.200.1".parse().unwrap(), 3306);
    assert!(!refused.unwrap_err().to_string().contains("10.1"));
}

#[test]
fn what_a_sentinel_names_has_to_be_allowed_as_if_the_mapping_named_it() {
    let list = "version = 1\n[[database]]\nschemes = [\"sqlite\"]\nfiles = [\"/**\", \"*\"]\n\
        [[transport]]\nschemes = [\"redis+sentinel\"]\nhosts = [\"s1\", \"r*\"]\nnetworks = [\"10.2.0.0/16\"]\n\
        ports = [6379, 26379]\nnames = [\"cell1\"]\ntls = \"optional\"\n";
    let list = AllowList::parse(list).unwrap();
    let row = RawCellMapping {
        transport_url: Some("redis+sentinel://s1/cell1".into()),
        ..row(1, "sqlite:////c1")
    };
    let cloud = Cloud::with(vec![row], |options| {
        options.allow = Some(Arc::new(list));
    });
    let snapshot = cloud.cells.snapshot();
    let allowed = snapshot.mapping(id(1)).unwrap();
    let check = |mapping: &CellMapping, host: &str, address: &str, port| {
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(host.into()),
        };
        let checked = mapping.check_named_address(&host, address.parse().unwrap(), port);
        checked.map_err(|refused| refused.refusal)
    };
    assert_eq!(check(allowed, "10.2.0.9", "10.2.0.9", 6379), Ok(()));
    assert_eq!(check(allowed, "r7", "10.2.0.9", 6379), Ok(()));
    for (host, address, port, why) in [
        ("10.3.0.9", "10.3.0.9", 6379, Refusal::Address),
        ("r7", "10.3.0.9", 6379, Refusal::Address),
        ("x7", "10.2.0.9", 6379, Refusal::Host),
        ("10.2.0.9", "10.2.0.9", 22, Refusal::Port),
    ] {
        assert_eq!(check(allowed, host, address, port), Err(why), "{host}");
    }
    let free = mapping(1, "sqlite:///c1", "redis+sentinel://s1/cell1");
    assert_eq!(check(&free, "192.0.2.1", "192.0.2.1", 1), Ok(()));
    // Nobody else names hosts.
    let rabbit = mapping(1, "sqlite:///c1", "rabbit://mq1/");
    assert!(check(&rabbit, "192.0.2.1", "192.0.2.1", 5672).is_err());
}

#[test]
fn without_a_list_the_address_still_has_to_be_the_mappings_own() {
    let m = mapping(1, "mysql://u:p@10.1.2.3/d", "rabbit://mq1:99,10.2.0.1/");
    let check =
        |leg, address: &str, port| m.check_address(leg, address.parse().unwrap(), port).is_ok();
    assert!(check(Leg::Database, "10.1.2.3", 3306) && !check(Leg::Database, "10.1.2.4", 3306));
    assert!(check(Leg::Transport, "192.0.2.1", 99) && !check(Leg::Transport, "192.0.2.1", 5672));
}

#[test]
fn a_learned_list_lets_todays_mappings_pass_and_nothing_else() {
    let mappings = [
        mapping(
            1,
            "mysql://u:hunter2@db1/nova_cell1?ssl_ca=/ca",
            "rabbit://a:hunter2@mq1,b:p@[2001:db8::1]:7/v%22%5C",
        ),
        mapping(2, "sqlite:////tmp/c\"2", "fake:///two"),
        mapping(0, "postgresql://u@10.0.0.1/nova", "none:///"),
    ];
    let text = AllowList::learn(&mappings, |name| match name {
        "db1" => vec!["10.0.0.5".parse().unwrap(), "2001:db8::5".parse().unwrap()],
        _ => Vec::new(),
    });
    assert!(!text.contains("hunter2"), "{text}");
    let list = AllowList::parse(&text).unwrap();
    for mapping in &mappings {
        list.check(mapping).unwrap();
    }
    assert!(
        list.check(&mapping(3, "mysql://u@db1/nova_cell1?ssl_ca=/ca", BUS))
            .is_err()
    );
    assert!(
        list.check(&mapping(1, "mysql://u@db1/nova_cell1", "rabbit://mq1/x"))
            .is_err()
    );
}

#[test]
fn a_list_that_is_not_plainly_right_is_refused_whole_and_not_repeated() {
    for (text, told) in [
        ("version = 2", "version 2"),
        ("", "missing field `version`"),
        (
            "version = 1\nfoo = 1",
            "line 2 of the allow-list cannot be read: unknown field",
        ),
        // What an escape stands for must not begin a line of a log.
        ("version = 1\n\"a\\nb\" = 1", "unknown field `a\u{fffd}b`"),
        (
            "version = 1\n[[database]]\nschemes = [\"mysql\"]",
            "database 1 of the allow-list: a rule for servers needs `networks`",
        ),
        (
            "version = 1\n[[database]]\nschemes = [\"oracle\"]",
            "scheme",
        ),
        (
            "version = 1\n[[database]]\nschemes = [\"sqlite\"]\nfiles = []\nports = [1]",
            "do not use",
        ),
        (
            "version = 1\n[[database]]\nschemes = [\"sqlite\", \"mysql\"]",
            "rule of their own",
        ),
        ("version = 1\n[[pin]]\ncell = \"x\"", "not a UUID"),
        (
            "version = 1\n[[pin]]\ncell = 'mysql://u:hunter2@h'\ndatabase = 7",
            "line 4",
        ),
        ("mysql://u:hunter2@h/d", "line 1"),
    ] {
        let error = AllowList::parse(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text:?} gave {error:?}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for (rule, told) in [
        (
            "networks = [\"10.1.2.3/8\"]\nports = [1]",
            "beyond its prefix",
        ),
        ("networks = [\"ten\"]\nports = [1]", "not one"),
        ("networks = []\nports = [\"9-1\"]", "neither a number"),
    ] {
        let text = format!(
            "version = 1\n[[transport]]\nschemes = [\"rabbit\"]\nnames = []\ntls = \"optional\"\n{rule}"
        );
        let error = AllowList::parse(&text).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let twice = format!(
        "{LIST}\n[[pin]]\ncell = \"{}\"\ndatabase = \"sqlite:///x\"",
        uuid(8)
    );
    assert!(
        AllowList::parse(&twice)
            .unwrap_err()
            .to_string()
            .contains("twice")
    );
}
