//! What a service that looks on sees of a call: one span for it, one for each cell, one for each time that the work was
//! called, whoever runs the work; and figures of every kind of call.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a step that fails is a test that fails"
)]

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use futures_util::future::BoxFuture;
use nova_conformance::fakes::{FakeCloud, HonestConnector, admin};
use scatter::{
    BridgedExecutor, CellTask, Effect, Isolation, IsolationPolicy, MergePolicy, OutcomeKind,
    PermitClass, RetryPolicy, RowSink, Scatter, ScatterStats, ThreadExecutor, ThreadPolicy,
    TokioExecutor,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Subscriber, info};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// A span as it was left.
#[derive(Default)]
struct Seen {
    name: &'static str,
    parent: Option<u64>,
    fields: String,
}

/// Keeps every span, and the names of those around each event.
#[derive(Default)]
struct Kept {
    spans: HashMap<u64, Seen>,
    events: Vec<String>,
}

#[derive(Clone, Default)]
struct Keeps(Arc<Mutex<Kept>>);

impl Keeps {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Of a cell's label, the name.
        let value = format!("{value:?}");
        let name = value
            .split_once('(')
            .map_or(&*value, |(_, name)| name.trim_end_matches(')'));
        write!(self.0, " {}={name}", field.name()).unwrap();
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeps {
    fn on_new_span(&self, of: &Attributes<'_>, id: &Id, within: Context<'_, S>) {
        let mut seen = Seen {
            name: of.metadata().name(),
            parent: within
                .span(id)
                .unwrap()
                .parent()
                .map(|one| one.id().into_u64()),
            fields: String::new(),
        };
        of.record(&mut Fields(&mut seen.fields));
        self.kept().spans.insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(seen) = self.kept().spans.get_mut(&id.into_u64()) {
            values.record(&mut Fields(&mut seen.fields));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, within: Context<'_, S>) {
        if event.metadata().target() == module_path!() {
            let around = within.event_scope(event).into_iter().flatten();
            let around: Vec<&str> = around.map(|span| span.name()).collect();
            self.kept().events.push(around.join(" in "));
        }
    }
}

/// One test at a time looks on, where several are in one process.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Looks on, from now on.
fn look_on() -> Keeps {
    static ONCE: Once = Once::new();
    static KEEPS: Mutex<Option<Keeps>> = Mutex::new(None);
    let mut keeps = KEEPS.lock().unwrap();
    let keeps = keeps.get_or_insert_default();
    ONCE.call_once(|| {
        let all = tracing_subscriber::registry().with(keeps.clone());
        tracing::subscriber::set_global_default(all).expect("the first one");
    });
    *keeps.kept() = Kept::default();
    keeps.clone()
}

impl Kept {
    /// Each span of this name: its fields, and those of the span it is in.
    fn named(&self, name: &str) -> Vec<(String, String)> {
        let parent = |seen: &Seen| seen.parent.and_then(|id| self.spans.get(&id));
        let within =
            |seen: &Seen| parent(seen).map(|parent| format!("{}{}", parent.name, parent.fields));
        let named = self.spans.values().filter(|seen| seen.name == name);
        let mut all: Vec<_> = named
            .map(|seen| (seen.fields.clone(), within(seen).unwrap_or_default()))
            .collect();
        all.sort();
        all
    }

    /// Three cells, of which cell1 is called twice, and all answer; each call of the work says so many things.
    fn check(&self, events_of_each: usize) {
        let scatters = self.named("scatter");
        let [(call, _)] = &scatters[..] else {
            panic!("{scatters:?}");
        };
        assert!(
            call.starts_with(" cells=3 answered=3 critical=cell"),
            "{call}"
        );
        let cells = self.named("cell");
        let in_call = |(_, within): &(String, String)| *within == format!("scatter{call}");
        assert!(cells.iter().all(in_call), "{cells:?}");
        let names: Vec<&str> = cells.iter().map(|(fields, _)| &**fields).collect();
        let named = |name: &str| names.iter().filter(|cell| cell.contains(name)).count();
        assert_eq!((names.len(), named("cell0"), named("cell1")), (3, 1, 1));
        let attempts = self.named("attempt").into_iter();
        let mut attempts: Vec<String> = attempts.map(|(number, cell)| cell + &number).collect();
        attempts.sort();
        assert_eq!(
            attempts,
            [
                "cell cell=cell0 number=1",
                "cell cell=cell1 number=1",
                "cell cell=cell1 number=2",
                "cell cell=cell2 number=1"
            ]
        );
        let expected = vec!["attempt in cell in scatter"; 4 * events_of_each];
        assert_eq!(self.events, expected);
    }
}

/// What a call of the suite shares: retries are on, and cell1 fails at first.
struct Call {
    cloud: FakeCloud,
    isolation: Isolation,
    failed: Arc<AtomicBool>,
}

impl Call {
    fn new() -> Self {
        let policy = IsolationPolicy {
            retry: Some(RetryPolicy::default()),
            ..IsolationPolicy::default()
        };
        Self {
            cloud: FakeCloud::of(3),
            isolation: Isolation::new(policy),
            failed: Arc::default(),
        }
    }

    fn scatter<'a>(&'a self, request: &'a context::RequestContext) -> Scatter<'a, HonestConnector> {
        Scatter::new(request, &self.cloud.cells, self.cloud.all())
            .timeout(Duration::from_secs(60))
            .isolation(&self.isolation, PermitClass::Interactive)
            .effect(Effect::Read)
    }

    /// The work: says something, and fails in cell1 the first time.
    fn work(&self) -> impl Fn(&CellTask<HonestConnector>) -> Result<(), CellError> + use<> {
        let failed = Arc::clone(&self.failed);
        move |task| {
            info!("here");
            let fails = task.cell().database().number == 1 && !failed.swap(true, Ordering::SeqCst);
            match fails {
                true => Err(CellError::new(ErrorClass::Unreachable, "at first")),
                false => Ok(()),
            }
        }
    }

    /// The same, done before its future is first polled; then it says something in its future.
    fn async_work(
        &self,
    ) -> impl Fn(CellTask<HonestConnector>) -> BoxFuture<'static, Result<(), CellError>> + use<>
    {
        let work = self.work();
        move |task| {
            let came = work(&task);
            Box::pin(async {
                info!("here, too");
                came
            })
        }
    }
}

fn pool() -> ThreadExecutor {
    ThreadExecutor::new("looked-at", ThreadPolicy::default()).expect("a pool")
}

#[tokio::test]
async fn async_works_have_a_span_for_each_time_they_are_called() {
    let (_alone, keeps) = (ALONE.lock().await, look_on());
    let (call, request) = (Call::new(), admin());
    let (work, executor) = (call.async_work(), TokioExecutor::current().unwrap());
    let report = call.scatter(&request).run(&executor, work).await;
    assert_eq!(report.counts().answered, 3);
    keeps.kept().check(2);
}

#[test]
fn blocking_works_on_threads_of_the_pool_have_the_same_spans() {
    let (_alone, keeps) = (ALONE.blocking_lock(), look_on());
    let (call, request) = (Call::new(), admin());
    let work = call.work();
    let report = call
        .scatter(&request)
        .run_blocking(&pool(), move |task| work(&task));
    assert_eq!(report.counts().answered, 3);
    keeps.kept().check(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn async_works_on_threads_of_the_pool_have_them_too() {
    let (_alone, keeps) = (ALONE.lock().await, look_on());
    let (call, request) = (Call::new(), admin());
    let executor = BridgedExecutor::new(pool(), tokio::runtime::Handle::current());
    let work = call.async_work();
    let report = call.scatter(&request).run(&executor, work).await;
    assert_eq!(report.counts().answered, 3);
    keeps.kept().check(2);
}

#[tokio::test]
async fn reports_taken_as_they_come_are_seen_as_those_of_a_whole_call() {
    let (_alone, keeps) = (ALONE.lock().await, look_on());
    let (call, request, stats) = (Call::new(), admin(), ScatterStats::default());
    let (work, executor) = (call.async_work(), TokioExecutor::current().unwrap());
    let mut stream = call.scatter(&request).stats(&stats).stream(&executor, work);
    while stream.next().await.is_some() {}
    keeps.kept().check(2);
    let answered: Vec<u64> = stats.read().iter().map(|cell| cell.outcomes[0].1).collect();
    assert_eq!(answered, [1, 1, 1]);
}

#[tokio::test]
async fn a_merge_s_cells_are_counted_as_its_report_says() {
    let (_alone, keeps) = (ALONE.lock().await, look_on());
    let (cloud, request, stats) = (FakeCloud::of(2), admin(), ScatterStats::default());
    let executor = TokioExecutor::current().unwrap();
    let work = |task: CellTask<HonestConnector>, mut sink: RowSink<u8, ()>| async move {
        match task.cell().database().number {
            0 => sink.send(vec![(1, ())]).await,
            // Not needed to its end: it is told to stop.
            _ => {
                sink.nothing_before(2);
                std::future::pending().await
            }
        }
    };
    let mut merged = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(Duration::from_secs(60))
        .stats(&stats)
        .merge(&executor, MergePolicy::default(), work);
    assert!(merged.next().await.expect("nobody is missing").is_some());
    let report = merged.finish();
    let kinds: Vec<OutcomeKind> = report
        .into_cells()
        .iter()
        .map(|one| one.outcome.kind())
        .collect();
    for (cell, kind) in stats.read().iter().zip(kinds) {
        let noted: Vec<OutcomeKind> = cell
            .outcomes
            .iter()
            .filter(|(_, count)| *count == 1)
            .map(|(kind, _)| *kind)
            .collect();
        assert_eq!(noted, [kind]);
    }
    assert_eq!(stats.read().len(), 2);
    let scatters = keeps.kept().named("scatter");
    assert!(scatters[0].0.contains("answered="), "{scatters:?}");
}
