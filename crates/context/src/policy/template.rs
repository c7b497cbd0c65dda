//! The right side of a check: text with `%(name)s` in it, filled from the target.

use std::borrow::Cow;

use super::target::Target;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Value(Box<str>),
}

/// A parsed right side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

/// A right side, filled.
pub(super) enum Filled<'a> {
    /// A value that the template needs is not in the target.
    Missing,
    /// The whole of it is one value, and that is none.
    Nothing,
    /// Text to compare with.
    Text(Cow<'a, str>),
}

impl Template {
    /// `None` where a percent sign is followed by anything but `(name)s` or `%`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                plain.push('%');
                rest = after;
                continue;
            }
            let (name, after) = after.strip_prefix('(')?.split_once(')')?;
            if name.is_empty() {
                return None;
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
            }
            pieces.push(Piece::Value(name.into()));
            rest = after.strip_prefix('s')?;
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Some(Self(pieces))
    }

    pub(super) fn fill<'a>(&'a self, target: &'a Target<'_>) -> Filled<'a> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Filled::Text(Cow::Borrowed(text)),
            [Piece::Value(name)] => match target.get(name) {
                None => Filled::Missing,
                Some(None) => Filled::Nothing,
                Some(Some(value)) => Filled::Text(Cow::Borrowed(value)),
            },
            pieces => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(plain) => text.push_str(plain),
                        Piece::Value(name) => match target.get(name) {
                            None => return Filled::Missing,
                            Some(value) => text.push_str(value.unwrap_or("None")),
                        },
                    }
                }
                Filled::Text(Cow::Owned(text))
            }
        }
    }
}
