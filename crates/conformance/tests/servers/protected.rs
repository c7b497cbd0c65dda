//! A service's permits and figures hold for what is listed, counted and found, too.

use std::sync::Arc;
use std::time::Duration;

use cells::{CellError, Selection};
use instances::{DownCells, ServerFilter, ServerQuery};
use nova_conformance::CloudBuilder;
use nova_conformance::fakes::Gate;
use scatter::{
    BreakerPolicy, BulkheadPolicy, Isolation, IsolationPolicy, Outcome, OutcomeKind, PermitClass,
    Prober, ProberPolicy, Rejection, Scatter, ScatterStats, TokioExecutor,
};
use tokio::sync::Notify;

use crate::support::{World, admin};

#[tokio::test]
async fn whoever_has_used_up_a_cell_s_permits_keeps_its_own_class_out_and_no_other() {
    let world = World::of(CloudBuilder::new().servers(100)).await;
    let (ctx, gate, began) = (admin(), Gate::default(), Arc::new(Notify::new()));
    let isolation = Isolation::new(IsolationPolicy {
        bulkhead: BulkheadPolicy {
            listing: 1,
            waiting: 0,
            ..BulkheadPolicy::default()
        },
        ..IsolationPolicy::default()
    });
    let held = world.cloud.cells()[1].id();
    let choices = world.cells.select(&Selection::Only(vec![held])).unwrap();
    let executor = TokioExecutor::current().unwrap();
    let holds = {
        let (ctx, cells, isolation) = (ctx.clone(), world.cells.clone(), isolation.clone());
        let (gate, began) = (gate.clone(), Arc::clone(&began));
        tokio::spawn(async move {
            let work = move |_| {
                let (gate, began) = (gate.clone(), Arc::clone(&began));
                async move {
                    began.notify_one();
                    gate.pass().await;
                    Ok::<(), CellError>(())
                }
            };
            Scatter::new(&ctx, &cells, choices)
                .timeout(Duration::from_secs(60))
                .isolation(&isolation, PermitClass::Listing)
                .run(&executor, work)
                .await
        })
    };
    began.notified().await;
    let listing = world
        .servers(&ctx)
        .isolation(&isolation, PermitClass::Listing);
    let page = listing
        .list(&ServerQuery::default(), DownCells::Skip)
        .await
        .unwrap();
    let refused: Vec<bool> = page
        .cells
        .iter()
        .map(|cell| matches!(cell.outcome, Outcome::Rejected(Rejection::QueueFull)))
        .collect();
    let expected: Vec<bool> = world
        .cloud
        .cells()
        .iter()
        .map(|cell| cell.id() == held)
        .collect();
    assert_eq!(refused, expected);
    let counted = listing.count(&ServerFilter::default()).await.unwrap();
    assert_eq!(counted.into_parts().1.len(), 1);
    let other = world
        .servers(&ctx)
        .isolation(&isolation, PermitClass::Interactive);
    let page = other
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    assert!(!page.is_partial());
    gate.open();
    assert!(holds.await.unwrap().require_all().is_ok());
    assert!(
        listing
            .list(&ServerQuery::default(), DownCells::Fail)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn every_cell_that_a_page_asked_is_in_the_figures() {
    let world = World::of(CloudBuilder::new().servers(100)).await;
    let (ctx, stats) = (admin(), ScatterStats::default());
    let servers = world.servers(&ctx).stats(&stats);
    servers
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    let cells = stats.read();
    assert_eq!(cells.len(), world.cloud.cells().len());
    for cell in cells {
        let (kind, times) = cell.outcomes[0];
        assert!(kind == OutcomeKind::Answered && times >= 1 && cell.run.count() == times);
    }
}

#[tokio::test]
async fn a_cell_whose_file_is_gone_is_left_alone_until_it_is_back() {
    let world = World::of(CloudBuilder::new().servers(100)).await;
    let ctx = admin();
    let isolation = Isolation::new(IsolationPolicy {
        breaker: Some(BreakerPolicy {
            suspect_after: 1,
            open_for: Duration::from_millis(20),
            close_after: 1,
            ..BreakerPolicy::default()
        }),
        ..IsolationPolicy::default()
    });
    let policy = ProberPolicy {
        every: Duration::from_millis(10),
        ..ProberPolicy::default()
    };
    let answers = instances::database_answers(&ctx, &world.cells);
    let _prober = Prober::start(&isolation, policy, answers);
    let servers = world
        .servers(&ctx)
        .isolation(&isolation, PermitClass::Interactive);
    let outcome = async || {
        let query = ServerQuery::default();
        let page = servers.list(&query, DownCells::Skip).await.unwrap();
        page.cells[1].outcome.kind()
    };
    let file = world.cloud.cells()[1].path();
    let aside = file.with_extension("aside");
    std::fs::rename(file, &aside).unwrap();
    while outcome().await != OutcomeKind::Skipped {}
    std::fs::rename(&aside, file).unwrap();
    while outcome().await != OutcomeKind::Answered {}
}
