//! What a scatter promises, on any executor: one suite, instantiated for each.
//!
//! A [`Runner`] takes a scatter and a [`Script`] (what each cell's work does) and gives the report. [`AsyncRunner`] and
//! [`BlockingRunner`] are runners over the two seams of `scatter`; write another one for what has a seam of its own. Then
//! [`scatter_suite!`](crate::scatter_suite!) makes a test of every case:
//!
//! ```ignore
//! mod on_my_executor {
//!     fn runner() -> impl Runner { BlockingRunner(MyExecutor::new()) }
//!     conformance::scatter_suite!(runner());
//! }
//! ```
//!
//! The executor must be able to run [`PARALLEL`] works at the same time, [`PER_CELL`] of one cell. Nothing here sleeps:
//! works wait at gates that the case opens, and budgets are waited out where a case is about their end.

pub mod cases;
mod runner;
mod script;

pub use runner::{AsyncRunner, BlockingRunner, Runner};
pub use script::{Act, Script};

/// Works that an executor under test must be able to run at the same time.
pub const PARALLEL: usize = 16;
/// Works of one cell that it must be able to run at the same time.
pub const PER_CELL: usize = 2;

/// Makes a `#[test]` of every case of the suite, each with a runner of its own.
#[macro_export]
macro_rules! scatter_suite {
    ($runner:expr) => {
        $crate::scatter_suite!(@cases $runner;
            every_cell_answers_in_the_order_asked
            an_answer_that_holds_nothing_is_an_answer
            an_empty_selection_gives_an_empty_report
            cells_run_beside_each_other
            a_failing_cell_is_reported_with_its_class
            a_panicking_cell_costs_only_itself
            a_hung_cell_is_the_one_blamed
            a_cell_that_hangs_while_it_connects_says_so
            a_cell_that_cannot_be_opened_costs_only_itself
            a_connector_that_stalls_costs_only_its_cell
            a_rejected_mapping_is_accounted_for
            a_duplicate_row_is_rejected_and_asked_once
            a_cell_gone_from_the_mappings_is_rejected
            a_late_answer_changes_nothing
            a_spent_budget_asks_nobody
            the_requests_own_deadline_ends_the_call
            no_more_cells_than_allowed_are_under_way
            a_cell_held_back_by_the_limit_is_not_blamed_for_running
            a_cell_that_takes_more_than_its_share_is_late_alone
            works_that_nobody_waits_for_are_told
            what_is_kept_of_a_work_keeps_nothing_of_the_call
            eight_callers_of_a_hung_cell_lose_nothing_else
        );
    };
    (@cases $runner:expr; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::scatter_suite::cases::$case(&$runner);
            }
        )*
    };
}
