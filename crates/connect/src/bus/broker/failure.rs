//! Failures that arise on the way to a broker, whichever it is.

use cells::{CellError, ErrorClass};

/// Time ran out.
pub(in crate::bus) fn out_of_time(what: &'static str) -> CellError {
    CellError::new(ErrorClass::Timeout, what)
}

/// Of two hosts' failures, the one that says more: a refused login is an operator's to mend, a host that is down is what
/// the others are for.
pub(super) fn worse(one: Option<CellError>, other: CellError) -> CellError {
    let weight = |error: &CellError| match error.class() {
        ErrorClass::Unreachable => 0,
        ErrorClass::Timeout => 1,
        _ => 2,
    };
    match one {
        Some(one) if weight(&one) >= weight(&other) => one,
        _ => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_is_told_before_a_host_that_is_down() {
        let class = |one: ErrorClass, other: ErrorClass| {
            worse(Some(CellError::new(one, "")), CellError::new(other, "")).class()
        };
        use ErrorClass::{Authentication, Timeout, Unreachable};
        assert_eq!(class(Authentication, Unreachable), Authentication);
        assert_eq!(class(Unreachable, Authentication), Authentication);
        assert_eq!(class(Unreachable, Timeout), Timeout);
    }
}
