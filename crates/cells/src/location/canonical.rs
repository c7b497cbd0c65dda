//! The canonical form of a location: one sequence of bytes for one content, whatever its spelling.
//!
//! It holds passwords, so it is never put together anywhere: fields are handed, piece by piece, to whoever hashes them.
//! Each is written as `name length, name, value length, value` (lengths: 8 bytes, big-endian); absent ones are left out.
//! Seals outlive processes and versions: what is written here must not change without a new version of the seals.

/// Hands the fields of one canonical form on.
pub(crate) struct Canonical<'s>(&'s mut dyn FnMut(&[u8]));

impl<'s> Canonical<'s> {
    pub(crate) fn to(sink: &'s mut dyn FnMut(&[u8])) -> Self {
        Self(sink)
    }

    pub(crate) fn field(&mut self, name: &str, value: impl AsRef<[u8]>) {
        for part in [name.as_bytes(), value.as_ref()] {
            (self.0)(&(part.len() as u64).to_be_bytes());
            (self.0)(part);
        }
    }

    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }
}
