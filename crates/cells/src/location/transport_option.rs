//! The options of a transport URL's query, which are those of `[oslo_messaging_rabbit]`: which mean something here, which mean
//! nothing, and which are refused. A URL's own word wins over the host's, as in oslo.messaging (nova-facts 7.7).

use std::sync::Arc;

use crate::problem::{InvalidUrl, ProblemKind, Word};

/// Options that mean something here.
const KNOWN: [&str; 10] = [
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_key_file",
    "ssl_version",
    "heartbeat_timeout_threshold",
    "rabbit_quorum_queue",
    "rabbit_transient_quorum_queue",
    "amqp_durable_queues",
    "rabbit_qos_prefetch_count",
];

/// Options that say how oslo.messaging's own threads, pools and waits work, which are not those of this process: they are
/// taken and change nothing.
const IDLE: [&str; 12] = [
    "heartbeat_rate",
    "heartbeat_in_pthread",
    "kombu_reconnect_delay",
    "kombu_reconnect_splay",
    "kombu_missing_consumer_retry_timeout",
    "kombu_failover_strategy",
    "rabbit_retry_interval",
    "rabbit_retry_backoff",
    "rabbit_interval_max",
    "rpc_conn_pool_size",
    "conn_pool_min_size",
    "conn_pool_ttl",
];

/// What this host's nova.conf says in `[oslo_messaging_rabbit]`: it holds for every RabbitMQ whose URL does not say
/// otherwise, whichever cell's it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerOptions(Arc<[(String, String)]>);

impl BrokerOptions {
    /// The options that mean something here. Others of that section need not be read.
    pub const NAMES: [&str; 10] = KNOWN;

    /// These options with their values. One without a value is none.
    ///
    /// # Errors
    /// [`InvalidUrl`] with every problem found, as for a URL that had these options.
    pub fn new(options: impl IntoIterator<Item = (String, String)>) -> Result<Self, InvalidUrl> {
        let given = |(_, value): &(String, String)| !value.is_empty();
        let options: Vec<_> = options.into_iter().filter(given).collect();
        let problems: Vec<ProblemKind> = options
            .iter()
            .filter_map(|(key, value)| refused(key, value))
            .collect();
        match problems.is_empty() {
            true => Ok(Self(options.into())),
            false => Err(InvalidUrl::new(problems)),
        }
    }

    /// One option's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        value(&self.0, name)
    }

    pub(crate) fn all(&self) -> &[(String, String)] {
        &self.0
    }
}

/// The value of an option that has one.
pub(super) fn value<'o>(options: &'o [(String, String)], name: &str) -> Option<&'o str> {
    let found = options
        .iter()
        .find(|(key, value)| key == name && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

/// What is wrong with an option that is not taken.
pub(super) fn refused(key: &str, value: &str) -> Option<ProblemKind> {
    let one_of = |words: &[&str]| {
        let is = |word: &&str| value.eq_ignore_ascii_case(word);
        (!words.iter().any(is)).then(|| ProblemKind::BadOption(Word::of(key)))
    };
    match key {
        // A word that is neither must not be taken for *no*: the connection would be plain text.
        "ssl" => one_of(&[&TRUE[..], &FALSE, &[""]].concat()),
        // What both ends agree on is 1.2 or 1.3 here, so older versions cannot be had.
        "ssl_version" => one_of(&["", "SSLv23", "TLSv1_2"]),
        _ if KNOWN.contains(&key) || IDLE.contains(&key) => None,
        _ => Some(ProblemKind::UnknownOption(Word::of(key))),
    }
}

/// oslo.config's words for true and false.
const TRUE: [&str; 4] = ["true", "1", "on", "yes"];
const FALSE: [&str; 4] = ["false", "0", "off", "no"];

pub(super) fn is_true(value: &str) -> bool {
    TRUE.iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(given: &[(&str, &str)]) -> Result<BrokerOptions, InvalidUrl> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        BrokerOptions::new(given.iter().map(owned))
    }

    #[test]
    fn what_makes_no_sense_is_named_and_what_is_empty_is_not_there() {
        let refused = options(&[("ssl", "ture"), ("ssl_version", "SSLv3"), ("frob", "1")]);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "malformed value of option `ssl`; malformed value of option `ssl_version`; unknown option `frob`"
        );
        let taken = options(&[
            ("ssl", "True"),
            ("ssl_ca_file", ""),
            ("ssl_cert_file", "/c"),
        ]);
        let taken = taken.unwrap();
        assert_eq!(
            (taken.get("ssl_ca_file"), taken.get("ssl_cert_file")),
            (None, Some("/c"))
        );
    }
}
