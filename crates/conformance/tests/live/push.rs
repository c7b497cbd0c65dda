//! Push over a real Redis.

use std::sync::Arc;
use std::time::Duration;

use cells::{
    ErrorClass, GatePolicy, Invalidation, InvalidationGate, InvalidationKey, InvalidationSource,
    SecretText, SystemClock,
};
use connect::{Announcer, Caretaker, RedisPush};
use context::{Deadline, RevokedTokens, TokenFingerprint};
use nova_conformance::{Redis, ServerTls};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{LONG, Opening, Rows, caretaking, cells, id, place, seen_at, until};

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn channel(redis: &Redis) -> RedisPush {
    RedisPush::new(&redis.url(), "nova_cells.invalidations").unwrap()
}

fn gate(key: &InvalidationKey) -> InvalidationGate {
    InvalidationGate::new(key.clone(), GatePolicy::default(), Arc::new(SystemClock))
}

/// Waits until somebody listens: an announcement that nobody hears is lost, as it should be.
async fn heard(announcer: &Announcer) {
    let heard = async {
        // While Redis is away that fails.
        while !matches!(announcer.announce(Invalidation::All, soon()).await, Ok(1..)) {}
    };
    assert!(tokio::time::timeout(LONG, heard).await.is_ok());
}

#[tokio::test]
async fn what_is_announced_is_seen_within_a_second_and_a_lost_redis_is_noticed_and_found_again() {
    let mut redis = Redis::start().await.unwrap();
    let key = InvalidationKey::generate().unwrap();
    let (rows, opening) = (Rows::of(2), Opening::default());
    let cells = cells(&rows, &opening, |_| {});
    let _caretaker = Caretaker::start(&cells, caretaking()).follow(channel(&redis), gate(&key));
    let announcer = Announcer::new(channel(&redis), key.clone()).unwrap();
    heard(&announcer).await;

    rows.set([(1, 2), (2, 1)]);
    let listeners = announcer
        .announce(Invalidation::Cell(id(1)), soon())
        .await
        .unwrap();
    assert_eq!(listeners, 1);
    let took = until("the announced place", || {
        seen_at(&cells, 1) == Some(place(1, 2))
    })
    .await;
    assert!(took < Duration::from_secs(1), "{took:?}");

    // It dies: nobody could announce this, and the lost channel alone has it looked at.
    rows.set([(1, 3), (2, 1)]);
    redis.signal("KILL").unwrap();
    let took = until("what was missed", || {
        seen_at(&cells, 1) == Some(place(1, 3))
    })
    .await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    let error = announcer
        .announce(Invalidation::All, soon())
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unreachable);

    redis.restart().unwrap();
    heard(&announcer).await;
    rows.set([(1, 4), (2, 1)]);
    announcer.announce(Invalidation::All, soon()).await.unwrap();
    until("what is announced anew", || {
        seen_at(&cells, 1) == Some(place(1, 4))
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_revoked_somewhere_is_heard_of_everywhere_and_a_lost_channel_puts_all_in_doubt()
 {
    let mut redis = Redis::start().await.unwrap();
    let key = InvalidationKey::generate().unwrap();
    let (cells, announcer) = (
        cells(&Rows::of(1), &Opening::default(), |_| {}),
        Announcer::new(channel(&redis), key.clone()).unwrap(),
    );
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let listening = gate(&key).tokens(move |revoked| tell.send(revoked).unwrap_or_default());
    let _caretaker = Caretaker::start(&cells, caretaking()).follow(channel(&redis), listening);
    heard(&announcer).await;
    let token = TokenFingerprint::of("gAAAAAB-a-token-of-somebody");
    let announced = announcer.announce(Invalidation::Token(token), soon());
    assert_eq!(announced.await.unwrap(), 1);
    let next = async |told: &mut UnboundedReceiver<RevokedTokens>, wanted| {
        let found = async { while told.recv().await != Some(wanted) {} };
        let found = tokio::time::timeout(Duration::from_secs(5), found).await;
        assert!(found.is_ok(), "{wanted:?} was not heard of");
    };
    next(&mut told, RevokedTokens::One(token)).await;
    assert!(told.is_empty());
    redis.signal("KILL").unwrap();
    next(&mut told, RevokedTokens::Unknown).await;
    // What was announced while nobody could listen is in doubt once more when they can.
    redis.restart().unwrap();
    heard(&announcer).await;
    next(&mut told, RevokedTokens::Unknown).await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_noticed_in_seconds() {
    let redis = Redis::start().await.unwrap();
    let key = InvalidationKey::generate().unwrap();
    let (rows, opening) = (Rows::of(1), Opening::default());
    let cells = cells(&rows, &opening, |_| {});
    let _caretaker = Caretaker::start(&cells, caretaking()).follow(channel(&redis), gate(&key));
    heard(&Announcer::new(channel(&redis), key).unwrap()).await;
    until("the announced load", || seen_at(&cells, 1).is_some()).await;

    redis.signal("STOP").unwrap();
    rows.set([(1, 2)]);
    let took = until("what was missed", || {
        seen_at(&cells, 1) == Some(place(1, 2))
    })
    .await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    redis.signal("CONT").unwrap();
}

#[tokio::test]
async fn whoever_has_the_redis_but_not_the_key_does_no_harm() {
    let redis = Redis::start().await.unwrap();
    let key = InvalidationKey::generate().unwrap();
    let (rows, opening) = (Rows::of(1), Opening::default());
    let cells = cells(&rows, &opening, |_| {});
    let _caretaker = Caretaker::start(&cells, caretaking()).follow(channel(&redis), gate(&key));
    let announcer = Announcer::new(channel(&redis), key.clone()).unwrap();
    heard(&announcer).await;
    until("the announced load", || seen_at(&cells, 1).is_some()).await;

    let client = redis::Client::open(redis.url().expose()).unwrap();
    let mut peer = client.get_multiplexed_async_connection().await.unwrap();
    let mut publish = async |message: &[u8]| {
        let mut command = redis::cmd("PUBLISH");
        command.arg("nova_cells.invalidations").arg(message);
        command.query_async::<u64>(&mut peer).await.unwrap()
    };
    let forger = cells::InvalidationSender::new(InvalidationKey::generate().unwrap()).unwrap();
    let (before, opened) = (rows.loads(), cells.events(0).len());
    for n in 0..2_000_u32 {
        let forged = forger.message(Invalidation::All, std::time::SystemTime::now());
        publish(forged.as_bytes()).await;
        publish(&n.to_be_bytes()).await;
    }
    publish(&vec![b'x'; 1 << 20]).await;
    // What it costs: at the most a channel that is lost and its two loads, where all that came too fast to be kept.
    assert!(
        rows.loads() <= before + 4,
        "{} loads",
        rows.loads() - before
    );
    assert!(
        cells.events(0).len() <= opened + 20,
        "{:?}",
        cells.events(0)
    );

    heard(&announcer).await;
    rows.set([(1, 2)]);
    announcer
        .announce(Invalidation::Cell(id(1)), soon())
        .await
        .unwrap();
    until("the true announcement", || {
        seen_at(&cells, 1) == Some(place(1, 2))
    })
    .await;
}

#[tokio::test]
async fn tls_is_verified_and_logins_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start_with(Some(
        ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap(),
    ))
    .await
    .unwrap();
    let subscribed = async |url: String| {
        let push = RedisPush::new(&SecretText::new(url), "x").unwrap();
        push.subscribe(soon())
            .await
            .map(drop)
            .map_err(|error| error.class())
    };
    let with = |ca: &str| {
        format!(
            "{}?ssl_ca_file={}",
            redis.url().expose(),
            folder.path().join(ca).display()
        )
    };
    assert_eq!(subscribed(with("ca.pem")).await, Ok(()));
    assert_eq!(
        subscribed(with("absent.pem")).await,
        Err(ErrorClass::Configuration)
    );
    let system = redis.url().expose().to_owned();
    assert_eq!(subscribed(system).await, Err(ErrorClass::Tls));
    let wrong = with("ca.pem").replacen("rediss://", "rediss://x", 1);
    assert_eq!(subscribed(wrong).await, Err(ErrorClass::Authentication));
}
