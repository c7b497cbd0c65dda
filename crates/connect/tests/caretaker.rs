//! The caretaker: what it does by itself, at SIGHUP, and with channels that come and go. Signals go to this process,
//! which only ever runs these tests.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cells::{
    CacheEventKind, CachePolicy, CellError, Cells, CellsOptions, ChannelLost, ErrorClass,
    GatePolicy, Invalidation, InvalidationChannel, InvalidationGate, InvalidationKey,
    InvalidationSender, InvalidationSource, MappingSource, RawCellMapping, RevisionKey,
    SystemClock,
};
use context::{Deadline, Identity, RequestContext, Roles};
use nova_connect::{Caretaker, CaretakerPolicy, NovaConnector};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// A load and whatever leads to it takes milliseconds; this only ends a test that would hang.
const LONG: Duration = Duration::from_secs(60);

/// A source whose one cell moves when told to, and that counts its loads.
#[derive(Clone)]
struct Moving(Arc<State>);

struct State {
    place: Mutex<u32>,
    failing: Mutex<u32>,
    loads: watch::Sender<u32>,
}

impl Moving {
    fn new() -> Self {
        Self(Arc::new(State {
            place: Mutex::new(1),
            failing: Mutex::new(0),
            loads: watch::Sender::new(0),
        }))
    }

    fn move_to(&self, place: u32) {
        *self.0.place.lock().unwrap() = place;
    }

    /// Waits until this many loads were begun.
    async fn loads(&self, count: u32) {
        let mut loads = self.0.loads.subscribe();
        let reached = timeout(LONG, loads.wait_for(|loads| *loads >= count)).await;
        assert!(reached.is_ok(), "not loaded {count} times");
    }

    fn counted(&self) -> u32 {
        *self.0.loads.borrow()
    }
}

#[async_trait]
impl MappingSource for Moving {
    async fn load(&self, _: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        self.0.loads.send_modify(|loads| *loads += 1);
        let mut failing = self.0.failing.lock().unwrap();
        if *failing > 0 {
            *failing -= 1;
            return Err(CellError::new(ErrorClass::Unreachable, "told to fail"));
        }
        let place = *self.0.place.lock().unwrap();
        Ok(vec![RawCellMapping {
            uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
            name: Some("cell1".into()),
            database_connection: Some(format!("sqlite:////c{place}.sqlite").as_str().into()),
            transport_url: Some("fake:///c1".into()),
            disabled: false,
        }])
    }
}

/// Cells that load by themselves only once an hour.
fn cells(source: &Moving) -> Cells<NovaConnector> {
    let mut options = CellsOptions::new(RevisionKey::from_bytes(b"test"));
    options.policy = CachePolicy {
        reload_every: Duration::from_secs(3600),
        ..CachePolicy::default()
    };
    Cells::with_options(source.clone(), NovaConnector::default(), options)
}

fn quick() -> CaretakerPolicy {
    CaretakerPolicy {
        every: Duration::from_millis(2),
        budget: LONG,
        retry: Duration::from_millis(2),
        retry_limit: Duration::from_millis(20),
    }
}

/// Waits until the cell is where it is said to be.
async fn seen_at(cells: &Cells<NovaConnector>, place: u32) {
    let wanted = format!("sqlite:////c{place}.sqlite");
    let seen = async {
        loop {
            let snapshot = cells.snapshot();
            let mut mappings = snapshot.mappings();
            if mappings.any(|mapping| mapping.database().to_string() == wanted) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(LONG, seen).await.is_ok(), "never seen at {wanted}");
}

#[tokio::test]
async fn the_first_load_and_those_after_failures_come_by_themselves() {
    let source = Moving::new();
    *source.0.failing.lock().unwrap() = 5;
    let cells = cells(&source);
    let _caretaker = Caretaker::start(&cells, quick());
    seen_at(&cells, 1).await;
    assert_eq!(source.counted(), 6, "one a time, and none that is not due");
}

#[tokio::test]
async fn upkeep_goes_on_while_a_load_hangs() {
    struct Hung(watch::Sender<bool>);
    #[async_trait]
    impl MappingSource for Hung {
        async fn load(&self, _: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
            self.0.send_replace(true);
            std::future::pending().await
        }
    }
    let begun = watch::Sender::new(false);
    let mut options = CellsOptions::new(RevisionKey::from_bytes(b"test"));
    options.policy.idle = Duration::ZERO;
    let rows = Moving::new().load(Deadline::after(LONG)).await.unwrap();
    let first = Mutex::new(Some(rows));
    let hung = Hung(begun.clone());
    let source = FirstThen(first, hung);
    let cells = Cells::with_options(source, NovaConnector::default(), options);
    cells.refresh(Deadline::after(LONG)).await.unwrap();
    cells.suspect();
    let _caretaker = Caretaker::start(&cells, quick());
    let mut hangs = begun.subscribe();
    timeout(LONG, hangs.wait_for(|hangs| *hangs))
        .await
        .unwrap()
        .unwrap();
    // An open cell that nobody uses is closed meanwhile.
    let request = RequestContext::for_background("test", Identity::default(), Roles::admin());
    let id = cells.snapshot().mappings().next().unwrap().id();
    drop(cells.target(&request, id).unwrap());
    let closed = async {
        while !cells
            .events(0)
            .iter()
            .any(|event| matches!(event.kind, CacheEventKind::Retired { .. }))
        {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(LONG, closed).await.is_ok());
}

/// Gives its rows once, and is its second part from then on.
struct FirstThen<S>(Mutex<Option<Vec<RawCellMapping>>>, S);

#[async_trait]
impl<S: MappingSource> MappingSource for FirstThen<S> {
    async fn load(&self, deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        let first = self.0.lock().unwrap().take();
        match first {
            Some(rows) => Ok(rows),
            None => self.1.load(deadline).await,
        }
    }
}

#[tokio::test]
async fn a_dropped_caretaker_does_nothing_more() {
    let source = Moving::new();
    let cells = cells(&source);
    let caretaker = Caretaker::start(&cells, quick());
    source.loads(1).await;
    drop(caretaker);
    cells.suspect();
    let quiet = timeout(Duration::from_millis(100), source.loads(2)).await;
    assert!(quiet.is_err(), "nobody is there to load");
}

/// Channels that a test makes messages for, and loses.
struct Channels(tokio::sync::Mutex<mpsc::UnboundedReceiver<mpsc::UnboundedReceiver<Vec<u8>>>>);

struct Channel(tokio::sync::Mutex<mpsc::UnboundedReceiver<Vec<u8>>>);

#[async_trait]
impl InvalidationSource for Channels {
    async fn subscribe(&self, _: Deadline) -> Result<Box<dyn InvalidationChannel>, CellError> {
        match self.0.lock().await.recv().await {
            Some(messages) => Ok(Box::new(Channel(tokio::sync::Mutex::new(messages)))),
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl InvalidationChannel for Channel {
    async fn receive(&self) -> Result<Vec<u8>, ChannelLost> {
        let lost = || {
            ChannelLost(CellError::new(
                ErrorClass::Unreachable,
                "closed by the test",
            ))
        };
        self.0.lock().await.recv().await.ok_or_else(lost)
    }
}

#[tokio::test]
async fn what_a_peer_announces_is_loaded_at_once_and_a_lost_channel_means_a_load() {
    let (source, key) = (Moving::new(), InvalidationKey::generate().unwrap());
    let cells = cells(&source);
    let gate = InvalidationGate::new(key.clone(), GatePolicy::default(), Arc::new(SystemClock));
    let (subscriptions, channels) = mpsc::unbounded_channel();
    // Nothing here comes by the timer: it is slower than the test.
    let policy = CaretakerPolicy {
        every: 10 * LONG,
        ..quick()
    };
    let channels = Channels(tokio::sync::Mutex::new(channels));
    let _caretaker = Caretaker::start(&cells, policy).follow(channels, gate);
    source.loads(1).await;

    let (peer, channel) = mpsc::unbounded_channel();
    subscriptions.send(channel).unwrap();
    source.loads(2).await;
    source.move_to(2);
    let sender = InvalidationSender::new(key).unwrap();
    let message = || {
        sender
            .message(Invalidation::All, std::time::SystemTime::now())
            .into_bytes()
    };
    peer.send(message()).unwrap();
    seen_at(&cells, 2).await;

    // A message that nobody with the key made changes nothing.
    let before = source.counted();
    peer.send(b"nova-cells invalidation 1\n".to_vec()).unwrap();
    peer.send(message()).unwrap();
    source.loads(before + 1).await;
    assert_eq!(source.counted(), before + 1);

    // The channel is lost together with what it would have said.
    source.move_to(3);
    drop(peer);
    seen_at(&cells, 3).await;
    let suspects = cells
        .events(0)
        .iter()
        .filter(|event| event.kind == CacheEventKind::Suspect)
        .count();
    assert_eq!(suspects, 2, "once when it began, once when it was lost");

    // And another one is subscribed to.
    let (peer, channel) = mpsc::unbounded_channel();
    subscriptions.send(channel).unwrap();
    source.move_to(4);
    peer.send(message()).unwrap();
    seen_at(&cells, 4).await;
}
