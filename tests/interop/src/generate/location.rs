//! Database and transport URLs and templates, as operators write them, with an odd thing in every fourth.

use conformance::Rng;

use super::Draw as _;

const HOSTS: &[&str] = &[
    "db1",
    "DB2.Example.org",
    "10.0.0.7",
    "[2001:DB8::1]",
    "[::1]",
    "localhost",
];
const USERS: &[&str] = &["nova", "no%40va", "nova.cell-1", "guest", ""];
const PASSWORDS: &[&str] = &[
    "secret",
    "s%40cr%2Ft",
    "p%23%3F%25",
    "p:w",
    "%C3%BC",
    "",
    "50%",
    "a+b",
    "p w",
];
const ODD_HOSTS: &[&str] = &[
    "",
    "[::1",
    "::1",
    "a b",
    "-f",
    "dä",
    "h_1",
    "[db1]",
    "256.1.1.1",
    "%41",
    "h%20",
];
const ODD_PORTS: &[&str] = &[
    "", "0", "65536", "99999", "x", "+5", "-1", "05672", "5 6", "٣",
];
const ODD_PASSWORDS: &[&str] = &[
    "a/b", "a?b", "a#b", "a@b", "%FF", "%0A", "a,b", "{x}", "[", "a%2Cb",
];

fn login(rng: &mut Rng, odd: bool) -> String {
    let user = rng.one(USERS);
    match rng.below(5) {
        0 => String::new(),
        1 => format!("{user}@"),
        _ if odd => format!("{user}:{}@", rng.one(ODD_PASSWORDS)),
        _ => format!("{user}:{}@", rng.one(PASSWORDS)),
    }
}

fn port(rng: &mut Rng, odd: bool) -> String {
    match rng.below(3) {
        _ if odd => format!(":{}", rng.one(ODD_PORTS)),
        0 => String::new(),
        _ => format!(":{}", rng.between(1, 65_535)),
    }
}

/// `login@host:port`; `odd` says which of the three is odd, if any.
fn place(rng: &mut Rng, odd: Option<u64>) -> String {
    let hosts = if odd == Some(1) { ODD_HOSTS } else { HOSTS };
    let (login, host) = (login(rng, odd == Some(0)), rng.one(hosts));
    format!("{login}{host}{}", port(rng, odd == Some(2)))
}

fn query(rng: &mut Rng, options: &[&str], at_most: u64) -> String {
    let chosen: Vec<&str> = (0..rng.below(at_most + 1))
        .map(|_| rng.one(options))
        .collect();
    match chosen.is_empty() {
        true => String::new(),
        false => format!("?{}", chosen.join("&")),
    }
}

/// A URL for SQLAlchemy.
#[must_use]
pub fn database_url(rng: &mut Rng) -> String {
    let odd = rng.percent(30).then(|| rng.below(8));
    if rng.percent(10) {
        return sqlite(rng, odd.is_some());
    }
    let scheme = match odd {
        Some(3) => rng.one(&[
            "oracle",
            "",
            "mysql+",
            "1mysql",
            "my-sql",
            "mysql+pymysql+x",
            "http",
        ]),
        _ => rng.one(&[
            "mysql+pymysql",
            "mysql",
            "MySQL+PyMySQL",
            "mariadb+pymysql",
            "postgresql+psycopg2",
            "postgresql",
        ]),
    };
    let postgres = scheme.starts_with("post");
    let database = match odd {
        Some(4) => rng.one(&[
            "",
            "/",
            "/a b",
            "/a/b",
            "/dä",
            "/nova%5Fcell1",
            "/a;b",
            "//nova",
            "/a#b",
        ]),
        _ => rng.one(&["/nova_cell1", "/nova", "/nova-cell.2", "/nova$1"]),
    };
    let query = match (odd, postgres) {
        (Some(5), true) => query(
            rng,
            &[
                "host=evil",
                "hostaddr=10.0.0.1",
                "sslmode=disable",
                "sslmode=require",
                "options=-c%20x",
                "service=x",
                "sslrootcert=",
                "connect_timeout=5",
            ],
            2,
        ),
        (Some(5), false) => query(
            rng,
            &[
                "host=evil",
                "unix_socket=/s",
                "ssl_verify_cert=false",
                "charset=latin1",
                "read_timeout=5",
                "charset=",
                "init_command=x",
                "local_infile=1",
            ],
            2,
        ),
        (Some(6), true) => query(
            rng,
            &["sslcert=%FF", "=x", "sslmode", "sslkey=a&sslkey=b"],
            1,
        ),
        (Some(6), false) => query(
            rng,
            &[
                "ssl_ca=%FF",
                "=x",
                "charset",
                "charset=utf8&charset=utf8mb4",
                "&",
                "ssl_ca=/a%2Fb+c",
            ],
            1,
        ),
        (_, true) => query(rng, &["sslmode=verify-full", "sslrootcert=/etc/ca.pem"], 1),
        (_, false) => query(
            rng,
            &[
                "charset=utf8",
                "charset=utf8mb4",
                "ssl_ca=/etc/ca.pem",
                "ssl_ca=/etc/ca.pem&ssl_cert=/c&ssl_key=/k",
            ],
            1,
        ),
    };
    let separator = if odd == Some(7) {
        rng.one(&[":", ":/", "", ":///"])
    } else {
        "://"
    };
    format!("{scheme}{separator}{}{database}{query}", place(rng, odd))
}

fn sqlite(rng: &mut Rng, odd: bool) -> String {
    let usual = &[
        "sqlite:///nova_cell1.sqlite",
        "sqlite:////var/lib/nova/cell1.sqlite",
        "sqlite:///a/b.db",
        "sqlite:///with space.db",
    ];
    let odd_ones = &[
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///x?mode=ro",
        "sqlite:///file:x?uri=true",
        "sqlite://h/x",
        "sqlite:///%41.db",
        "sqlite+pysqlite:///x",
        "sqlite:x",
        "sqlite:///a@b",
    ];
    rng.one(if odd {
        odd_ones.as_slice()
    } else {
        usual.as_slice()
    })
    .to_owned()
}

/// A URL for oslo.messaging.
#[must_use]
pub fn transport_url(rng: &mut Rng) -> String {
    let odd = rng.percent(30).then(|| rng.below(8));
    if rng.percent(6) {
        return rng
            .one(&[
                "none:///",
                "none://",
                "none:///x",
                "none://h/",
                "fake://",
                "fake:///",
                "fake:///bus",
                "fake://h/",
                "fake:///a%20b",
                "none:",
            ])
            .to_owned();
    }
    let scheme = match odd {
        Some(3) => rng.one(&["zmq", "", "rabbit+", "amqp", "rabbit+x", "pika", "1rabbit"]),
        _ => rng.one(&[
            "rabbit", "rabbit", "rabbit", "Rabbit", "kombu", "redis", "rediss",
        ]),
    };
    let hosts: Vec<String> = (0..rng.one(&[1, 1, 1, 2, 3]))
        .map(|at| place(rng, odd.filter(|_| at == 0)))
        .collect();
    let virtual_host = match odd {
        Some(4) => rng.one(&["/%FF", "/a b", "/a#b", "/%00", "/ä", "/a,b", "/a@b"]),
        _ => rng.one(&["", "/", "//", "/cell1", "/a/b", "/%2Fcell", "/a%20b"]),
    };
    let query = match odd {
        Some(5) => query(
            rng,
            &[
                "verify=no",
                "ssl_version=x",
                "heartbeat_rate=3",
                "login_method=PLAIN",
                "x",
            ],
            2,
        ),
        Some(6) => query(
            rng,
            &[
                "ssl=%FF",
                "=x",
                "ssl",
                "ssl=1&ssl=0",
                "&",
                "ssl_ca_file=/a%2Fb+c",
            ],
            1,
        ),
        _ => query(
            rng,
            &[
                "ssl=1",
                "ssl=true&ssl_ca_file=/etc/ca.pem",
                "rabbit_quorum_queue=true",
                "heartbeat_timeout_threshold=60",
            ],
            1,
        ),
    };
    let separator = if odd == Some(7) {
        rng.one(&[":", ":/", "", ":///"])
    } else {
        "://"
    };
    format!(
        "{scheme}{separator}{}{virtual_host}{query}",
        hosts.join(rng.one(&[",", ",", ",", ",,"]))
    )
}

/// Which leg, the stored template, the host's own URL.
#[must_use]
pub fn template(rng: &mut Rng) -> (&'static str, String, Option<String>) {
    let leg = rng.one(&["database", "transport"]);
    let odd = rng.percent(25).then(|| rng.below(5));
    let hosts = rng.one(&[1_usize, 1, 2, 3]);
    let places: Vec<String> = (0..hosts)
        .map(|_| match odd {
            // A part that is missing, or an odd one.
            Some(0) => place(rng, None),
            Some(1) => place(rng, Some(0)),
            _ => {
                let (user, password) = (rng.one(&USERS[..4]), rng.one(&PASSWORDS[..4]));
                format!(
                    "{user}:{password}@{}:{}",
                    rng.one(HOSTS),
                    rng.between(1, 65_535)
                )
            }
        })
        .collect();
    let base = match leg {
        "database" => format!("mysql+pymysql://{}/nova?charset=utf8", places.join(",")),
        _ => format!("rabbit://{}/vh?ssl=1", places.join(",")),
    };
    let base = (odd != Some(4)).then_some(base);
    let text = match odd {
        Some(2) => rng
            .one(&[
                "{scheme}://{hostname.__class__}/{path}",
                "{scheme}://{port:>10}/x",
                "{scheme}://{}/x",
                "{scheme}://{0}/x",
                "{scheme}://{user}@{hostname}/x",
                "{scheme}://{hostname!r}/x",
                "{scheme}://{host}/x",
            ])
            .to_owned(),
        Some(3) => rng
            .one(&[
                "{scheme}://u:p{w@h/x",
                "{scheme}://u:p}w@h/x",
                "{scheme}://u:{{w}}@h/x",
                "rabbit://u:a{b}c@h/x",
                "{scheme}://{{hostname}}/x",
                "{scheme}://{hostname9}/x",
                "{scheme}://{fragment}/x",
            ])
            .to_owned(),
        _ if rng.percent(8) => (if leg == "database" {
            "sqlite:///plain.sqlite"
        } else {
            "rabbit://plain/"
        })
        .to_owned(),
        _ => whole(rng, leg, hosts),
    };
    (leg, text, base)
}

/// A template of the documented variables, for a base with so many hosts.
fn whole(rng: &mut Rng, leg: &str, hosts: usize) -> String {
    let numbered = |at: usize| {
        if hosts > 1 {
            (at + 1).to_string()
        } else {
            String::new()
        }
    };
    // A broker's URL names all hosts of the base, a database's one of them.
    let named = match leg {
        "database" => {
            let one = rng.one(&[0_usize, 1, 2][..hosts]);
            one..one + 1
        }
        _ => 0..hosts,
    };
    let places: Vec<String> = named
        .map(|at| {
            let n = numbered(at);
            let login = rng.one(&[
                "{username}:{password}@",
                "{username}:{password}@",
                "cell:{password}@",
                "{username}@",
                "",
            ]);
            let port = rng.one(&[":{port}", ":{port}", "", ":1234"]);
            format!("{login}{{hostname}}{port}").replace('}', &format!("{n}}}"))
        })
        .collect();
    let (path, query) = match leg {
        "database" => (
            rng.one(&["{path}", "nova_cell1", "{path}_cell2"]),
            rng.one(&["?{query}", "", "?charset=utf8mb4"]),
        ),
        _ => (
            rng.one(&["{path}", "cell1", ""]),
            rng.one(&["?{query}", "", ""]),
        ),
    };
    let scheme = if rng.percent(80) {
        "{scheme}"
    } else if leg == "database" {
        "mysql"
    } else {
        "rabbit"
    };
    format!("{scheme}://{}/{path}{query}", places.join(","))
}
