//! Permits, breakers and retry tokens as a scatter's caller meets them, on simulated time.

#![expect(clippy::expect_used, reason = "a step that fails is a test that fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use nova_conformance::fakes::{FakeCloud, Gate, admin};
use scatter::{
    BreakerPolicy, BulkheadPolicy, Effect, Isolation, IsolationPolicy, Outcome, OutcomeKind,
    PermitClass, Prober, ProberPolicy, RetryPolicy, Scatter, ScatterReport, SkipReason, Stage,
    TokioExecutor,
};
use tokio::time::Instant;

const BUDGET: Duration = Duration::from_secs(1);

fn executor() -> TokioExecutor {
    TokioExecutor::current().expect("a test has a runtime")
}

/// One call of work that waits at the gate.
async fn through(
    gate: &Gate,
    cloud: &FakeCloud,
    isolation: &Isolation,
    class: PermitClass,
) -> ScatterReport<()> {
    let (request, executor, gate) = (admin(), executor(), gate.clone());
    Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(BUDGET)
        .isolation(isolation, class)
        .run(&executor, move |_| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                Ok::<(), CellError>(())
            }
        })
        .await
}

/// One call of work that ends at once, like this.
async fn ending(
    cloud: &FakeCloud,
    isolation: &Isolation,
    effect: Effect,
    ends: impl Fn(usize) -> Result<(), ErrorClass> + Send + Sync + 'static,
) -> ScatterReport<()> {
    let (request, executor) = (admin(), executor());
    Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(BUDGET)
        .isolation(isolation, PermitClass::Interactive)
        .effect(effect)
        .run(&executor, move |task| {
            let end = ends(task.cell().database().number);
            async move { end.map_err(|class| CellError::new(class, "on purpose")) }
        })
        .await
}

fn stage(report: ScatterReport<()>) -> Stage {
    match report.into_cells().swap_remove(0).outcome {
        Outcome::TimedOut(late) => late.stage,
        other => panic!("{}", other.kind()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_that_has_used_up_its_permits_waits_and_no_other_does() {
    let policy = IsolationPolicy {
        bulkhead: BulkheadPolicy {
            listing: 1,
            ..BulkheadPolicy::default()
        },
        ..IsolationPolicy::default()
    };
    let (cloud, isolation) = (FakeCloud::of(1), Isolation::new(policy));
    let (shut, open) = (Gate::default(), Gate::default());
    open.open();
    let holder = {
        let (cloud, isolation, shut) = (cloud.clone(), isolation.clone(), shut.clone());
        tokio::spawn(async move { through(&shut, &cloud, &isolation, PermitClass::Listing).await })
    };
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let interactive = through(&open, &cloud, &isolation, PermitClass::Interactive).await;
    assert!(!interactive.is_partial());
    let waits = {
        let (cloud, isolation, open) = (cloud.clone(), isolation.clone(), open.clone());
        tokio::spawn(async move { through(&open, &cloud, &isolation, PermitClass::Listing).await })
    };
    assert_eq!(stage(holder.await.expect("a report")), Stage::Running);
    // The budget of the second ends with that of the first, or the permit comes a moment before: both are accounted for.
    let second = waits.await.expect("a report");
    assert!(second.counts().add_up());
    let third = through(&open, &cloud, &isolation, PermitClass::Listing).await;
    assert!(
        !third.is_partial(),
        "the permit of work that was late is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_permit_is_named_in_the_outcome() {
    let policy = IsolationPolicy {
        bulkhead: BulkheadPolicy {
            interactive: 1,
            ..BulkheadPolicy::default()
        },
        ..IsolationPolicy::default()
    };
    let (cloud, isolation, shut) = (FakeCloud::of(1), Isolation::new(policy), Gate::default());
    let call = |after: Duration| {
        let (cloud, isolation, shut) = (cloud.clone(), isolation.clone(), shut.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let (request, executor) = (admin(), executor());
            Scatter::new(&request, &cloud.cells, cloud.all())
                .timeout(BUDGET - after * 2)
                .isolation(&isolation, PermitClass::Interactive)
                .run(&executor, move |_| {
                    let shut = shut.clone();
                    async move {
                        shut.pass().await;
                        Ok::<(), CellError>(())
                    }
                })
                .await
        })
    };
    let (first, second) = (call(Duration::ZERO), call(Duration::from_millis(100)));
    assert_eq!(stage(second.await.expect("a report")), Stage::Permit);
    assert_eq!(stage(first.await.expect("a report")), Stage::Running);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opens_after_a_probe_fails_fast_and_closes_over_trials() {
    let policy = IsolationPolicy {
        breaker: Some(BreakerPolicy::default()),
        ..IsolationPolicy::default()
    };
    let (cloud, isolation) = (FakeCloud::of(4), Isolation::new(policy));
    let sick = |cell| match cell {
        2 => Err(ErrorClass::Unreachable),
        _ => Ok(()),
    };
    let now = || Instant::now().into_std();
    for _ in 0..20 {
        let report = ending(&cloud, &isolation, Effect::Read, sick).await;
        assert_eq!(report.counts().failed, 1, "suspicion alone stops nothing");
    }
    let suspect = FakeCloud::<nova_conformance::fakes::HonestConnector>::id(2);
    {
        let probe = isolation.probe(now()).expect("nobody else probes");
        assert!(isolation.probe(now()).is_none(), "there is one prober");
        assert_eq!(probe.cells(), [suspect]);
        probe.came_back(suspect, false, now());
    }
    let report = ending(&cloud, &isolation, Effect::Read, sick).await;
    let third = &report.into_cells()[2].outcome;
    assert!(matches!(third, Outcome::Skipped(SkipReason::BreakerOpen)));
    let writes = ending(&cloud, &isolation, Effect::Mutating, sick).await;
    assert_eq!(
        writes.counts().failed,
        1,
        "who changes something finds out by itself"
    );
    tokio::time::advance(Duration::from_secs(6)).await;
    isolation
        .probe(now())
        .expect("nobody else probes")
        .came_back(suspect, true, now());
    for _ in 0..3 {
        assert!(
            !ending(&cloud, &isolation, Effect::Read, |_| Ok(()))
                .await
                .is_partial()
        );
    }
    assert_eq!(isolation.ejected(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_prober_opens_and_closes_breakers_with_nobody_asking() {
    let policy = IsolationPolicy {
        breaker: Some(BreakerPolicy::default()),
        ..IsolationPolicy::default()
    };
    let (cloud, isolation) = (FakeCloud::of(4), Isolation::new(policy));
    let well = Arc::new(AtomicBool::new(false));
    let sick = |well: &Arc<AtomicBool>| {
        let well = Arc::clone(well);
        move |cell| match cell == 2 && !well.load(Ordering::SeqCst) {
            true => Err(ErrorClass::Unreachable),
            false => Ok(()),
        }
    };
    let probes = Arc::new(AtomicUsize::new(0));
    let answers = {
        let (well, probes) = (Arc::clone(&well), Arc::clone(&probes));
        move |_, _| {
            let well = well.load(Ordering::SeqCst);
            // The first one hangs, the second panics: both say that the cell cannot be used.
            let nth = probes.fetch_add(1, Ordering::SeqCst);
            async move {
                match nth {
                    0 => std::future::pending().await,
                    1 => panic!("on purpose"),
                    _ => well,
                }
            }
        }
    };
    let prober = Prober::start(&isolation, ProberPolicy::default(), answers);
    for _ in 0..5 {
        let report = ending(&cloud, &isolation, Effect::Read, sick(&well)).await;
        assert!(report.is_partial());
    }
    assert_eq!((isolation.ejected(), probes.load(Ordering::SeqCst)), (0, 0));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((isolation.ejected(), probes.load(Ordering::SeqCst)), (1, 1));
    let report = ending(&cloud, &isolation, Effect::Read, sick(&well)).await;
    let third = &report.into_cells()[2].outcome;
    assert!(matches!(third, Outcome::Skipped(SkipReason::BreakerOpen)));
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!((isolation.ejected(), probes.load(Ordering::SeqCst)), (1, 2));
    well.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(probes.load(Ordering::SeqCst), 3);
    for _ in 0..3 {
        let report = ending(&cloud, &isolation, Effect::Read, sick(&well)).await;
        assert!(!report.is_partial());
    }
    assert_eq!(isolation.ejected(), 0);
    drop(prober);
    well.store(false, Ordering::SeqCst);
    for _ in 0..5 {
        let report = ending(&cloud, &isolation, Effect::Read, sick(&well)).await;
        assert!(report.is_partial());
    }
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(probes.load(Ordering::SeqCst), 3, "dropped, it has stopped");
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_repeated_is_retried_and_only_within_the_tokens() {
    let policy = IsolationPolicy {
        retry: Some(RetryPolicy {
            per_cell: 2,
            earned_percent: 0,
            ..RetryPolicy::default()
        }),
        ..IsolationPolicy::default()
    };
    let (cloud, isolation) = (FakeCloud::of(1), Isolation::new(policy));
    let calls = Arc::new(AtomicUsize::new(0));
    let every_second_fails = || {
        let calls = Arc::clone(&calls);
        move |_| match calls.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => Err(ErrorClass::Unreachable),
            _ => Ok(()),
        }
    };
    let writes = ending(&cloud, &isolation, Effect::Mutating, every_second_fails()).await;
    assert_eq!(
        (writes.counts().failed, calls.swap(0, Ordering::SeqCst)),
        (1, 1)
    );
    for _ in 0..2 {
        let cell = ending(&cloud, &isolation, Effect::Idempotent, every_second_fails())
            .await
            .into_cells()
            .remove(0);
        assert_eq!(
            (cell.outcome.kind(), cell.attempts),
            (OutcomeKind::Answered, 2)
        );
    }
    let spent = ending(&cloud, &isolation, Effect::Read, every_second_fails()).await;
    assert_eq!(spent.counts().failed, 1, "the tokens are spent");
    let not_retryable = ending(&cloud, &isolation, Effect::Read, |_| {
        Err(ErrorClass::Schema)
    })
    .await;
    assert_eq!(not_retryable.into_cells()[0].attempts, 1);
}
