//! PostgreSQL's words for the suite, and the suite on it.

use cells::SecretText;
use nova_conformance::faults::Step;
use nova_conformance::{Postgres, ServerError, USER};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

use crate::{
    DATABASE, Server, budgets, canaries, cloud, faults, outages, rotations, sessions, stages,
    streams,
};

impl Server for Postgres {
    fn url(&self, database: &str) -> SecretText {
        Postgres::url(self, database)
    }

    fn port(&self) -> u16 {
        Postgres::port(self)
    }

    fn signal(&self, name: &str) -> Result<(), ServerError> {
        Postgres::signal(self, name)
    }

    fn restart(&mut self) -> Result<(), ServerError> {
        Postgres::restart(self)
    }

    fn sleep(&self, seconds: u32) -> String {
        format!("pg_sleep({seconds})::text")
    }

    fn numbers(&self, count: i64) -> String {
        // In FROM it would be made whole before the first row.
        format!("SELECT generate_series(1::bigint, {count}) AS i, REPEAT('x', 100) AS x")
    }

    fn logging_in(&self) -> Vec<Step> {
        // The client speaks first, then the server says how to log in.
        vec![Step::ClientSays(b"SCRAM-SHA-256".to_vec())]
    }

    fn ping(&self) -> Vec<u8> {
        // Sync, by itself.
        vec![b'S', 0, 0, 0, 4]
    }

    fn login(&self, user: &str, password: &str) -> Vec<String> {
        vec![
            format!("DROP ROLE IF EXISTS {user}"),
            format!("CREATE ROLE {user} LOGIN PASSWORD '{password}' IN ROLE {USER}"),
        ]
    }

    async fn superuser(&self, sql: &str) {
        let mut superuser = superuser(self).await;
        superuser.execute(AssertSqlSafe(sql)).await.unwrap();
        superuser.close().await.unwrap();
    }

    async fn running(&self) -> Vec<String> {
        let sql = format!(
            "SELECT query FROM pg_stat_activity WHERE usename = '{USER}' AND state = 'active'"
        );
        let mut superuser = superuser(self).await;
        let rows = superuser.fetch_all(AssertSqlSafe(sql)).await.unwrap();
        superuser.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn connections(&self) -> usize {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE usename = '{USER}' OR usename LIKE 'rotated%'"
        );
        let mut superuser = superuser(self).await;
        let rows = superuser.fetch_all(AssertSqlSafe(sql)).await.unwrap();
        superuser.close().await.unwrap();
        rows.len()
    }

    fn on_small_disk(&self) -> Vec<String> {
        let at = self.small_disk();
        let mut statements = vec![format!(
            "CREATE TABLESPACE small LOCATION '{}'",
            at.display()
        )];
        for table in ["filler", "kept"] {
            statements.push(format!("CREATE TABLE {table} (x TEXT) TABLESPACE small"));
            statements.push(format!("GRANT ALL ON {table} TO {USER}"));
        }
        statements
    }

    async fn lock(&self) -> Box<dyn Send> {
        let mut superuser = superuser(self).await;
        let lock = sqlx::raw_sql("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
        lock.execute(&mut superuser).await.unwrap();
        Box::new(superuser)
    }
}

async fn superuser(server: &Postgres) -> PgConnection {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.port())
        .username("postgres")
        .database(DATABASE);
    options.connect().await.unwrap()
}

async fn server() -> Postgres {
    Postgres::start(&[DATABASE, "nova_api"]).await.unwrap()
}

#[tokio::test]
async fn postgres_sessions_read_write_and_say_what_went_wrong() {
    sessions::suite(&server().await).await;
}

#[tokio::test]
async fn postgres_ends_what_outlives_its_budget() {
    budgets::suite(&server().await).await;
}

#[tokio::test]
async fn postgres_kills_hit_no_other_owners_statement() {
    budgets::kills(&server().await).await;
}

#[tokio::test]
async fn postgres_stopped_killed_and_started_again() {
    faults::suite(&mut server().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_down_or_full_costs_other_cells_nothing() {
    let sick = Postgres::start_with_small_disk(&[DATABASE], 24);
    let (sick, healthy) = tokio::join!(sick, server());
    let sick = sick.unwrap_or_else(|why| panic!("{why}"));
    outages::suite(sick, &healthy).await;
}

#[tokio::test]
async fn postgres_holds_the_api_database() {
    cloud::suite(&server().await).await;
}

#[tokio::test]
async fn postgres_streams_long_reads_in_little_memory() {
    streams::suite(&server().await).await;
}

#[tokio::test]
async fn postgres_broken_at_each_stage_is_reported_in_time_and_leaves_nothing() {
    stages::suite(&server().await).await;
}

#[tokio::test]
async fn postgres_idle_connections_that_something_forgot_cost_a_moment() {
    stages::forgotten(&server().await).await;
}

#[tokio::test]
async fn postgres_passwords_are_nowhere_in_what_is_said() {
    canaries::suite(&server().await).await;
}

#[tokio::test]
async fn postgres_logins_and_places_rotate_under_load_without_an_error() {
    rotations::suite(&server().await).await;
}

/// Set in the copy of this process that is started below.
const CHILD: &str = "NOVA_TEST_POSTGRES_CHILD";

#[tokio::test]
async fn postgres_is_reached_as_the_mapping_says_whatever_the_environment_says() {
    if let Some(url) = std::env::var_os(CHILD) {
        let url = SecretText::new(url.into_string().unwrap());
        let location = cells::DatabaseLocation::from_url(&url).unwrap();
        let options = connect::ConnectorOptions::default();
        match connect::CellDb::open(&location, &options) {
            Ok(db) => db.ping(crate::within(20_000)).await.unwrap(),
            Err(error) => {
                assert_eq!(error.class(), cells::ErrorClass::Configuration);
                assert!(std::env::var_os("PGOPTIONS").is_some());
            }
        }
        return;
    }
    let server = server().await;
    let home = tempfile::tempdir().unwrap();
    let passwords = home.path().join(".pgpass");
    std::fs::write(&passwords, "*:*:*:*:wrong\n").unwrap();
    // These mean nothing; the last one the driver cannot be kept from reading, so it is refused.
    for also in [
        None,
        Some(("PGOPTIONS", "-c default_transaction_read_only=on")),
    ] {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again
            .arg("--exact")
            .arg("postgres::postgres_is_reached_as_the_mapping_says_whatever_the_environment_says")
            .env(CHILD, server.url(DATABASE).expose())
            .env("HOME", home.path())
            .env("PGPASSFILE", &passwords)
            .envs(also);
        for (name, value) in [
            ("PGHOST", "192.0.2.1"),
            ("PGHOSTADDR", "192.0.2.1"),
            ("PGPORT", "1"),
            ("PGUSER", "nobody"),
            ("PGPASSWORD", "wrong"),
            ("PGDATABASE", "nonesuch"),
            ("PGSSLMODE", "require"),
            ("PGAPPNAME", "another"),
        ] {
            again.env(name, value);
        }
        let output = tokio::task::spawn_blocking(move || again.output().unwrap());
        let output = output.await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }
}
