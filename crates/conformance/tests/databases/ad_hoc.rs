//! Statements that a person typed, on real servers: values as JSON has them, whatever their type, and nothing written.

use cells::ErrorClass;
use connect::DbSession;
use nova_conformance::{MariaDb, Postgres};
use serde_json::{Value, json};

use crate::{DATABASE, Server, open, within};

/// The values of the one row that a statement gives.
async fn values(session: &DbSession, sql: &str) -> Vec<Value> {
    let mut records = session.ad_hoc(sql).await.unwrap();
    assert_eq!(records.len(), 1, "{sql}");
    let record = records.remove(0);
    record.into_iter().map(|(_, value)| value).collect()
}

#[tokio::test]
async fn mariadbs_values_are_shown_whatever_their_type() {
    let server = MariaDb::start(&[DATABASE]).await.unwrap();
    let db = open(&server.url(DATABASE), 1);
    let session = db.read_only(within(30_000));
    let times = "SELECT CAST('-12:00:01' AS TIME), CAST('838:59:59' AS TIME), CAST('03:04:05.5' AS TIME(6)), \
        CAST('2026-01-02 03:04:05' AS DATETIME), CAST('2026-01-02 03:04:05.678901' AS DATETIME(6)), \
        CAST('2026-01-02' AS DATE)";
    assert_eq!(
        values(&session, times).await,
        [
            json!("-12:00:01"),
            json!("838:59:59"),
            json!("03:04:05.500000"),
            json!("2026-01-02T03:04:05"),
            json!("2026-01-02T03:04:05.678901"),
            json!("2026-01-02"),
        ]
    );
    let columns = session.ad_hoc_columns("SHOW TABLES LIKE 'nonesuch'").await;
    assert!(columns.unwrap()[0].starts_with("Tables_in_"));
    let others =
        "SELECT CAST(1 AS UNSIGNED), -7, 1.50, 1.5e0, x'FF00', 'é', NULL, CAST('x' AS CHAR) = 'x'";
    assert_eq!(
        values(&session, others).await,
        [
            json!(1),
            json!(-7),
            json!("1.50"),
            json!(1.5),
            json!("ff00"),
            json!("é"),
            Value::Null,
            json!(1),
        ]
    );
}

#[tokio::test]
async fn postgresqls_values_are_shown_whatever_their_type() {
    let server = Postgres::start(&[DATABASE]).await.unwrap();
    let db = open(&server.url(DATABASE), 1);
    let session = db.read_only(within(30_000));
    let times = "SELECT 'infinity'::timestamp, '-infinity'::timestamptz, 'infinity'::date, '24:00'::time, \
        '2026-01-02 03:04:05'::timestamp, '2026-01-02 03:04:05.5+00'::timestamptz, '2026-01-02'::date, \
        '20000-01-01'::date, '0044-03-15 BC'::date, '1 mon 2 days 00:00:03.5'::interval";
    assert_eq!(
        values(&session, times).await,
        [
            json!("infinity"),
            json!("-infinity"),
            json!("infinity"),
            json!("24:00:00"),
            json!("2026-01-02T03:04:05"),
            json!("2026-01-02T03:04:05.500000Z"),
            json!("2026-01-02"),
            json!("20000-01-01"),
            json!("-0043-03-15"),
            json!("P1M2DT3.500000S"),
        ]
    );
    let columns = session
        .ad_hoc_columns("SELECT 1 AS a, 2 AS \"b c\" WHERE 1 = 0")
        .await;
    assert_eq!(columns.unwrap(), ["a", "b c"]);
    let others = "SELECT 12345.67890, -0.05::numeric(9, 4), 'NaN'::numeric, 'NaN'::float8, '-inf'::float4, 1.1::float4, \
        '::1/64'::inet, '10.0.0.0/8'::cidr, '{\"a\": 1}'::jsonb, '123e4567-e89b-12d3-a456-426655440000'::uuid, \
        true, 7::int2, 9::oid, '\\xff00'::bytea, 'ab'::char(5), 'x'::\"char\", NULL::int, ARRAY[1]";
    assert_eq!(
        values(&session, others).await,
        [
            json!("12345.67890"),
            json!("-0.0500"),
            json!("NaN"),
            json!("NaN"),
            json!("-Infinity"),
            json!(1.1),
            json!("::1/64"),
            json!("10.0.0.0/8"),
            json!("{\"a\": 1}"),
            json!("123e4567-e89b-12d3-a456-426655440000"),
            json!(true),
            json!(7),
            json!(9),
            json!("ff00"),
            json!("ab   "),
            json!("x"),
            Value::Null,
            json!("(INT4[]: cast it to text)"),
        ]
    );
}

/// Read-only transactions are about tables; a login with many rights could do the rest.
#[tokio::test]
async fn a_login_with_every_right_changes_no_server_from_a_read_only_session() {
    let server = MariaDb::start(&[DATABASE]).await.unwrap();
    for sql in [
        "CREATE OR REPLACE USER 'every'@'%' IDENTIFIED BY 'right'",
        "GRANT ALL ON *.* TO 'every'@'%'",
    ] {
        server.superuser(sql).await;
    }
    let url = format!("mysql://every:right@127.0.0.1:{}/{DATABASE}", server.port());
    let db = open(&url.as_str().into(), 1);
    let session = db.read_only(within(30_000));
    let before = values(&session, "SELECT @@GLOBAL.max_connections").await;
    let file = format!("/tmp/nova-cells-{}.out", server.port());
    for sql in [
        "SET GLOBAL max_connections = 17".to_owned(),
        "FLUSH TABLES".to_owned(),
        format!("SELECT 1 INTO OUTFILE '{file}'"),
    ] {
        let refused = session.ad_hoc(&sql).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Forbidden, "{sql}");
    }
    assert_eq!(
        values(&session, "SELECT @@GLOBAL.max_connections").await,
        before
    );
    assert!(!std::path::Path::new(&file).exists());
}

/// The drivers do not know every way to log in; what cannot be had is the login, not what the database holds.
#[tokio::test]
async fn a_way_to_log_in_that_the_driver_lacks_is_a_matter_of_the_login() {
    let server = MariaDb::start(&[DATABASE]).await.unwrap();
    for sql in [
        "INSTALL SONAME 'auth_ed25519'",
        "CREATE OR REPLACE USER 'ed'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')",
    ] {
        server.superuser(sql).await;
    }
    let url = format!("mysql://ed:x@127.0.0.1:{}/{DATABASE}", server.port());
    let db = open(&url.as_str().into(), 1);
    let refused = db.read_only(within(30_000)).ad_hoc("SELECT 1").await;
    assert_eq!(refused.unwrap_err().class(), ErrorClass::Authentication);
}
