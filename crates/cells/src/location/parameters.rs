//! What a host's own configuration adds to every database URL: options like those of a URL's query, read as they are.

use crate::problem::{InvalidUrl, ProblemKind, Word};
use crate::secret::SecretText;

use super::database::DatabaseLocation;
use super::database_option::option;
use super::text::options;

impl DatabaseLocation {
    /// The same place with further options, written as in a URL's query: `[database]connection_parameters` of nova.conf,
    /// which oslo.db adds to each URL (`[api_database]` has its own). Options without a value are none.
    ///
    /// # Errors
    /// [`InvalidUrl`] with every problem found, as for a URL that had these options.
    pub fn with_parameters(mut self, parameters: &SecretText) -> Result<Self, InvalidUrl> {
        let mut problems = Vec::new();
        let given = options(parameters.expose()).unwrap_or_else(|kind| {
            problems.push(kind);
            Vec::new()
        });
        for (key, value) in given.into_iter().filter(|(_, value)| !value.is_empty()) {
            let taken = match &mut self {
                Self::Server(s) => option(s.engine, &key, value, &mut s.charset, &mut s.tls),
                // A plug-in of SQLAlchemy's, of which no driver hears.
                Self::Sqlite(_) if key == "plugin" => Ok(()),
                Self::Sqlite(_) => Err(ProblemKind::ForbiddenOption(Word::of(&key))),
            };
            problems.extend(taken.err());
        }
        match problems.is_empty() {
            true => Ok(self),
            false => Err(InvalidUrl::new(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_hosts_own_parameters_are_options_like_any_other() {
        let with = |url: &str, parameters: &str| {
            let place = DatabaseLocation::parse(url).unwrap();
            place.with_parameters(&parameters.into())
        };
        match with(
            "mysql://u@h/d?charset=utf8",
            "ssl_ca=%2Fca.pem&charset=&ssl_verify_cert=1",
        ) {
            Ok(DatabaseLocation::Server(s)) => {
                assert!(s.tls.required && s.charset.as_deref() == Some("utf8"));
                assert_eq!(s.tls.ca.as_deref(), Some(Path::new("/ca.pem")));
            }
            other => panic!("{other:?}"),
        }
        assert!(with("sqlite:///x", "plugin=dbcounter").is_ok());
        for (url, parameters, expected) in [
            (
                "mysql://h/d",
                "ssl_disabled=1&frob=2",
                "option `ssl_disabled` could redirect or weaken the connection; unknown option `frob`",
            ),
            ("postgresql://u@h/d", "ssl_ca=/x", "unknown option `ssl_ca`"),
            (
                "sqlite:///x",
                "mode=rwc",
                "option `mode` could redirect or weaken the connection",
            ),
            (
                "mysql://h/d",
                "charset=utf8&charset=utf8",
                "malformed value of option `charset`",
            ),
        ] {
            assert_eq!(with(url, parameters).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn all_problems_of_a_url_are_found_at_once() {
        let problems = DatabaseLocation::parse("mysql://u:p@:x/?host=a").unwrap_err();
        assert_eq!(
            problems,
            [
                ProblemKind::NoHost,
                ProblemKind::BadPort,
                ProblemKind::NoDatabase,
                ProblemKind::ForbiddenOption(Word::of("host")),
            ]
        );
    }
}
