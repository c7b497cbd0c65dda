//! Reading an operator's rules from JSON, or from YAML behind the feature `policy-yaml`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::rules::{PolicyFile, RawRule};
use crate::loose::{Loose, Shape, Shaped};

/// A text is no policy file at all. What is wrong with single rules is said when the policy is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// Not JSON, or not an object.
    #[error("the policy file is not a JSON object")]
    Json(#[source] serde_json::Error),
    /// Not YAML, or not a mapping.
    #[cfg(feature = "policy-yaml")]
    #[error("the policy file is not a YAML mapping")]
    Yaml(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl PolicyFile {
    /// Reads `{"rule name": "text" or [["check", ..], ..], ..}`.
    ///
    /// # Errors
    /// [`PolicyFileError`].
    pub fn from_json(text: &str) -> Result<Self, PolicyFileError> {
        serde_json::from_str(text).map_err(PolicyFileError::Json)
    }

    /// Reads the same from YAML, of which JSON is a part. An empty document has no rules.
    ///
    /// # Errors
    /// [`PolicyFileError`].
    #[cfg(feature = "policy-yaml")]
    pub fn from_yaml(text: &str) -> Result<Self, PolicyFileError> {
        let only_comments = |line: &str| line.trim_start().starts_with('#');
        if text
            .lines()
            .all(|line| line.trim().is_empty() || only_comments(line))
        {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| PolicyFileError::Yaml(Box::new(error)))
    }
}

impl<'de> Deserialize<'de> for PolicyFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = PolicyFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rules by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PolicyFile, A::Error> {
        let mut file = PolicyFile::default();
        // Kept with repetitions: the builder reports them.
        while let Some(name) = map.next_key::<String>()? {
            file.rules.push((name, map.next_value_seed(Shaped(Rule))?));
        }
        Ok(file)
    }
}

struct Rule;

impl<'de> Shape<'de> for Rule {
    type Value = RawRule;

    fn other(self, found: Loose) -> RawRule {
        match found {
            Loose::Text(text) => RawRule::Text(text),
            _ => RawRule::Other,
        }
    }

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawRule, A::Error> {
        let mut alternatives = Some(Vec::new());
        while let Some(found) = seq.next_element_seed(Shaped(Alternative))? {
            alternatives = alternatives.zip(found).map(|(mut list, found)| {
                list.push(found);
                list
            });
        }
        Ok(alternatives.map_or(RawRule::Other, RawRule::List))
    }
}

/// A check, or a list of checks; `None` for anything else.
struct Alternative;

impl<'de> Shape<'de> for Alternative {
    type Value = Option<Vec<String>>;

    fn other(self, found: Loose) -> Self::Value {
        match found {
            Loose::Text(text) if text.is_empty() => Some(Vec::new()),
            Loose::Text(text) => Some(vec![text]),
            _ => None,
        }
    }

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut checks = Some(Vec::new());
        while let Some(found) = seq.next_element::<Loose>()? {
            checks = match (checks, found) {
                (Some(mut list), Loose::Text(text)) => {
                    list.push(text);
                    Some(list)
                }
                _ => None,
            };
        }
        Ok(checks)
    }
}
