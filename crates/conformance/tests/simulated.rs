//! A hundred thousand scatters from seeds, in chunks that a test runner can spread; a failure prints its seed and trace.

use std::time::Duration;

use nova_conformance::sim::{Crowd, Merging, Program, Scenario};

const CHUNK: u64 = 10_000;

fn chunk(number: u64) {
    for seed in number * CHUNK..(number + 1) * CHUNK {
        if let Err(broken) = Scenario::random(seed).play().check() {
            panic!("{broken}");
        }
    }
}

macro_rules! chunks {
    ($($name:ident = $number:literal)*) => {
        $(#[test]
        fn $name() {
            chunk($number);
        })*
    };
}

chunks! {
    seeds_from_0 = 0
    seeds_from_10_000 = 1
    seeds_from_20_000 = 2
    seeds_from_30_000 = 3
    seeds_from_40_000 = 4
    seeds_from_50_000 = 5
    seeds_from_60_000 = 6
    seeds_from_70_000 = 7
    seeds_from_80_000 = 8
    seeds_from_90_000 = 9
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..200 {
        let scenario = Scenario::random(seed);
        assert_eq!(scenario.play(), scenario.play(), "seed {seed}");
    }
}

#[test]
fn the_check_sees_a_healthy_cell_that_is_blamed() {
    // The same events, told of a scenario in which the hung cell is healthy.
    let hung = Scenario::of(2).cell(1, Program::new().hang());
    let trace = hung.play();
    assert!(trace.check().is_ok());
    let forged = trace.told_of(&Scenario::of(2));
    let broken = forged.check().expect_err("the cell was blamed for nothing");
    assert!(broken.to_string().contains("cell 1: blamed"), "{broken}");
}

#[test]
fn a_cell_hung_for_an_hour_costs_its_caller_the_budget_and_nobody_anything_else() {
    let hour = Duration::from_secs(3600);
    let trace = Scenario::of(8)
        .cell(5, Program::new().wait(hour))
        .budget(Duration::from_secs(60))
        .play();
    trace.check().unwrap();
    assert_eq!(
        trace
            .outcomes()
            .iter()
            .filter(|one| **one == "answered")
            .count(),
        7
    );
    assert!(trace.took() <= Duration::from_millis(60_001));
}

#[test]
fn crowds_of_callers_share_permits_breakers_and_retries_without_loss() {
    for seed in 0..2_000 {
        if let Err(broken) = Crowd::random(seed).play().check() {
            panic!("{broken}");
        }
    }
}

#[test]
fn sick_cells_in_an_ordered_stream_cost_their_own_rows_and_nobody_else_s() {
    for seed in 0..20_000 {
        let merging = Merging::random(seed);
        let trace = merging.play();
        if let Err(broken) = trace.check() {
            panic!("{broken}");
        }
        if seed % 100 == 0 {
            assert_eq!(merging.play(), trace, "seed {seed}");
        }
    }
}
