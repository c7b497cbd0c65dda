//! The statements, word for word, for each kind of database. Whether they find the right rows is tested on real ones.

use context::{Identity, ProjectId, RequestContext, RequestParts, Roles};
use sea_orm::{DbBackend, Statement, Value};

use crate::order::{SortValue, Stamp};
use crate::query::{NameFilter, ScopedQuery, ServerFilter, ServerQuery};

use super::dialect::{Dialect, TextOrder};
use super::range::Range;
use super::select;

const ALL: [DbBackend; 3] = [DbBackend::Sqlite, DbBackend::MySql, DbBackend::Postgres];

fn scoped(query: &ServerQuery) -> ScopedQuery {
    let ctx = RequestContext::for_background("test", Identity::default(), Roles::admin());
    ScopedQuery::of(query, &ctx).unwrap()
}

fn sorted(keys: &[&str]) -> ScopedQuery {
    scoped(&ServerQuery {
        sort: keys.iter().map(|key| key.parse().unwrap()).collect(),
        ..ServerQuery::default()
    })
}

fn statements(backend: DbBackend, query: &ScopedQuery, range: &Range) -> Vec<Statement> {
    select::segments_of(query, range)
        .into_iter()
        .map(|segment| select::page(backend.into(), query, range, segment, 7))
        .collect()
}

/// What follows the default narrowing, which is checked on its own.
fn tails(backend: DbBackend, query: &ScopedQuery, range: &Range) -> Vec<String> {
    statements(backend, query, range)
        .iter()
        .map(|statement| {
            let (_, tail) = statement
                .sql
                .split_once(" OR hidden IS NULL) AND ")
                .unwrap();
            tail.to_owned()
        })
        .collect()
}

fn after(values: &[SortValue]) -> Range {
    Range {
        after: Some(values.to_vec()),
        upto: None,
    }
}

fn text(text: &str) -> SortValue {
    SortValue::Text(text.into())
}

fn newest() -> Vec<SortValue> {
    let created = Stamp::parse("2026-09-18 04:33:00.000000").unwrap();
    vec![SortValue::Time(created), SortValue::Int(5), text("u")]
}

#[test]
fn the_newest_are_read_along_an_index_with_null_times_at_the_end() {
    let query = sorted(&[]);
    let columns = "id, uuid, display_name, project_id, user_id, vm_state, host, created_at, updated_at, launched_at, deleted";
    let narrowed = "FROM instances WHERE 1 = 1 AND deleted = 0 AND (hidden = 0 OR hidden IS NULL)";
    // MariaDB's walk is of both parts of the index on (deleted, created_at); see `walks_by_age`.
    let by_age = narrowed.replace("deleted = 0", "deleted >= 0 AND deleted <= 0");
    for (backend, narrowed, lead) in [
        (DbBackend::Sqlite, narrowed, ""),
        (DbBackend::MySql, by_age.as_str(), "deleted DESC, "),
    ] {
        let sql: Vec<String> = statements(backend, &query, &Range::default())
            .into_iter()
            .map(|s| s.sql)
            .collect();
        assert_eq!(
            sql,
            [
                format!(
                    "SELECT {columns} {narrowed} AND created_at IS NOT NULL ORDER BY {lead}created_at DESC, id DESC LIMIT 7"
                ),
                format!(
                    "SELECT {columns} {narrowed} AND created_at IS NULL ORDER BY id DESC LIMIT 7"
                ),
            ]
        );
    }
    assert_eq!(
        tails(DbBackend::Postgres, &query, &Range::default()),
        [
            "created_at IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT 7",
            "created_at IS NULL ORDER BY id DESC LIMIT 7",
        ]
    );
}

#[test]
fn a_position_bounds_the_walk_along_the_index_and_is_exact_after_it() {
    let tails = tails(DbBackend::Sqlite, &sorted(&[]), &after(&newest()));
    // The bound has left `created_at = ?` in the second branch unsaid.
    assert_eq!(
        tails[0],
        "created_at IS NOT NULL AND created_at <= ? AND (created_at < ? OR \
         (id < ? OR (id = ? AND (uuid > ?)))) ORDER BY created_at DESC, id DESC LIMIT 7"
    );
    assert_eq!(tails[1], "created_at IS NULL ORDER BY id DESC LIMIT 7");
}

#[test]
fn a_position_in_the_nulls_reads_the_nulls_alone_when_they_are_last() {
    let mut position = newest();
    position[0] = SortValue::Null;
    assert_eq!(
        tails(DbBackend::MySql, &sorted(&[]), &after(&position)),
        ["created_at IS NULL AND (id < ? OR (id = ? AND (uuid > ?))) ORDER BY id DESC LIMIT 7"]
    );
}

#[test]
fn when_ascending_the_nulls_are_a_segment_of_their_own_in_front() {
    let query = sorted(&["host:asc"]);
    let of = |backend, host| tails(backend, &query, &after(&[host, text("u")]));
    assert_eq!(
        of(DbBackend::Postgres, SortValue::Null),
        [
            "host IS NULL AND (uuid > $1) ORDER BY uuid ASC LIMIT 7",
            "host IS NOT NULL ORDER BY host COLLATE \"C\" ASC, uuid ASC LIMIT 7",
        ]
    );
    assert_eq!(of(DbBackend::MySql, text("h")).len(), 1);
}

#[test]
fn text_is_ordered_by_bytes_or_brings_its_weight() {
    let query = sorted(&["display_name:desc", "key_name:asc"]);
    let sql = |backend| {
        statements(backend, &query, &Range::default())[0]
            .sql
            .clone()
    };
    let mysql = sql(DbBackend::MySql);
    assert!(mysql.contains(
        "deleted, WEIGHT_STRING(display_name) AS weight_display_name, key_name, WEIGHT_STRING(key_name) AS weight_key_name FROM"
    ));
    assert!(mysql.contains("ORDER BY display_name DESC, key_name ASC, uuid ASC"));
    assert!(!mysql.contains("COLLATE"));
    assert!(
        sql(DbBackend::Sqlite)
            .contains("ORDER BY display_name COLLATE BINARY DESC, key_name COLLATE BINARY ASC")
    );
    assert!(sql(DbBackend::Postgres).contains(
        "ORDER BY display_name COLLATE \"C\" DESC, key_name COLLATE \"C\" ASC NULLS FIRST, uuid ASC"
    ));
}

#[test]
fn a_stretch_is_closed_at_its_end() {
    let query = sorted(&["id:asc"]);
    let range = Range {
        after: Some(vec![SortValue::Int(3), text("a")]),
        upto: Some(vec![SortValue::Int(9), text("b")]),
    };
    let statement = &statements(DbBackend::Sqlite, &query, &range)[0];
    let (_, tail) = statement
        .sql
        .split_once(" OR hidden IS NULL) AND ")
        .unwrap();
    assert_eq!(
        tail,
        "id >= ? AND (id > ? OR (uuid > ?)) AND \
         (id < ? OR (id = ? AND (uuid < ? OR (uuid = ?)))) ORDER BY id ASC LIMIT 7"
    );
}

#[test]
fn the_owner_s_confinement_is_in_every_statement_and_comes_first() {
    let mut identity = Identity::default();
    identity.project.id = Some(ProjectId::parse("own").unwrap());
    let ctx = RequestContext::for_request(RequestParts {
        identity,
        ..RequestParts::default()
    });
    let query = ServerQuery {
        filter: ServerFilter {
            project: Some(ProjectId::parse("other").unwrap()),
            ..ServerFilter::default()
        },
        ..ServerQuery::default()
    };
    let query = ScopedQuery::of(&query, &ctx).unwrap();
    let one = query.anything_owned(uuid::Uuid::nil());
    for backend in ALL {
        let mut all = statements(backend, &query, &after(&newest()));
        all.push(select::count(backend, &query));
        all.push(select::unordered(backend.into(), &one));
        for statement in all {
            let mark = if backend == DbBackend::Postgres {
                "$1"
            } else {
                "?"
            };
            let confined = format!(" WHERE project_id = {mark} ");
            assert!(statement.sql.contains(&confined), "{}", statement.sql);
            assert_eq!(statement.values.unwrap().0[0], Value::from("own"));
        }
    }
}

#[test]
fn what_like_takes_specially_is_escaped_where_like_is_used() {
    let query = scoped(&ServerQuery {
        filter: ServerFilter {
            name: Some(NameFilter::Contains("50%_!\\".into())),
            ..ServerFilter::default()
        },
        ..ServerQuery::default()
    });
    for backend in ALL {
        let statement = select::count(backend, &query);
        let values = statement.values.unwrap().0;
        if backend == DbBackend::Sqlite {
            assert!(statement.sql.contains("instr(display_name, ?) > 0"));
            assert_eq!(values, [Value::from("50%_!\\")]);
        } else {
            assert!(statement.sql.contains(" ESCAPE '!'"));
            assert_eq!(values, [Value::from("%50!%!_!!\\%")]);
        }
    }
}

#[test]
fn times_are_bound_as_they_are_stored() {
    let values = |backend| {
        statements(backend, &sorted(&[]), &after(&newest()))[0]
            .values
            .clone()
            .unwrap()
            .0
    };
    assert_eq!(
        values(DbBackend::Sqlite)[0],
        Value::from("2026-09-18 04:33:00.000000")
    );
    let typed = Value::from(time::macros::datetime!(2026-09-18 04:33:00));
    assert_eq!(values(DbBackend::MySql)[0], typed);
    assert_eq!(values(DbBackend::Postgres)[0], typed);
}

#[test]
fn by_bytes_no_collation_has_a_say_and_no_row_brings_a_weight() {
    let dialect = Dialect {
        text: TextOrder::Bytes,
        ..DbBackend::MySql.into()
    };
    let query = sorted(&["display_name:desc"]);
    let range = after(&[text("web "), text("u")]);
    let segment = select::segments_of(&query, &range)[0];
    let sql = select::page(dialect, &query, &range, segment, 7).sql;
    let name = "CAST(CONVERT(display_name USING utf8mb4) AS BINARY)";
    assert!(!sql.contains("WEIGHT_STRING"), "{sql}");
    assert!(
        sql.ends_with(&format!(
            "display_name IS NOT NULL AND {name} <= ? AND ({name} < ? OR (uuid > ?)) ORDER BY {name} DESC, uuid ASC LIMIT 7"
        )),
        "{sql}"
    );
}

#[test]
fn columns_with_a_type_of_their_own_are_ordered_as_text() {
    let query = sorted(&["locked_by:asc", "access_ip_v6:desc"]);
    let sql = |backend| {
        statements(backend, &query, &Range::default())[1]
            .sql
            .clone()
    };
    let postgres = sql(DbBackend::Postgres);
    for part in [
        "CAST(locked_by AS TEXT) AS locked_by, host(access_ip_v6) AS access_ip_v6 FROM",
        "ORDER BY CAST(locked_by AS TEXT) COLLATE \"C\" ASC, host(access_ip_v6) COLLATE \"C\" DESC NULLS LAST, uuid ASC",
    ] {
        assert!(postgres.contains(part), "{postgres}");
    }
    let mysql = sql(DbBackend::MySql);
    assert!(
        mysql.contains("ORDER BY CONCAT(locked_by) ASC, access_ip_v6 DESC, uuid ASC"),
        "{mysql}"
    );
}

#[test]
fn postgres_columns_that_order_by_bytes_of_themselves_name_no_collation() {
    let query = sorted(&["host:asc", "locked_by:asc"]);
    let range = after(&[text("c"), text("owner"), text("u")]);
    let segment = select::segments_of(&query, &range)[0];
    let own = Dialect {
        own_bytes: true,
        ..DbBackend::Postgres.into()
    };
    let sql = select::page(own, &query, &range, segment, 7).sql;
    let bounds = "host >= $1 AND (host > $2 OR";
    assert!(sql.contains(bounds), "{sql}");
    // What is no column has the collation that it is given.
    let end = "ORDER BY host ASC, CAST(locked_by AS TEXT) COLLATE \"C\" ASC NULLS FIRST, uuid ASC LIMIT 7";
    assert!(sql.ends_with(end), "{sql}");
    let named = select::page(DbBackend::Postgres.into(), &query, &range, segment, 7).sql;
    assert!(named.contains("ORDER BY host COLLATE \"C\" ASC"), "{named}");
}
