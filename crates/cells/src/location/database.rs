//! Database URLs as Nova writes them: SQLAlchemy's `dialect+driver://user:password@host:port/database?option=value`.
//!
//! Read with SQLAlchemy's own rules where they differ from a browser's: a password ends at the first `@` and may hold
//! an unescaped `/`, and `sqlite:///rel` is relative while `sqlite:////abs` is not. Nothing is opened here.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::problem::{InvalidUrl, ProblemKind, Word};
use crate::secret::SecretText;

use super::canonical::Canonical;
use super::database_option::option;
use super::host::{Host, parse_port, split_port};
use super::text::{decode, decode_secret, encode, options, split_scheme};

/// Where a cell's database is.
#[derive(Debug, Clone)]
pub enum DatabaseLocation {
    /// A file, for tests and the embedded default.
    Sqlite(SqliteFile),
    /// A server.
    Server(Box<DatabaseServer>),
}

/// An SQLite database file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteFile {
    path: PathBuf,
}

impl SqliteFile {
    /// The path as it was stored; a relative one is relative to the working directory, as for SQLAlchemy.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Which server speaks at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// MariaDB or MySQL.
    MySql,
    /// PostgreSQL.
    PostgreSql,
}

/// A database on a server, and how to log in there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DatabaseServer {
    /// The kind of server.
    pub engine: Engine,
    /// The Python driver named after the `+`: kept for the masked form, of no meaning here.
    pub driver: Option<String>,
    /// The login name.
    pub user: Option<String>,
    /// The login password.
    pub password: Option<SecretText>,
    /// The host.
    pub host: Host,
    /// The port: the engine's default where the URL has none.
    pub port: u16,
    /// The database's name.
    pub database: String,
    /// MySQL's `charset`, as Nova writes it.
    pub charset: Option<String>,
    /// What the URL says about TLS.
    pub tls: TlsOptions,
}

/// TLS as SQLAlchemy URLs name it (`ssl_ca`, `ssl_cert`, `ssl_key`, or PostgreSQL's `sslrootcert` …): paths of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsOptions {
    /// Certificates of the authorities to trust; naming any asks for TLS with a verified peer.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// The client's key.
    pub key: Option<PathBuf>,
    /// Whether the URL asks for TLS at all.
    pub required: bool,
}

impl DatabaseLocation {
    /// Reads a database URL that is no template, such as `[api_database]connection` of nova.conf.
    ///
    /// # Errors
    /// [`InvalidUrl`] with every problem found. It never repeats text of the URL.
    pub fn from_url(url: &SecretText) -> Result<Self, InvalidUrl> {
        Self::parse(url.expose()).map_err(InvalidUrl::new)
    }

    pub(crate) fn parse(url: &str) -> Result<Self, Vec<ProblemKind>> {
        let (scheme, driver, rest) = split_scheme(url).map_err(|kind| vec![kind])?;
        match scheme.as_str() {
            "sqlite" => sqlite(rest).map(Self::Sqlite).map_err(|kind| vec![kind]),
            "mysql" | "mariadb" => {
                server(Engine::MySql, driver, rest).map(|s| Self::Server(Box::new(s)))
            }
            "postgresql" | "postgres" => {
                server(Engine::PostgreSql, driver, rest).map(|s| Self::Server(Box::new(s)))
            }
            _ => Err(vec![ProblemKind::UnknownScheme(Word::of(&scheme))]),
        }
    }

    /// Everything that says where and as whom, secrets included: what revisions and seals are made of.
    pub(crate) fn canonical(&self, to: &mut Canonical<'_>) {
        let server = match self {
            Self::Sqlite(file) => {
                to.field("engine", "sqlite");
                return to.field("path", file.path.as_os_str().as_encoded_bytes());
            }
            Self::Server(server) => server,
        };
        to.field(
            "engine",
            match server.engine {
                Engine::MySql => "mysql",
                Engine::PostgreSql => "postgresql",
            },
        );
        to.field("host", server.host.to_string());
        to.field("port", server.port.to_be_bytes());
        to.field("database", &server.database);
        to.maybe("user", server.user.as_ref());
        to.maybe("password", server.password.as_ref().map(SecretText::expose));
        to.maybe("charset", server.charset.as_ref());
        let path = |path: &Option<PathBuf>| {
            path.as_ref()
                .map(|p| p.as_os_str().as_encoded_bytes().to_vec())
        };
        to.maybe("tls-ca", path(&server.tls.ca));
        to.maybe("tls-certificate", path(&server.tls.certificate));
        to.maybe("tls-key", path(&server.tls.key));
        to.maybe("tls", server.tls.required.then_some("required"));
    }

    /// What makes two locations the same database, whoever logs in.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite|{}", file.path.display()),
            Self::Server(s) => format!(
                "{:?}|{}|{}|{}",
                s.engine,
                s.host,
                s.port,
                encode(&s.database)
            ),
        }
    }
}

impl fmt::Display for DatabaseLocation {
    /// The masked URL: every part but the password, which is `***`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite:///{}", file.path.display()),
            Self::Server(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for DatabaseServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.engine {
            Engine::MySql => "mysql",
            Engine::PostgreSql => "postgresql",
        })?;
        if let Some(driver) = &self.driver {
            write!(f, "+{driver}")?;
        }
        f.write_str("://")?;
        if let Some(user) = &self.user {
            write!(
                f,
                "{}{}@",
                encode(user),
                if self.password.is_some() { ":***" } else { "" }
            )?;
        }
        write!(f, "{}:{}/{}", self.host, self.port, encode(&self.database))
    }
}

fn sqlite(rest: &str) -> Result<SqliteFile, ProblemKind> {
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some((key, _)) = options(query)?.first() {
        // `mode`, `vfs`, `immutable`, `cache`: every one changes what is opened or how it is locked.
        return Err(ProblemKind::ForbiddenOption(Word::of(key)));
    }
    let path = match location.strip_prefix('/') {
        Some(path) => path,
        None if location.is_empty() => return Err(ProblemKind::InMemory),
        None => return Err(ProblemKind::UnusedPart),
    };
    // SQLAlchemy 2.1 undoes escapes in a database's name, so that is the file that Nova opens.
    let path = decode(path)?;
    if path.is_empty() || path == ":memory:" || path.starts_with("file:") {
        return Err(ProblemKind::InMemory);
    }
    Ok(SqliteFile {
        path: PathBuf::from(path),
    })
}

/// `user:password@` by SQLAlchemy's expression `[^:/]*(:[^@]*)?@`, then what follows.
fn split_login(url: &str) -> (Option<&str>, Option<&str>, &str) {
    let stop = url.find([':', '/']).unwrap_or(url.len());
    if let Some(after) = url[stop..].strip_prefix(':')
        && let Some((password, rest)) = after.split_once('@')
    {
        return (Some(&url[..stop]), Some(password), rest);
    }
    match url[..stop].rfind('@') {
        Some(at) => (Some(&url[..at]), None, &url[at + 1..]),
        None => (None, None, url),
    }
}

fn server(
    engine: Engine,
    driver: Option<String>,
    rest: &str,
) -> Result<DatabaseServer, Vec<ProblemKind>> {
    let (user, password, rest) = split_login(rest);
    let (address, rest) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, port) = split_port(address);

    let mut problems = Vec::new();
    let mut keep = |kind: ProblemKind| problems.push(kind);
    let user = user
        .map(decode)
        .transpose()
        .map_err(&mut keep)
        .ok()
        .flatten();
    let password = password
        .map(decode_secret)
        .transpose()
        .map_err(&mut keep)
        .ok()
        .flatten();
    let host = Host::parse(host).map_err(&mut keep).ok();
    let port = parse_port(port).map_err(&mut keep).ok();
    let database = database_name(path).map_err(&mut keep).ok();
    // Its client libraries would take the name of this process's user.
    if engine == Engine::PostgreSql && user.as_ref().is_none_or(String::is_empty) {
        keep(ProblemKind::NoUser);
    }
    let mut charset = None;
    let mut tls = TlsOptions::default();
    match options(query) {
        Ok(options) => {
            for (key, value) in options {
                if let Err(kind) = option(engine, &key, value, &mut charset, &mut tls) {
                    keep(kind);
                }
            }
        }
        Err(kind) => keep(kind),
    }
    match (host, port, database, problems.is_empty()) {
        (Some(host), Some(port), Some(database), true) => Ok(DatabaseServer {
            engine,
            driver,
            user: user.filter(|user| !user.is_empty()),
            password,
            host,
            port: port.unwrap_or(match engine {
                Engine::MySql => 3306,
                Engine::PostgreSql => 5432,
            }),
            database,
            charset,
            tls,
        }),
        _ => Err(problems),
    }
}

fn database_name(path: &str) -> Result<String, ProblemKind> {
    let name = path.strip_prefix('/').unwrap_or(path);
    if name.is_empty() {
        return Err(ProblemKind::NoDatabase);
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-$.".contains(&b);
    if name.len() <= 64 && name.bytes().all(plain) {
        Ok(name.to_owned())
    } else {
        Err(ProblemKind::BadDatabase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_of(url: &str) -> DatabaseServer {
        match DatabaseLocation::parse(url).unwrap() {
            DatabaseLocation::Server(server) => *server,
            DatabaseLocation::Sqlite(_) => panic!("a server was expected"),
        }
    }

    #[test]
    fn novas_own_urls_are_read_into_parts() {
        let s =
            server_of("mysql+pymysql://nova:s%40crt/x@db1.example:3307/nova_cell1?charset=utf8");
        assert_eq!(
            (s.engine, s.port, s.database.as_str()),
            (Engine::MySql, 3307, "nova_cell1")
        );
        assert_eq!(s.user.as_deref(), Some("nova"));
        assert_eq!(s.password.as_ref().map(SecretText::expose), Some("s@crt/x"));
        assert_eq!(s.host, Host::Name("db1.example".into()));

        let s = server_of("postgresql+psycopg2://nova@[::1]/nova_cell2");
        assert_eq!((s.engine, s.port), (Engine::PostgreSql, 5432));
        assert!(s.password.is_none());
    }

    #[test]
    fn a_login_is_split_as_sqlalchemy_splits_it() {
        assert_eq!(
            split_login("u@x:p/w@h:1/d"),
            (Some("u@x"), Some("p/w"), "h:1/d")
        );
        assert_eq!(split_login("u@h:1/d"), (Some("u"), None, "h:1/d"));
        assert_eq!(split_login("h:1/d"), (None, None, "h:1/d"));
        assert_eq!(split_login(":p@h/d"), (Some(""), Some("p"), "h/d"));
    }

    #[test]
    fn sqlite_paths_are_relative_or_absolute_by_their_slashes() {
        let path = |url: &str| match DatabaseLocation::parse(url).unwrap() {
            DatabaseLocation::Sqlite(file) => file.path().to_owned(),
            DatabaseLocation::Server(_) => panic!("a file was expected"),
        };
        assert_eq!(
            path("sqlite:///nova_cell1.sqlite"),
            Path::new("nova_cell1.sqlite")
        );
        assert_eq!(
            path("sqlite:////var/lib/nova.sqlite"),
            Path::new("/var/lib/nova.sqlite")
        );
        assert_eq!(
            path("sqlite:///cell%201.sqlite"),
            Path::new("cell 1.sqlite")
        );
    }

    #[test]
    fn the_masked_form_has_every_part_but_the_password() {
        let url = "mysql+pymysql://nova:hunter2@db1/nova_cell1?charset=utf8";
        let shown = DatabaseLocation::parse(url).unwrap().to_string();
        assert_eq!(shown, "mysql+pymysql://nova:***@db1:3306/nova_cell1");
        assert!(!format!("{:?}", DatabaseLocation::parse(url)).contains("hunter2"));
    }

    #[test]
    fn options_that_redirect_or_weaken_are_refused_and_unknown_ones_too() {
        for (url, expected) in [
            ("postgresql://nova@ok/nova?host=evil", "could redirect"),
            (
                "postgresql://nova@ok/nova?sslmode=disable",
                "could redirect or weaken the connection; only `verify-full` is taken",
            ),
            ("mysql://nova@ok/nova?socket=/tmp/s", "could redirect"),
            ("sqlite:///x.sqlite?mode=rwc", "could redirect"),
            (
                "mysql://nova@ok/nova?frobnicate=1",
                "unknown option `frobnicate`",
            ),
            (
                "mysql://nova@ok/nova?charset=latin1",
                "malformed value of option `charset`",
            ),
        ] {
            let problems = DatabaseLocation::parse(url).unwrap_err();
            assert!(
                problems[0].to_string().contains(expected),
                "{url}: {problems:?}"
            );
        }
    }

    #[test]
    fn postgresql_is_told_who_logs_in() {
        for url in ["postgresql://h/d", "postgresql://:p@h/d"] {
            let problems = DatabaseLocation::parse(url).unwrap_err();
            assert_eq!(problems, [ProblemKind::NoUser], "{url}");
        }
    }

    #[test]
    fn a_refused_url_is_not_repeated() {
        let url = SecretText::from("mysql://u:hunter2@:x/?host=evil");
        let error = DatabaseLocation::from_url(&url).unwrap_err().to_string();
        assert!(error.starts_with("no host; malformed port; "), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("evil"),
            "{error}"
        );
    }

    #[test]
    fn databases_in_memory_are_refused() {
        for url in [
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///file:x",
        ] {
            assert_eq!(
                DatabaseLocation::parse(url).unwrap_err(),
                [ProblemKind::InMemory],
                "{url}"
            );
        }
    }
}
