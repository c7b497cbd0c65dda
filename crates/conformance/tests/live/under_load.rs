//! Mappings changed, added and removed while threads target all cells without pause.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cells::{
    CellError, CellId, Cells, ChannelLost, Choice, ErrorClass, GatePolicy, Invalidation,
    InvalidationChannel, InvalidationGate, InvalidationKey, InvalidationSender, InvalidationSource,
    Selection, SystemClock, TargetError,
};
use connect::Caretaker;
use context::{Deadline, Identity, RequestContext, Roles};
use tokio::sync::broadcast;

use crate::{LONG, Opening, Rows, caretaking, cells, id, place, seen_at, until};

/// As many as have something to do on a small machine.
const THREADS: usize = 4;

/// Threads that target every cell, over and over, as requests do.
struct Load {
    seen: Arc<Vec<Mutex<Seen>>>,
    failures: Arc<Mutex<Vec<String>>>,
    requests: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What one thread saw last, cell by cell.
type Seen = HashMap<CellId, String>;

impl Load {
    fn on(cells: &Cells<Opening>) -> Self {
        let mut load = Self {
            seen: Arc::new((0..THREADS).map(|_| Mutex::default()).collect()),
            failures: Arc::default(),
            requests: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for n in 0..THREADS {
            let (cells, seen) = (cells.clone(), Arc::clone(&load.seen));
            let (failures, stop) = (Arc::clone(&load.failures), Arc::clone(&load.stop));
            let requests = Arc::clone(&load.requests);
            load.threads.push(std::thread::spawn(move || {
                let request =
                    RequestContext::for_background("test", Identity::default(), Roles::admin());
                while !stop.load(SeqCst) {
                    match round(&cells, &request) {
                        Ok(round) => *seen[n].lock().unwrap() = round,
                        Err(failure) => failures.lock().unwrap().push(failure),
                    }
                    requests.fetch_add(1, SeqCst);
                }
            }));
        }
        load
    }

    /// Waits until all threads see this, and gives how long that took.
    async fn all_see(&self, what: &str, cell: u32, place: Option<String>) -> Duration {
        let sees = |seen: &Mutex<Seen>| seen.lock().unwrap().get(&id(cell)) == place.as_ref();
        until(what, || self.seen.iter().all(sees)).await
    }

    fn ended(self) -> u64 {
        self.stop.store(true, SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        assert_eq!(*self.failures.lock().unwrap(), Vec::<String>::new());
        self.requests.load(SeqCst)
    }
}

/// One request to all cells: each is targeted, and what is under it is used.
fn round(cells: &Cells<Opening>, request: &RequestContext) -> Result<Seen, String> {
    let chosen = cells
        .select(&Selection::All)
        .map_err(|error| error.to_string())?;
    let mut seen = Seen::new();
    for choice in chosen {
        let Choice::Cell(mapping) = choice else {
            return Err(format!("{} is refused", choice.label()));
        };
        let targeted = match cells.target(request, mapping.id()) {
            Ok(targeted) => targeted,
            // It was removed between the two lines, which is no failure: it is not there.
            Err(TargetError::Unknown(_)) if cells.snapshot().mapping(mapping.id()).is_none() => {
                continue;
            }
            Err(error) => return Err(error.to_string()),
        };
        let database = targeted.database();
        if database.closed.load(SeqCst) {
            return Err(format!(
                "{} was closed under a short request",
                database.place
            ));
        }
        if database.place != crate::place_of(targeted.mapping()) {
            return Err(format!("{} for {:?}", database.place, targeted.mapping()));
        }
        seen.insert(mapping.id(), database.place.clone());
    }
    Ok(seen)
}

/// A channel inside this process.
#[derive(Clone)]
struct InProcess(broadcast::Sender<Vec<u8>>);

struct Listening(tokio::sync::Mutex<broadcast::Receiver<Vec<u8>>>);

#[async_trait]
impl InvalidationSource for InProcess {
    async fn subscribe(&self, _: Deadline) -> Result<Box<dyn InvalidationChannel>, CellError> {
        Ok(Box::new(Listening(self.0.subscribe().into())))
    }
}

#[async_trait]
impl InvalidationChannel for Listening {
    async fn receive(&self) -> Result<Vec<u8>, ChannelLost> {
        let received = self.0.lock().await.recv().await;
        received.map_err(|error| ChannelLost(CellError::new(ErrorClass::Overloaded, error)))
    }
}

/// The limit within which replaced connections are gone.
const DRAIN: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushed_changes_are_everywhere_within_a_second_and_no_request_fails() {
    let (rows, opening) = (Rows::of(8), Opening::default());
    let cells = cells(&rows, &opening, |policy| policy.drain = DRAIN);
    let key = InvalidationKey::generate().unwrap();
    let gate = InvalidationGate::new(key.clone(), GatePolicy::default(), Arc::new(SystemClock));
    let (peers, _) = broadcast::channel(64);
    let _caretaker = Caretaker::start(&cells, caretaking()).follow(InProcess(peers.clone()), gate);
    let sender = InvalidationSender::new(key).unwrap();
    let announce = |what| {
        let message = sender
            .message(what, std::time::SystemTime::now())
            .into_bytes();
        peers.send(message).unwrap();
    };
    until("the first load", || {
        seen_at(&cells, 8).is_some() && peers.receiver_count() > 0
    })
    .await;
    let load = Load::on(&cells);
    load.all_see("the cells as they were", 1, Some(place(1, 1)))
        .await;

    let mut slowest = Duration::ZERO;
    for moved in 2..=6 {
        rows.set((1..=8).map(|cell| (cell, if cell == 1 { moved } else { 1 })));
        announce(Invalidation::Cell(id(1)));
        let took = load
            .all_see("the changed mapping", 1, Some(place(1, moved)))
            .await;
        slowest = slowest.max(took);
        let old = place(1, moved - 1);
        let took = until("the end of the old connections", || {
            opening.alive_at(&old) == 0
        })
        .await;
        assert!(took < DRAIN + Duration::from_secs(1), "{took:?}");
    }
    rows.set((1..=9).map(|cell| (cell, if cell == 1 { 6 } else { 1 })));
    announce(Invalidation::All);
    slowest = slowest.max(load.all_see("the added cell", 9, Some(place(9, 1))).await);
    rows.set((2..=9).map(|cell| (cell, 1)));
    announce(Invalidation::Cell(id(1)));
    slowest = slowest.max(load.all_see("the removed cell", 1, None).await);
    until("the end of the removed cell", || {
        opening.alive_at(&place(1, 6)) == 0
    })
    .await;

    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(load.ended() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_push_changes_are_everywhere_within_their_time() {
    const RELOAD: Duration = Duration::from_millis(300);
    let (rows, opening) = (Rows::of(4), Opening::default());
    let cells = cells(&rows, &opening, |policy| {
        policy.drain = DRAIN;
        policy.reload_every = RELOAD;
    });
    let _caretaker = Caretaker::start(&cells, caretaking());
    until("the first load", || seen_at(&cells, 4).is_some()).await;
    let load = Load::on(&cells);
    for moved in 2..=4 {
        rows.set((1..=4).map(|cell| (cell, moved)));
        for cell in 1..=4 {
            let took = load
                .all_see("the changed mapping", cell, Some(place(cell, moved)))
                .await;
            // One round of the caretaker later at the most, on a machine with more threads than processors.
            assert!(took < RELOAD + Duration::from_secs(1), "{took:?}");
        }
    }
    assert!(load.ended() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_on_too_long_is_closed_at_the_limit_and_not_before() {
    let (rows, opening) = (Rows::of(2), Opening::default());
    let cells = cells(&rows, &opening, |policy| policy.drain = DRAIN);
    let caretaker = Caretaker::start(&cells, caretaking());
    until("the first load", || seen_at(&cells, 1).is_some()).await;
    let request = RequestContext::for_background("test", Identity::default(), Roles::admin());
    let held = cells.target(&request, id(1)).unwrap();
    assert!(!held.superseded());

    rows.set([(1, 2), (2, 1)]);
    caretaker.load_now();
    until("the new place", || seen_at(&cells, 1) == Some(place(1, 2))).await;
    let replaced = Instant::now();
    until("the holder's notice", || held.superseded()).await;
    assert!(held.drain_deadline().is_some());
    until("the forced end", || held.database().closed.load(SeqCst)).await;
    // The limit is shortened by chance, by a tenth at the most, and counted by a clock of milliseconds.
    assert!(replaced.elapsed() > DRAIN / 2, "{:?}", replaced.elapsed());
    assert!(
        replaced.elapsed() < DRAIN + LONG / 10,
        "{:?}",
        replaced.elapsed()
    );
    assert!(
        !cells
            .target(&request, id(1))
            .unwrap()
            .database()
            .closed
            .load(SeqCst)
    );
}
