//! The operations of a service: collected at start, then fixed.

use std::collections::BTreeMap;
use std::fmt;

use super::spec::OperationSpec;

/// Identifies the operations of a registry: SHA-256 over all specs. Two processes with the same digest do the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Why operations cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRegistry {
    /// A name that is none.
    #[error("`{0}` is no name of an operation")]
    Name(&'static str),
    /// The same name and version twice.
    #[error("operation `{0}` version {1} is registered twice")]
    Twice(&'static str, u32),
}

/// Collects operations.
#[derive(Debug, Default)]
pub struct RegistryBuilder(BTreeMap<(&'static str, u32), OperationSpec>);

impl RegistryBuilder {
    /// Adds an operation.
    ///
    /// # Errors
    /// [`InvalidRegistry`] where its name is none, or name and version are there already.
    pub fn register(mut self, spec: OperationSpec) -> Result<Self, InvalidRegistry> {
        let letter =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if spec.name.is_empty() || spec.name.len() > 64 || !spec.name.bytes().all(letter) {
            return Err(InvalidRegistry::Name(spec.name));
        }
        let key = (spec.name, spec.version);
        match self.0.insert(key, spec) {
            None => Ok(self),
            Some(_) => Err(InvalidRegistry::Twice(key.0, key.1)),
        }
    }

    /// Fixes what was collected, and logs the digest.
    #[must_use]
    pub fn freeze(self) -> Registry {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for spec in self.0.values() {
            // Names hold no line ends, so lines cannot be taken for each other.
            let line = format!(
                "{} {} {} {} {} {} {}\n",
                spec.name,
                spec.version,
                spec.effect.as_str(),
                spec.class.as_str(),
                spec.limits.rows,
                spec.limits.bytes,
                spec.limits.time.as_nanos()
            );
            context.update(line.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        let digest = Digest(digest);
        tracing::info!(operations = self.0.len(), %digest, "operations registered");
        Registry {
            specs: self.0,
            digest,
        }
    }
}

/// What a service may do to its cells. It cannot be changed.
#[derive(Debug)]
pub struct Registry {
    specs: BTreeMap<(&'static str, u32), OperationSpec>,
    digest: Digest,
}

impl Registry {
    /// Identifies its content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// All operations, by name and version.
    pub fn specs(&self) -> impl Iterator<Item = &OperationSpec> {
        self.specs.values()
    }

    /// Whether exactly this is registered, limits and effect included.
    pub(super) fn knows(&self, spec: &OperationSpec) -> bool {
        self.specs.get(&(spec.name, spec.version)) == Some(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::{Effect, PermitClass};
    use crate::operation::Limits;

    fn spec(name: &'static str, rows: usize) -> OperationSpec {
        OperationSpec {
            name,
            version: 1,
            effect: Effect::Read,
            class: PermitClass::Listing,
            limits: Limits {
                rows,
                ..Limits::default()
            },
        }
    }

    fn digest(specs: &[OperationSpec]) -> Digest {
        let add = |builder: RegistryBuilder, spec: &OperationSpec| builder.register(spec.clone());
        specs
            .iter()
            .try_fold(RegistryBuilder::default(), add)
            .unwrap()
            .freeze()
            .digest()
    }

    #[test]
    fn the_digest_is_of_the_content_and_not_of_its_order() {
        let (list, count) = (spec("servers.list", 10), spec("servers.count", 1));
        let both = digest(&[list.clone(), count.clone()]);
        assert_eq!(both, digest(&[count.clone(), list]));
        assert_ne!(both, digest(&[count, spec("servers.list", 11)]));
    }

    #[test]
    fn a_name_and_version_stand_for_one_operation() {
        let twice = RegistryBuilder::default()
            .register(spec("a", 1))
            .unwrap()
            .register(spec("a", 2));
        assert_eq!(twice.unwrap_err(), InvalidRegistry::Twice("a", 1));
        let shout = RegistryBuilder::default().register(spec("DROP TABLE", 1));
        assert_eq!(shout.unwrap_err(), InvalidRegistry::Name("DROP TABLE"));
    }
}
