//! The options of a database URL's query: which mean something here, which mean nothing, and which are refused.
//!
//! Those that mean nothing are what deployments write for the sake of their Python driver or of SQLAlchemy itself. Every
//! other name is refused, because nobody here knows what it does to the connection.

use std::path::PathBuf;

use crate::problem::{ProblemKind, Word};

use super::database::{Engine, TlsOptions};

/// Takes one option over.
///
/// # Errors
/// The problem with its name or its value.
pub(super) fn option(
    engine: Engine,
    key: &str,
    value: String,
    charset: &mut Option<String>,
    tls: &mut TlsOptions,
) -> Result<(), ProblemKind> {
    let forbidden = || Err(ProblemKind::ForbiddenOption(Word::of(key)));
    match (engine, key) {
        (Engine::MySql, "charset") => {
            // The connection speaks utf8mb4, a superset of both; any other would change what text means.
            is_one(key, &value, &["utf8", "utf8mb3", "utf8mb4"])?;
            *charset = Some(value.to_ascii_lowercase());
        }
        (Engine::PostgreSql, "client_encoding") => is_one(key, &value, &["utf8", "utf-8"])?,
        (Engine::MySql, "ssl_ca") | (Engine::PostgreSql, "sslrootcert") => {
            tls.ca = path(key, value)?;
        }
        (Engine::MySql, "ssl_cert") | (Engine::PostgreSql, "sslcert") => {
            tls.certificate = path(key, value)?;
        }
        (Engine::MySql, "ssl_key") | (Engine::PostgreSql, "sslkey") => tls.key = path(key, value)?,
        (Engine::PostgreSql, "sslmode") => {
            // Weaker modes fall back to plain text or skip the check of who is at the other end.
            if value != "verify-full" {
                return forbidden();
            }
        }
        // mysqlclient's word for the same.
        (Engine::MySql, "ssl_mode") => {
            if !value.eq_ignore_ascii_case("VERIFY_IDENTITY") {
                return forbidden();
            }
        }
        // Both are checked here wherever there is TLS; nobody may ask for less.
        (Engine::MySql, "ssl_verify_cert" | "ssl_verify_identity" | "ssl_check_hostname") => {
            if is_one(key, &value, &["true", "1", "yes", "on"]).is_err() {
                return forbidden();
            }
        }
        // The caller's budget is shorter or it ends first: it covers all that these would limit.
        (_, "connect_timeout") | (Engine::MySql, "read_timeout" | "write_timeout") => {
            number(key, &value)?;
        }
        // Texts are always Unicode here.
        (Engine::MySql, "use_unicode") => is_one(key, &value, &["true", "1", "yes", "on"])?,
        // devstack's counter of statements: a plug-in of SQLAlchemy's, of which the driver never hears.
        (_, "plugin") => is_one(key, &value, &["dbcounter"])?,
        // For the server's lists of who is connected.
        (Engine::PostgreSql, "application_name" | "fallback_application_name") => {}
        (
            Engine::PostgreSql,
            "keepalives"
            | "keepalives_idle"
            | "keepalives_interval"
            | "keepalives_count"
            | "tcp_user_timeout",
        ) => number(key, &value)?,
        (
            _,
            "host"
            | "hostaddr"
            | "port"
            | "user"
            | "password"
            | "dbname"
            | "database"
            | "socket"
            | "unix_socket"
            | "service"
            | "servicefile"
            | "passfile"
            | "options"
            | "ssl_mode"
            | "ssl-mode"
            | "ssl_disabled"
            | "ssl_verify_cert"
            | "ssl_verify_identity"
            | "ssl_check_hostname"
            | "init_command"
            | "read_default_file"
            | "read_default_group"
            | "local_infile"
            | "gssencmode"
            | "target_session_attrs"
            | "sslpassword",
        ) => return forbidden(),
        _ => return Err(ProblemKind::UnknownOption(Word::of(key))),
    }
    tls.required |= key.starts_with("ssl");
    Ok(())
}

fn path(key: &str, value: String) -> Result<Option<PathBuf>, ProblemKind> {
    match value.is_empty() {
        true => Err(ProblemKind::BadOption(Word::of(key))),
        false => Ok(Some(value.into())),
    }
}

/// Whether the value is one of these, in whatever case.
fn is_one(key: &str, value: &str, known: &[&str]) -> Result<(), ProblemKind> {
    match known.iter().any(|word| value.eq_ignore_ascii_case(word)) {
        true => Ok(()),
        false => Err(ProblemKind::BadOption(Word::of(key))),
    }
}

fn number(key: &str, value: &str) -> Result<(), ProblemKind> {
    match value.parse::<u32>() {
        Ok(_) => Ok(()),
        Err(_) => Err(ProblemKind::BadOption(Word::of(key))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::database::{DatabaseLocation, DatabaseServer};

    fn server_of(url: &str) -> Result<DatabaseServer, Vec<ProblemKind>> {
        match DatabaseLocation::parse(url)? {
            DatabaseLocation::Server(server) => Ok(*server),
            DatabaseLocation::Sqlite(_) => panic!("a server was expected"),
        }
    }

    #[test]
    fn what_deployments_write_for_their_python_drivers_is_taken() {
        for url in [
            "mysql+pymysql://u:p@h/nova?charset=utf8&plugin=dbcounter",
            "mysql+pymysql://u:p@h/nova?charset=UTF8",
            "mysql+pymysql://u:p@h/nova?connect_timeout=5&read_timeout=60&write_timeout=60",
            "mysql+mysqldb://u:p@h/nova?charset=utf8&use_unicode=1",
            "postgresql+psycopg2://u:p@h/nova?client_encoding=utf8&connect_timeout=5",
            "postgresql://u:p@h/nova?application_name=nova&keepalives=1&keepalives_idle=30",
        ] {
            let server = server_of(url).unwrap_or_else(|problems| panic!("{url}: {problems:?}"));
            assert!(!server.tls.required, "{url}");
        }
    }

    #[test]
    fn asking_for_the_checks_of_tls_is_asking_for_tls() {
        for url in [
            "mysql+pymysql://u:p@h/nova?charset=utf8&ssl_verify_cert=true",
            "mysql+pymysql://u:p@h/nova?ssl_verify_cert=1&ssl_ca=/etc/ca.pem",
            "mysql+pymysql://u:p@h/nova?ssl_check_hostname=True&ssl_verify_identity=yes",
            "mysql+mysqldb://u:p@h/nova?ssl_mode=VERIFY_IDENTITY",
            "postgresql://u:p@h/nova?sslmode=verify-full",
        ] {
            assert!(server_of(url).unwrap().tls.required, "{url}");
        }
    }

    #[test]
    fn less_than_the_checks_of_tls_and_values_without_sense_are_refused() {
        let word = Word::of;
        for (query, expected) in [
            (
                "ssl_verify_cert=false",
                ProblemKind::ForbiddenOption(word("ssl_verify_cert")),
            ),
            (
                "ssl_check_hostname=",
                ProblemKind::ForbiddenOption(word("ssl_check_hostname")),
            ),
            (
                "ssl_mode=REQUIRED",
                ProblemKind::ForbiddenOption(word("ssl_mode")),
            ),
            (
                "connect_timeout=soon",
                ProblemKind::BadOption(word("connect_timeout")),
            ),
            ("plugin=other", ProblemKind::BadOption(word("plugin"))),
            (
                "application_name=x",
                ProblemKind::UnknownOption(word("application_name")),
            ),
        ] {
            let url = format!("mysql://u:p@h/nova?{query}");
            assert_eq!(server_of(&url).unwrap_err(), [expected], "{url}");
        }
    }
}
