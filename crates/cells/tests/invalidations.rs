//! Invalidations: authentic ones are acted on, and nothing that anybody else sends does harm.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that breaks should stop the test"
)]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use context::{RevokedTokens, TokenFingerprint};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use nova_cells::{
    CellError, ChannelLost, Clock, ErrorClass, GatePolicy, Invalidation, InvalidationChannel,
    InvalidationGate, InvalidationKey, InvalidationSender, Verdict,
};
use support::{Cloud, id, now, row};

struct Post {
    cloud: Cloud,
    gate: InvalidationGate,
    key: InvalidationKey,
    sender: InvalidationSender,
}

impl Post {
    fn new() -> Self {
        let cloud = Cloud::new(vec![row(1, "sqlite:///one"), row(2, "sqlite:///two")]);
        let key = InvalidationKey::generate().unwrap();
        Self {
            gate: InvalidationGate::new(
                key.clone(),
                GatePolicy::default(),
                Arc::new(cloud.clock.clone()),
            ),
            sender: InvalidationSender::new(key.clone()).unwrap(),
            cloud,
            key,
        }
    }

    fn message(&self, what: Invalidation) -> String {
        self.sender.message(what, self.cloud.clock.wall())
    }

    fn receive(&self, message: &str) -> Verdict {
        self.cloud.cells.receive(&self.gate, message.as_bytes())
    }
}

const ALL: Invalidation = Invalidation::All;

#[test]
fn an_authentic_message_closes_what_it_names_and_asks_for_a_reload() {
    let post = Post::new();
    post.cloud.place(1);
    post.cloud.place(2);
    let one = Invalidation::Cell(id(1));
    assert_eq!(post.receive(&post.message(one)), Verdict::Accepted(one));
    assert!(post.cloud.cells.reload_due());
    post.cloud.place(1);
    post.cloud.place(2);
    assert_eq!(post.cloud.counts.opened(), 3);
}

#[test]
fn replayed_forged_old_and_malformed_messages_do_nothing() {
    let post = Post::new();
    post.cloud.place(1);
    let first = post.message(ALL);
    let second = post.message(ALL);
    assert_eq!(
        post.receive(&second),
        Verdict::AfterGap(ALL),
        "the first one has not come"
    );
    post.cloud.refresh();
    post.cloud.place(1);
    let seen = post.cloud.last_event();
    let opened = post.cloud.counts.opened();
    assert_eq!(post.receive(&second), Verdict::Replayed);
    assert_eq!(post.receive(&first), Verdict::Replayed);
    let stranger = InvalidationSender::new(InvalidationKey::generate().unwrap()).unwrap();
    let forged = stranger.message(ALL, post.cloud.clock.wall());
    assert_eq!(post.receive(&forged), Verdict::Forged);
    let late = post.message(ALL);
    for n in 0..late.len() {
        let mut changed = late.clone().into_bytes();
        changed[n] ^= 1;
        let verdict = post.cloud.cells.receive(&post.gate, &changed);
        assert!(
            matches!(verdict, Verdict::Forged | Verdict::Malformed),
            "byte {n} gave {verdict:?}"
        );
        assert_eq!(post.receive(&late[..n]), Verdict::Malformed);
    }
    assert_eq!(post.receive(&"x".repeat(100_000)), Verdict::Malformed);
    post.cloud.clock.advance(Duration::from_secs(121));
    let due = post.cloud.cells.reload_due();
    assert_eq!(post.receive(&late), Verdict::OutOfDate);
    assert_eq!(post.cloud.cells.reload_due(), due);
    assert_eq!(post.cloud.last_event(), seen);
    post.cloud.place(1);
    assert_eq!(post.cloud.counts.opened(), opened);
}

#[test]
fn revoked_tokens_are_told_to_who_listens_and_whatever_was_missed_puts_all_in_doubt() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut post = Post::new();
    post.gate = {
        let heard = Arc::clone(&heard);
        let hear = move |revoked| heard.lock().unwrap().push(revoked);
        let clock = Arc::new(post.cloud.clock.clone());
        InvalidationGate::new(post.key.clone(), GatePolicy::default(), clock).tokens(hear)
    };
    post.cloud.place(1);
    post.cloud.refresh();
    let opened = post.cloud.counts.opened();
    // More than may be acted on of what costs a load.
    for n in 0..100 {
        let token = TokenFingerprint::of(&format!("token {n}"));
        let revoked = Invalidation::Token(token);
        let verdict = post.receive(&post.message(revoked));
        assert_eq!(verdict, Verdict::Accepted(revoked));
        let told = heard.lock().unwrap().pop();
        assert_eq!(told, Some(RevokedTokens::One(token)));
    }
    assert!(
        !post.cloud.cells.reload_due(),
        "mappings have nothing to do with it"
    );
    post.cloud.place(1);
    assert_eq!(post.cloud.counts.opened(), opened);
    let _missed = post.message(ALL);
    let last = Invalidation::Token(TokenFingerprint::of("the last"));
    assert_eq!(post.receive(&post.message(last)), Verdict::AfterGap(last));
    assert_eq!(*heard.lock().unwrap(), [RevokedTokens::Unknown]);
    assert!(post.cloud.cells.reload_due());
}

#[test]
fn a_flood_from_a_peer_is_acted_on_in_its_time_and_no_sooner() {
    let post = Post::new();
    let mut accepted = 0;
    for _ in 0..10_000 {
        let verdict = post.receive(&post.message(ALL));
        accepted += usize::from(verdict == Verdict::Accepted(ALL));
    }
    assert_eq!(accepted, 16);
    assert!(
        post.cloud.cells.reload_due(),
        "what was not acted on one by one is caught up with"
    );
    assert!(post.cloud.cells.events(0).len() < 100);
    post.cloud.clock.advance(Duration::from_millis(500));
    assert_eq!(post.receive(&post.message(ALL)), Verdict::Accepted(ALL));
}

#[test]
fn a_key_is_read_back_and_another_ones_messages_are_forged() {
    let post = Post::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    post.key.write(&path).unwrap();
    let again = InvalidationSender::new(InvalidationKey::load(&path).unwrap()).unwrap();
    let message = again.message(ALL, post.cloud.clock.wall());
    assert_eq!(post.receive(&message), Verdict::Accepted(ALL));
    assert_eq!(format!("{:?}", post.key), "InvalidationKey(***)");
}

/// Gives its messages, then is lost.
struct Letters(Mutex<VecDeque<String>>);

#[async_trait]
impl InvalidationChannel for Letters {
    async fn receive(&self) -> Result<Vec<u8>, ChannelLost> {
        let letter = self.0.lock().unwrap().pop_front();
        let lost = || ChannelLost(CellError::new(ErrorClass::Unreachable, "told to be lost"));
        letter.map(String::into_bytes).ok_or_else(lost)
    }
}

#[test]
fn following_a_channel_loads_at_once_and_catches_up_when_it_is_lost() {
    let post = Post::new();
    let epoch = || post.cloud.cells.snapshot().epoch();
    let before = epoch();
    post.cloud.rows.set(vec![row(1, "sqlite:///new")]);
    let letters = Letters(Mutex::new([post.message(ALL), "rubbish".into()].into()));
    let lost = now(post
        .cloud
        .cells
        .follow(&letters, &post.gate, Duration::from_secs(1)));
    assert_eq!(lost.0.class(), ErrorClass::Unreachable);
    assert_eq!(post.cloud.place(1), "sqlite:///new");
    let loads = post
        .cloud
        .actions(0)
        .iter()
        .filter(|action| **action == "mapping/reload")
        .count();
    assert_eq!(
        loads, 4,
        "at the beginning, for each authentic message, at the loss, and the first one"
    );
    assert!(epoch() > before);
}

/// The last value of the one gauge that this test looks at.
#[derive(Clone, Default)]
struct PushUp(Arc<Mutex<Option<f64>>>);

impl GaugeFn for PushUp {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        *self.0.lock().unwrap() = Some(value);
    }
}

impl Recorder for PushUp {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match key.name() {
            "nova_cells_push_up" => Gauge::from_arc(Arc::new(self.clone())),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Never says anything.
struct Silent;

#[async_trait]
impl InvalidationChannel for Silent {
    async fn receive(&self) -> Result<Vec<u8>, ChannelLost> {
        std::future::pending().await
    }
}

#[test]
fn whether_a_channel_is_followed_is_a_figure() {
    let (post, seen) = (Post::new(), PushUp::default());
    metrics::with_local_recorder(&seen, || {
        let budget = Duration::from_secs(1);
        let mut following = Box::pin(post.cloud.cells.follow(&Silent, &post.gate, budget));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(following.as_mut().poll(&mut cx).is_pending());
        assert_eq!(*seen.0.lock().unwrap(), Some(1.0));
        drop(following);
        assert_eq!(*seen.0.lock().unwrap(), Some(0.0));
    });
}
