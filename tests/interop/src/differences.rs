//! The reviewed list of differences: `differences.toml`, one entry per way in which we are not Nova, with the reason.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One way in which the two sides differ.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// What is compared: `context`, `url-for`, ..
    pub domain: String,
    /// The difference's name, as the comparison computes it from both answers.
    pub name: String,
    /// Nova's weak point by number (`W-5`), or the section of its description (`1.10`) where it is none; the reason then
    /// says why it is none.
    pub number: String,
    /// Why the difference is wanted.
    pub why: String,
    /// Where it happens, if not everywhere: the peers are in Python, and parts of them are Python's own and change with its
    /// releases. Where this is said, no case need show the difference.
    pub only: Option<String>,
}

/// The list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

impl Differences {
    /// The list of this repository.
    ///
    /// # Panics
    /// Where the file is not in its form.
    #[must_use]
    pub fn reviewed() -> Self {
        match toml::from_str(include_str!("../differences.toml")) {
            Ok(list) => list,
            Err(error) => panic!("differences.toml: {error}"),
        }
    }

    /// The names listed for a domain, and whether each has to happen.
    #[must_use]
    pub fn of(&self, domain: &str) -> BTreeMap<String, bool> {
        let of = self.difference.iter().filter(|one| one.domain == domain);
        of.map(|one| (one.name.clone(), one.only.is_none()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_number(text: &str) -> bool {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        match text.strip_prefix("W-") {
            Some(number) => digits(number),
            None => text
                .split_once('.')
                .is_some_and(|(section, part)| digits(section) && digits(part)),
        }
    }

    #[test]
    fn every_difference_is_listed_once_with_its_number_and_its_reason() {
        let mut seen = BTreeSet::new();
        for one in Differences::reviewed().difference {
            assert!(is_number(&one.number), "{one:?}");
            assert!(one.why.len() > 20, "{one:?}");
            let numbered = one.number.starts_with("W-");
            let explained = one.why.contains(" None of the weak points: ");
            assert_ne!(numbered, explained, "{one:?}");
            assert!(
                seen.insert((one.domain.clone(), one.name.clone())),
                "twice: {one:?}"
            );
        }
    }
}
