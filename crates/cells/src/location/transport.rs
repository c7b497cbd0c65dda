//! Transport URLs by oslo.messaging's grammar (nova-facts 7.7):
//! `driver://[user[:pass]@]host[:port][,[userN[:passN]@]hostN[:portN]…]/virtual_host[?option=value…]`.
//!
//! `none:///` is Nova's own mark for *no bus*. Nothing is connected here.

use std::cmp::Ordering;
use std::fmt;

use crate::problem::{InvalidUrl, ProblemKind, Word};
use crate::secret::SecretText;

use super::canonical::Canonical;
use super::host::{Host, parse_port, split_port};
use super::text::{decode, decode_secret, encode, options, split_scheme};
use super::transport_option::{BrokerOptions, is_true, refused, value};

/// Where a cell's bus is.
#[derive(Debug, Clone)]
pub enum TransportLocation {
    /// There is none: cell0.
    None,
    /// A bus inside this process (`fake://`, as oslo.messaging calls its own), for tests and the embedded default.
    InProcess {
        /// Cells with the same name share a bus.
        name: String,
    },
    /// A broker.
    Broker(Box<Broker>),
}

/// Which broker speaks at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokerKind {
    /// RabbitMQ (`rabbit`, or `kombu`, its older name).
    Rabbit,
    /// Redis without TLS.
    Redis,
    /// Redis over TLS (`rediss`).
    RedisTls,
    /// The Redis that sentinels name (`redis+sentinel`): the hosts are theirs, the virtual host is the name that they know
    /// it by, and the logins are for Redis.
    RedisSentinel,
}

/// A broker that is reached at one of several hosts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Broker {
    /// The kind.
    pub kind: BrokerKind,
    /// The hosts, in the URL's order; at least one.
    pub hosts: Vec<BrokerHost>,
    /// The virtual host; RabbitMQ's `/` where the URL names none.
    pub virtual_host: String,
    /// Options of the query, decoded, in their order.
    pub options: Vec<(String, String)>,
    /// What holds where the query does not say otherwise.
    pub(crate) defaults: BrokerOptions,
}

impl Broker {
    /// The value of an option: the URL's, or else the host's own.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        value(&self.options, name).or_else(|| self.defaults.get(name))
    }

    /// Whether TLS is asked for: by `rediss`, or by oslo.messaging's option `ssl`.
    #[must_use]
    pub fn asks_for_tls(&self) -> bool {
        self.kind == BrokerKind::RedisTls || self.option("ssl").is_some_and(is_true)
    }
}

/// One host of a broker, with the login to use there.
#[derive(Debug, Clone)]
pub struct BrokerHost {
    /// The login name.
    pub user: Option<String>,
    /// The login password.
    pub password: Option<SecretText>,
    /// The host.
    pub host: Host,
    /// The port: the broker's default where the URL has none.
    pub port: u16,
}

impl TransportLocation {
    /// Reads a transport URL that is no template, such as one of this host's own configuration.
    ///
    /// # Errors
    /// [`InvalidUrl`] with every problem found. It never repeats text of the URL.
    pub fn from_url(url: &SecretText) -> Result<Self, InvalidUrl> {
        Self::parse(url.expose()).map_err(InvalidUrl::new)
    }

    pub(crate) fn parse(url: &str) -> Result<Self, Vec<ProblemKind>> {
        let (scheme, driver, rest) = split_scheme(url).map_err(|kind| vec![kind])?;
        let one = |kind| vec![kind];
        let kind = match scheme.as_str() {
            "none" if matches!(rest, "" | "/") => return Ok(Self::None),
            "none" => return Err(one(ProblemKind::UnusedPart)),
            "fake" => return in_process(rest).map_err(one),
            "rabbit" | "kombu" => BrokerKind::Rabbit,
            "redis" => BrokerKind::Redis,
            "rediss" => BrokerKind::RedisTls,
            _ => return Err(one(ProblemKind::UnknownScheme(Word::of(&scheme)))),
        };
        let kind = match (kind, driver.as_deref()) {
            (kind, None) => kind,
            (BrokerKind::Redis, Some("sentinel")) => BrokerKind::RedisSentinel,
            (_, Some(_)) => return Err(one(ProblemKind::UnknownScheme(Word::of("")))),
        };
        broker(kind, rest).map(|broker| Self::Broker(Box::new(broker)))
    }

    /// The same place, with the options that this host's configuration has for it.
    pub(crate) fn with_defaults(mut self, defaults: &BrokerOptions) -> Self {
        if let Self::Broker(broker) = &mut self
            && broker.kind == BrokerKind::Rabbit
        {
            broker.defaults = defaults.clone();
        }
        self
    }

    /// The options of this host's configuration that hold here: not part of where the bus is, and so of no seal.
    pub(crate) fn canonical_defaults(&self, to: &mut Canonical<'_>) {
        let Self::Broker(broker) = self else { return };
        for (key, value) in broker.defaults.all() {
            to.field("default-option", key);
            to.field("value", value);
        }
    }

    /// Whether there is a bus at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Everything that says where and as whom, secrets included: what revisions and seals are made of. The order of hosts
    /// and options means nothing (oslo.messaging shuffles the hosts for each connection).
    pub(crate) fn canonical(&self, to: &mut Canonical<'_>) {
        let broker = match self {
            Self::None => return to.field("kind", "none"),
            Self::InProcess { name } => {
                to.field("kind", "in-process");
                return to.field("name", name);
            }
            Self::Broker(broker) => broker,
        };
        to.field(
            "kind",
            match broker.kind {
                BrokerKind::Rabbit => "rabbit",
                BrokerKind::Redis => "redis",
                BrokerKind::RedisTls => "rediss",
                BrokerKind::RedisSentinel => "redis+sentinel",
            },
        );
        to.field("virtual-host", &broker.virtual_host);
        let mut hosts: Vec<&BrokerHost> = broker.hosts.iter().collect();
        // By everything that follows: two logins of one user may differ by their passwords only.
        hosts.sort_by(|one, other| {
            let place = |host: &BrokerHost| (host.host.to_string(), host.port);
            let password = |host: &BrokerHost| host.password.is_some();
            place(one)
                .cmp(&place(other))
                .then_with(|| one.user.cmp(&other.user))
                .then_with(|| password(one).cmp(&password(other)))
                .then_with(|| match (&one.password, &other.password) {
                    (Some(one), Some(other)) => one.expose().cmp(other.expose()),
                    _ => Ordering::Equal,
                })
        });
        for host in hosts {
            to.field("host", host.host.to_string());
            to.field("port", host.port.to_be_bytes());
            to.maybe("user", host.user.as_ref());
            to.maybe("password", host.password.as_ref().map(SecretText::expose));
        }
        let mut options: Vec<&(String, String)> = broker.options.iter().collect();
        options.sort();
        for (key, value) in options {
            to.field("option", key);
            to.field("value", value);
        }
    }

    /// What makes two locations the same bus, whoever logs in.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::None => "none".into(),
            Self::InProcess { name } => format!("in-process|{name}"),
            Self::Broker(b) => {
                let mut hosts: Vec<String> = b
                    .hosts
                    .iter()
                    .map(|host| format!("{}:{}", host.host, host.port))
                    .collect();
                hosts.sort();
                format!(
                    "{:?}|{}|{}",
                    b.kind,
                    hosts.join(","),
                    encode(&b.virtual_host)
                )
            }
        }
    }
}

impl fmt::Display for TransportLocation {
    /// The masked URL: every part but the passwords, which are `***`, and the options' values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none:///"),
            Self::InProcess { name } => write!(f, "fake:///{}", encode(name)),
            Self::Broker(broker) => broker.fmt(f),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            BrokerKind::Rabbit => "rabbit://",
            BrokerKind::Redis => "redis://",
            BrokerKind::RedisTls => "rediss://",
            BrokerKind::RedisSentinel => "redis+sentinel://",
        })?;
        for (n, host) in self.hosts.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            if let Some(user) = &host.user {
                let mask = if host.password.is_some() { ":***" } else { "" };
                write!(f, "{}{mask}@", encode(user))?;
            }
            write!(f, "{}:{}", host.host, host.port)?;
        }
        write!(f, "/{}", encode(&self.virtual_host).replace("%2F", "/"))
    }
}

fn in_process(rest: &str) -> Result<TransportLocation, ProblemKind> {
    let name = rest.strip_prefix('/').ok_or(ProblemKind::UnusedPart)?;
    if name.contains(['?', '#']) {
        return Err(ProblemKind::UnusedPart);
    }
    Ok(TransportLocation::InProcess {
        name: decode(name)?,
    })
}

fn broker(kind: BrokerKind, rest: &str) -> Result<Broker, Vec<ProblemKind>> {
    let (netloc, rest) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let mut problems = Vec::new();
    if rest.contains('#') {
        // Python drops the fragment silently: nearly always it is the rest of an unescaped password.
        problems.push(ProblemKind::UnusedPart);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut hosts = Vec::new();
    for part in netloc.split(',').filter(|part| !part.is_empty()) {
        match broker_host(kind, part) {
            Ok(host) => hosts.push(host),
            Err(kind) => problems.push(kind),
        }
    }
    // `rabbit://,/` names as few hosts as `rabbit:///` does.
    if netloc.split(',').all(str::is_empty) {
        problems.push(ProblemKind::NoHost);
    }
    let virtual_host = decode(path.strip_prefix('/').unwrap_or(path));
    let options = options(query).and_then(|options| {
        match options.iter().find_map(|(key, value)| refused(key, value)) {
            Some(problem) => Err(problem),
            None => Ok(options),
        }
    });
    match (virtual_host, options) {
        (Ok(virtual_host), Ok(options)) if problems.is_empty() => Ok(Broker {
            kind,
            hosts,
            virtual_host: if virtual_host.is_empty() {
                "/".into()
            } else {
                virtual_host
            },
            options,
            defaults: BrokerOptions::default(),
        }),
        (virtual_host, options) => {
            problems.extend(virtual_host.err());
            problems.extend(options.err());
            Err(problems)
        }
    }
}

fn broker_host(kind: BrokerKind, part: &str) -> Result<BrokerHost, ProblemKind> {
    let (login, address) = match part.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, part),
    };
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, "\0"))) {
        None => (None, None),
        Some((user, "\0")) => (Some(decode(user)?), None),
        Some((user, password)) => (Some(decode(user)?), Some(decode_secret(password)?)),
    };
    let (host, port) = split_port(address);
    let default_port = match kind {
        BrokerKind::Rabbit => 5672,
        BrokerKind::Redis | BrokerKind::RedisTls => 6379,
        BrokerKind::RedisSentinel => 26379,
    };
    Ok(BrokerHost {
        user: user.filter(|user| !user.is_empty()),
        password,
        host: Host::parse(host)?,
        port: parse_port(port)?.unwrap_or(default_port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker_of(url: &str) -> Broker {
        match TransportLocation::parse(url).unwrap() {
            TransportLocation::Broker(broker) => *broker,
            other => panic!("a broker was expected, got {other}"),
        }
    }

    #[test]
    fn a_url_with_one_host_is_read_into_parts() {
        let b = broker_of("rabbit://no%40va:s:e%2Fcret@mq1:5673/cell1");
        assert_eq!(b.hosts[0].user.as_deref(), Some("no@va"));
        assert_eq!(
            b.hosts[0].password.as_ref().map(SecretText::expose),
            Some("s:e/cret")
        );
        assert_eq!((b.hosts[0].port, b.virtual_host.as_str()), (5673, "cell1"));
    }

    #[test]
    fn several_hosts_keep_their_order_and_their_own_logins() {
        let b = broker_of("rabbit://a:1@h1,h2:7,c:3@[::1]:9/");
        let shown: Vec<String> = b
            .hosts
            .iter()
            .map(|h| format!("{}:{}", h.host, h.port))
            .collect();
        assert_eq!(shown, ["h1:5672", "h2:7", "[::1]:9"]);
        assert!(b.hosts[1].user.is_none());
        assert_eq!(b.virtual_host, "/");
    }

    #[test]
    fn every_spelling_of_the_root_virtual_host_is_the_same_one() {
        for url in [
            "rabbit://h",
            "rabbit://h/",
            "rabbit://h//",
            "rabbit://h/%2F",
        ] {
            assert_eq!(broker_of(url).virtual_host, "/", "{url}");
        }
        assert_eq!(broker_of("rabbit://h/a/b").virtual_host, "a/b");
    }

    #[test]
    fn sentinels_are_hosts_with_a_port_of_their_own() {
        let b = broker_of("redis+sentinel://u:hunter2@s1,u:hunter2@s2:7/cell1?ssl=true");
        let ports: Vec<u16> = b.hosts.iter().map(|host| host.port).collect();
        assert_eq!((b.kind, ports), (BrokerKind::RedisSentinel, vec![26379, 7]));
        assert_eq!(
            b.to_string(),
            "redis+sentinel://u:***@s1:26379,u:***@s2:7/cell1"
        );
        assert!(b.asks_for_tls());
        for url in [
            "rediss+sentinel://h/x",
            "rabbit+sentinel://h/x",
            "redis+x://h/",
        ] {
            assert!(TransportLocation::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn none_is_no_bus_and_takes_no_parts() {
        assert!(TransportLocation::parse("none:///").unwrap().is_none());
        assert!(TransportLocation::parse("none://").unwrap().is_none());
        assert_eq!(
            TransportLocation::parse("none://h/").unwrap_err(),
            [ProblemKind::UnusedPart]
        );
        assert!(TransportLocation::parse("nonesuch:///").is_err());
    }

    #[test]
    fn the_masked_form_has_no_password() {
        let url = "rabbit://nova:hunter2@mq1,nova:hunter3@mq2/cell1";
        let location = TransportLocation::parse(url).unwrap();
        assert_eq!(
            location.to_string(),
            "rabbit://nova:***@mq1:5672,nova:***@mq2:5672/cell1"
        );
        assert!(!format!("{location:?}").contains("hunter"));
    }

    #[test]
    fn what_deployments_write_for_oslo_messaging_is_taken() {
        let b = broker_of("rabbit://u:p@h/v?ssl=1&ssl_version=TLSv1_2&ssl_ca_file=/etc/ca.pem");
        assert!(b.asks_for_tls());
        broker_of("rabbit://u:p@h/v?ssl=0&heartbeat_rate=3&kombu_reconnect_delay=0.5");
        // An empty one is none, as for oslo.messaging; one that is neither yes nor no is a mistake.
        assert!(!broker_of("rabbit://h/v?ssl=").asks_for_tls());
        let defaults = [("ssl".to_owned(), "yes".to_owned())];
        let defaults = BrokerOptions::new(defaults).unwrap();
        for (url, expected) in [
            ("rabbit://h/v", true),
            ("rabbit://h/v?ssl=", true),
            ("rabbit://h/v?ssl=off", false),
            ("redis://h/0", false),
        ] {
            match TransportLocation::parse(url)
                .unwrap()
                .with_defaults(&defaults)
            {
                TransportLocation::Broker(b) => assert_eq!(b.asks_for_tls(), expected, "{url}"),
                other => panic!("{other}"),
            }
        }
        assert_eq!(
            TransportLocation::parse("rabbit://h/v?ssl=ture").unwrap_err(),
            [ProblemKind::BadOption(Word::of("ssl"))]
        );
        for version in ["TLSv1", "TLSv1_1", "SSLv3"] {
            let url = format!("rabbit://h/v?ssl=1&ssl_version={version}");
            assert_eq!(
                TransportLocation::parse(&url).unwrap_err(),
                [ProblemKind::BadOption(Word::of("ssl_version"))]
            );
        }
    }

    #[test]
    fn malformed_urls_name_what_is_wrong() {
        for (url, expected) in [
            ("rabbit:///v", ProblemKind::NoHost),
            ("rabbit://,/v", ProblemKind::NoHost),
            ("rabbit://h:99999/", ProblemKind::BadPort),
            ("rabbit://h:x/", ProblemKind::BadPort),
            ("rabbit://[::1/", ProblemKind::BadHost),
            ("rabbit://u:p#w@h/", ProblemKind::UnusedPart),
            ("zmq://h/", ProblemKind::UnknownScheme(Word::of("zmq"))),
            (
                "rabbit://h/?frob=1",
                ProblemKind::UnknownOption(Word::of("frob")),
            ),
            ("h:5672", ProblemKind::NoScheme),
        ] {
            assert_eq!(
                TransportLocation::parse(url).unwrap_err()[0],
                expected,
                "{url}"
            );
        }
    }
}
