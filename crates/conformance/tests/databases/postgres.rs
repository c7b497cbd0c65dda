//! PostgreSQL's words for the suite, and the suite on it.

use cells::SecretText;
use nova_conformance::{Postgres, ServerError, USER};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

use crate::{DATABASE, Server, budgets, cloud, faults, sessions};

impl Server for Postgres {
    fn url(&self, database: &str) -> SecretText {
        Postgres::url(self, database)
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
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE usename = '{USER}'");
        let mut superuser = superuser(self).await;
        let rows = superuser.fetch_all(AssertSqlSafe(sql)).await.unwrap();
        superuser.close().await.unwrap();
        rows.len()
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

#[tokio::test]
async fn postgres_holds_the_api_database() {
    cloud::suite(&server().await).await;
}
