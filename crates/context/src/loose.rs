//! Reading JSON without failing on its kinds: a wrong kind becomes a value that the caller can name as a problem.
//!
//! serde's own way stops at the first surprise; a wire form is checked whole (all problems at once). Nothing here
//! knows what a field means.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A scalar of a loose kind.
#[derive(Debug)]
pub(crate) enum Loose {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// The number zero: false for Python, as `""` and `[]` are.
    Zero,
    /// A text.
    Text(String),
    /// An empty list or object.
    Empty,
    /// Anything else: its content is skipped.
    Other,
}

impl Loose {
    /// Whether Python would take it for false.
    pub(crate) fn is_falsy(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) | Self::Zero | Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            Self::Bool(true) | Self::Other => false,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Shaped(AnyScalar).deserialize(from)
    }
}

struct AnyScalar;

impl Shape<'_> for AnyScalar {
    type Value = Loose;

    fn other(self, found: Loose) -> Loose {
        found
    }
}

/// Reads one value: what it makes of a list, of an object, and of everything else. By default all is "else".
pub(crate) trait Shape<'de>: Sized {
    /// What comes out; never a failure of kinds.
    type Value;

    /// Anything that the other methods do not take.
    fn other(self, found: Loose) -> Self::Value;

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = Loose::Empty;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            found = Loose::Other;
        }
        Ok(self.other(found))
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Loose::Empty;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            found = Loose::Other;
        }
        Ok(self.other(found))
    }
}

/// Makes serde's seed and visitor of a shape.
pub(crate) struct Shaped<S>(pub(crate) S);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Shaped<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Shaped<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<S::Value, E> {
        Ok(self.0.other(Loose::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<S::Value, E> {
        Ok(self.0.other(Loose::Bool(value)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<S::Value, E> {
        Ok(self.0.other(Loose::Other))
    }

    fn visit_u64<E>(self, value: u64) -> Result<S::Value, E> {
        Ok(self.0.other(if value == 0 {
            Loose::Zero
        } else {
            Loose::Other
        }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<S::Value, E> {
        Ok(self.0.other(if value == 0.0 {
            Loose::Zero
        } else {
            Loose::Other
        }))
    }

    fn visit_str<E>(self, text: &str) -> Result<S::Value, E> {
        Ok(self.0.other(Loose::Text(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<S::Value, E> {
        Ok(self.0.other(Loose::Text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<S::Value, A::Error> {
        self.0.list(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<S::Value, A::Error> {
        self.0.object(map)
    }
}
