//! A peer on loopback that answers as a test's function says: well, badly, late, in part, or not at all.
//!
//! Reads HTTP/1.1 requests as the client under test writes them and no others; it is no HTTP server.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What the peer does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Answers with a status, further header lines and a body.
    Http(u16, String, String),
    /// Writes these bytes and closes.
    Raw(Vec<u8>),
    /// Writes these bytes, then keeps the connection open and says no more.
    Stall(Vec<u8>),
    /// Writes these bytes, closes its writing half and keeps reading.
    HalfClose(Vec<u8>),
    /// Writes the first bytes once and the others again and again until the client goes away.
    Endless(Vec<u8>, Vec<u8>),
    /// Does the other thing once the test gives a permit.
    When(Arc<Semaphore>, Box<Reply>),
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        let body = format!(r#"{{"error":{{"code":{status},"message":"canary","title":"x"}}}}"#);
        Self::Http(status, String::new(), body)
    }

    /// A new token for the service, of this life.
    pub(crate) fn issued(token: &str, life: Duration) -> Self {
        Self::Http(
            201,
            format!("X-Subject-Token: {token}\r\n"),
            token_json("nova", life),
        )
    }

    /// A good user's token.
    pub(crate) fn good(life: Duration) -> Self {
        Self::Http(200, String::new(), token_json("alice", life))
    }
}

/// A token's JSON that ends in `life`.
pub(crate) fn token_json(user: &str, life: Duration) -> String {
    let end = OffsetDateTime::from(SystemTime::now() + life)
        .format(&Rfc3339)
        .expect("a time");
    format!(
        r#"{{"token":{{"methods":["password"],"expires_at":"{end}","roles":[{{"id":"r","name":"member"}}],
        "user":{{"id":"{user}-id","name":"{user}","domain":{{"id":"default","name":"Default"}}}},
        "project":{{"id":"p1","name":"demo","domain":{{"id":"default","name":"Default"}}}},
        "catalog":[{{"type":"image","id":"s1","endpoints":[{{"id":"e1","interface":"public","region":"R",
        "region_id":"R","url":"https://image.example.org"}}]}}]}}}}"#
    )
}

type Answer = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A running peer; it ends with the test's runtime.
pub(crate) struct Peer {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Peer {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answer, log): (Arc<Answer>, _) = (Arc::new(answer), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), log.clone()));
            }
        });
        Self { port, seen }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v3", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the log").clone()
    }

    /// How many requests of this method came.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.method == method)
            .count()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Answer>, log: Arc<Mutex<Vec<Seen>>>) {
    while let Some(seen) = read(&mut stream).await {
        let mut reply = answer(&seen);
        log.lock().expect("the log").push(seen);
        while let Reply::When(gate, then) = reply {
            gate.acquire().await.expect("an open gate").forget();
            reply = *then;
        }
        if !write(&mut stream, reply).await {
            return;
        }
    }
}

/// Writes the reply; false where the connection is over.
async fn write(stream: &mut TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::Http(status, headers, body) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
                body.len()
            );
            // In one piece: the second of two small ones would wait for the first one's acknowledgement.
            stream.write_all((head + &body).as_bytes()).await.is_ok()
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            false
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            until_gone(stream).await;
            false
        }
        Reply::HalfClose(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            until_gone(stream).await;
            false
        }
        Reply::Endless(first, bytes) => {
            let _ = stream.write_all(&first).await;
            while stream.write_all(&bytes).await.is_ok() {}
            false
        }
        Reply::When(..) => unreachable!("a gate is passed before writing"),
    }
}

async fn until_gone(stream: &mut TcpStream) {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

/// Reads one request; `None` where the client has gone.
async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&part[..read]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(Ok(0), |(_, value)| value.parse()).ok()?;
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
        body.extend_from_slice(&part[..read]);
    }
    Some(Seen {
        method,
        target,
        headers,
        body: String::from_utf8(body).ok()?,
    })
}
