//! What was compared, what agreed, what differed and why: the account of one domain, closed against the reviewed list.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::differences::Differences;
use crate::peers::Peers;

/// The account of one domain.
#[derive(Debug)]
pub struct Ledger {
    domain: &'static str,
    /// By name: whether it has to happen.
    listed: BTreeMap<String, bool>,
    cases: usize,
    agreed: usize,
    /// By name: how often, and the first case.
    seen: BTreeMap<String, (usize, String)>,
}

impl Ledger {
    /// A new account, with the differences that are listed for this domain.
    #[must_use]
    pub fn open(domain: &'static str) -> Self {
        Self::with_list(domain, Differences::reviewed().of(domain))
    }

    fn with_list(domain: &'static str, listed: BTreeMap<String, bool>) -> Self {
        Self {
            domain,
            listed,
            cases: 0,
            agreed: 0,
            seen: BTreeMap::new(),
        }
    }

    /// Enters a case: every way in which the two sides differ on it, none where they agree. `example` is only called
    /// for the first case of a difference.
    pub fn enter(
        &mut self,
        differences: impl IntoIterator<Item = String>,
        example: impl Fn() -> String,
    ) {
        self.cases += 1;
        let mut agreed = true;
        for name in differences {
            agreed = false;
            let entry = self
                .seen
                .entry(name)
                .or_insert_with(|| (0, start(example())));
            entry.0 += 1;
        }
        self.agreed += usize::from(agreed);
    }

    /// Ends the account and writes its figures for the runner.
    ///
    /// # Panics
    /// Where a difference is not listed, a listed one did not happen, or fewer cases were compared than promised.
    pub fn close(self, peers: &Peers, at_least: usize) {
        let problems = self.problems(at_least);
        assert!(problems.is_empty(), "{}: {problems}", self.domain);
        let differences: BTreeMap<_, _> = self.seen.iter().map(|(k, v)| (k, v.0)).collect();
        let figures = serde_json::json!({
            "domain": self.domain, "cases": self.cases, "agreed": self.agreed, "differences": differences,
        });
        let path = peers.report(self.domain);
        if let Err(error) = std::fs::write(&path, figures.to_string()) {
            panic!("{} cannot be written: {error}", path.display());
        }
    }

    fn problems(&self, at_least: usize) -> String {
        let mut text = String::new();
        for (name, (count, example)) in &self.seen {
            if !self.listed.contains_key(name) {
                // Writing to a `String` cannot fail.
                let _ = write!(
                    text,
                    "\nnot listed, {count} cases: {name}\n  for example {example}"
                );
            }
        }
        for (name, has_to) in &self.listed {
            if !has_to || self.seen.contains_key(name) {
                continue;
            }
            let _ = write!(text, "\nlisted, but does not happen any more: {name}");
        }
        if self.cases < at_least {
            let _ = write!(
                text,
                "\nonly {} cases were compared, not {at_least}",
                self.cases
            );
        }
        text
    }
}

/// The first few thousand characters: enough to see the cause, and the seed gives the rest.
fn start(text: String) -> String {
    match text.char_indices().nth(3000) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// The variant of an enum's value without what it holds, as `Debug` names it.
#[must_use]
pub fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The text with `#` for every run of digits: places and sizes are no difference of kind.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if plain.ends_with('#') => {}
            true => plain.push('#'),
            false => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is listed has to happen, where its name does not end with a question mark.
    fn ledger(listed: &[&str], entered: &[&[&str]]) -> Ledger {
        let listed = listed
            .iter()
            .map(|&name| (name.to_owned(), !name.ends_with('?')))
            .collect();
        let mut ledger = Ledger::with_list("test", listed);
        for differences in entered {
            let differences = differences.iter().map(|&name| name.to_owned());
            ledger.enter(differences, || "a case".into());
        }
        ledger
    }

    #[test]
    fn agreement_and_listed_differences_are_no_problem() {
        let ledger = ledger(&["a"], &[&[], &["a"], &["a"]]);
        assert_eq!(ledger.problems(3), "");
        assert_eq!((ledger.cases, ledger.agreed), (3, 1));
    }

    #[test]
    fn an_unlisted_difference_is_a_problem_with_its_first_case() {
        let text = ledger(&["a"], &[&["a", "b"], &["b"]]).problems(0);
        assert!(text.contains("not listed, 2 cases: b"), "{text}");
        assert!(text.contains("a case"), "{text}");
    }

    #[test]
    fn a_listed_difference_that_is_gone_is_a_problem() {
        let text = ledger(&["a", "b"], &[&["a"]]).problems(0);
        assert_eq!(text, "\nlisted, but does not happen any more: b");
    }

    #[test]
    fn one_that_does_not_happen_everywhere_may_be_gone() {
        assert_eq!(ledger(&["a", "b?"], &[&["a"]]).problems(1), "");
        assert_eq!(ledger(&["a", "b?"], &[&["a"], &["b?"]]).problems(1), "");
    }

    #[test]
    fn too_few_cases_are_a_problem() {
        let text = ledger(&[], &[&[]]).problems(2000);
        assert_eq!(text, "\nonly 1 cases were compared, not 2000");
    }

    #[test]
    fn names_lose_what_differs_from_case_to_case() {
        assert_eq!(variant(&Some(5)), "Some");
        assert_eq!(without_numbers("byte 12 of 255"), "byte # of #");
    }
}
