//! MariaDB's words for the suite, and the suite on it.

use cells::SecretText;
use nova_conformance::faults::Step;
use nova_conformance::{MariaDb, ServerError, USER};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

use crate::{
    DATABASE, Server, budgets, canaries, cloud, faults, open, outages, rotations, rows, sessions,
    stages, streams, within,
};

impl Server for MariaDb {
    fn url(&self, database: &str) -> SecretText {
        MariaDb::url(self, database)
    }

    fn port(&self) -> u16 {
        MariaDb::port(self)
    }

    fn signal(&self, name: &str) -> Result<(), ServerError> {
        MariaDb::signal(self, name)
    }

    fn restart(&mut self) -> Result<(), ServerError> {
        MariaDb::restart(self)
    }

    fn sleep(&self, seconds: u32) -> String {
        format!("SLEEP({seconds})")
    }

    fn numbers(&self, count: i64) -> String {
        format!("SELECT CAST(seq AS SIGNED) AS i, REPEAT('x', 100) AS x FROM seq_1_to_{count}")
    }

    fn logging_in(&self) -> Vec<Step> {
        // The server speaks first; the client's answer has the user's name.
        vec![Step::ClientSays(USER.as_bytes().to_vec())]
    }

    fn ping(&self) -> Vec<u8> {
        // COM_PING, a packet of one byte.
        vec![1, 0, 0, 0, 0x0E]
    }

    fn login(&self, user: &str, password: &str) -> Vec<String> {
        vec![
            format!("CREATE OR REPLACE USER '{user}'@'%' IDENTIFIED BY '{password}'"),
            format!("GRANT ALL ON `{DATABASE}`.* TO '{user}'@'%'"),
        ]
    }

    async fn superuser(&self, sql: &str) {
        let mut superuser = superuser(self).await;
        superuser.execute(AssertSqlSafe(sql)).await.unwrap();
        superuser.close().await.unwrap();
    }

    async fn running(&self) -> Vec<String> {
        let sql = format!(
            "SELECT INFO FROM information_schema.PROCESSLIST WHERE USER = '{USER}' AND INFO IS NOT NULL"
        );
        let mut superuser = superuser(self).await;
        let rows = superuser.fetch_all(AssertSqlSafe(sql)).await.unwrap();
        superuser.close().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn connections(&self) -> usize {
        let sql = format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{USER}' OR USER LIKE 'rotated%'"
        );
        let mut superuser = superuser(self).await;
        let rows = superuser.fetch_all(AssertSqlSafe(sql)).await.unwrap();
        superuser.close().await.unwrap();
        rows.len()
    }

    fn on_small_disk(&self) -> Vec<String> {
        let at = self.small_disk();
        ["filler", "kept"]
            .map(|table| {
                let at = at.display();
                format!("CREATE TABLE {table} (x TEXT) DATA DIRECTORY = '{at}'")
            })
            .into()
    }

    async fn lock(&self) -> Box<dyn Send> {
        let mut superuser = superuser(self).await;
        superuser.execute("LOCK TABLES t WRITE").await.unwrap();
        Box::new(superuser)
    }
}

async fn superuser(server: &MariaDb) -> MySqlConnection {
    let options = MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(server.port())
        .username("root")
        .database(DATABASE);
    options.connect().await.unwrap()
}

async fn server() -> MariaDb {
    MariaDb::start(&[DATABASE, "nova_api"]).await.unwrap()
}

#[tokio::test]
async fn mariadb_sessions_read_write_and_say_what_went_wrong() {
    sessions::suite(&server().await).await;
}

#[tokio::test]
async fn mariadb_ends_what_outlives_its_budget() {
    budgets::suite(&server().await).await;
}

#[tokio::test]
async fn mariadb_kills_hit_no_other_owners_statement() {
    budgets::kills(&server().await).await;
}

#[tokio::test]
async fn mariadb_stopped_killed_and_started_again() {
    faults::suite(&mut server().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_down_or_full_costs_other_cells_nothing() {
    let sick = MariaDb::start_with_small_disk(&[DATABASE], 24);
    let (sick, healthy) = tokio::join!(sick, server());
    let sick = sick.unwrap_or_else(|why| panic!("{why}"));
    outages::suite(sick, &healthy).await;
}

#[tokio::test]
async fn mariadb_holds_the_api_database() {
    cloud::suite(&server().await).await;
}

#[tokio::test]
async fn mariadb_streams_long_reads_in_little_memory() {
    streams::suite(&server().await).await;
}

#[tokio::test]
async fn mariadb_broken_at_each_stage_is_reported_in_time_and_leaves_nothing() {
    stages::suite(&server().await).await;
}

#[tokio::test]
async fn mariadb_idle_connections_that_something_forgot_cost_a_moment() {
    stages::forgotten(&server().await).await;
}

#[tokio::test]
async fn mariadb_passwords_are_nowhere_in_what_is_said() {
    canaries::suite(&server().await).await;
}

#[tokio::test]
async fn mariadb_logins_and_places_rotate_under_load_without_an_error() {
    rotations::suite(&server().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_lets_in_who_has_no_password() {
    let server = server().await;
    for sql in [
        "CREATE USER 'open'@'%'".to_owned(),
        format!("GRANT SELECT ON `{DATABASE}`.* TO 'open'@'%'"),
    ] {
        Server::superuser(&server, &sql).await;
    }
    for login in ["open", "open:"] {
        let port = MariaDb::port(&server);
        let url = format!("mysql+pymysql://{login}@127.0.0.1:{port}/{DATABASE}").into();
        let db = open(&url, 1);
        assert_eq!(
            rows(&db.read_only(within(5_000)), "SELECT 1 AS i").await,
            Ok(1),
            "{login}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_settings_of_the_server_hide_no_row() {
    let server = server().await;
    Server::superuser(
        &server,
        "SET GLOBAL sql_select_limit = 2, GLOBAL autocommit = 0",
    )
    .await;
    let db = open(&Server::url(&server, DATABASE), 1);
    let numbers = "SELECT seq FROM seq_1_to_5";
    assert_eq!(rows(&db.read_only(within(5_000)), numbers).await, Ok(5));
    Server::superuser(
        &server,
        &format!("CREATE TABLE {DATABASE}.late AS {numbers}"),
    )
    .await;
    let late = "SELECT seq FROM late";
    assert_eq!(rows(&db.read_only(within(5_000)), late).await, Ok(5));
    // The same connection again: what was added since is there.
    Server::superuser(&server, "SET GLOBAL autocommit = 1").await;
    Server::superuser(&server, &format!("INSERT INTO {DATABASE}.late VALUES (6)")).await;
    assert_eq!(rows(&db.read_only(within(5_000)), late).await, Ok(6));
}
