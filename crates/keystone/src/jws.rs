//! Signed tokens looked at before Keystone is asked: one that no known key has signed, or that has ended, is refused here
//! and costs Keystone nothing. One that passes is no better than any other token: Keystone decides.
//!
//! ES256 only, whatever the token's header asks for; no key is ever taken from a token. Other shapes pass unseen.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use context::{AuthToken, TokenShape};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cache::Ended;

/// What stands before the 65 bytes of an uncompressed point in a P-256 key's `SubjectPublicKeyInfo` (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT: usize = 65;

/// Keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidJwsKeys {
    /// Not a PEM file.
    #[error("the file of public keys is not PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// No public key at all: every signed token would be refused.
    #[error("there is no public key")]
    Empty,
    /// A key that is not on P-256.
    #[error("public key {index} is not a P-256 key")]
    NotP256 {
        /// Which one, from 0.
        index: usize,
    },
}

/// The public keys of Keystone's `jws_public_key_repository`. Cloning shares them.
#[derive(Clone)]
pub struct JwsKeys(Arc<RwLock<Vec<[u8; POINT]>>>);

impl JwsKeys {
    /// The keys of PEM files' content, one after the other.
    ///
    /// # Errors
    /// [`InvalidJwsKeys`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidJwsKeys> {
        Ok(Self(Arc::new(RwLock::new(points(pem)?))))
    }

    /// Other keys from now on, for every holder: before Keystone signs with a new one.
    ///
    /// # Errors
    /// [`InvalidJwsKeys`]; the keys of before stay.
    pub fn replace(&self, pem: &[u8]) -> Result<(), InvalidJwsKeys> {
        let points = points(pem)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = points;
        Ok(())
    }

    /// Whether Keystone need not be asked about this text, because it would refuse: it looks like a signed token, and no
    /// known key has signed it, or it has ended. What is not refused is not good for that.
    #[must_use]
    pub fn refuses(&self, text: &str) -> bool {
        let shape = AuthToken::parse(text.to_owned()).map(|token| token.shape());
        shape.is_ok_and(|shape| self.refuse(shape, text, Ended::Refused))
    }

    /// The same, for who knows the shape.
    pub(crate) fn refuse(&self, shape: TokenShape, text: &str, ended: Ended) -> bool {
        shape == TokenShape::Jws && !self.passes(text, ended, SystemTime::now())
    }

    fn passes(&self, text: &str, ended: Ended, now: SystemTime) -> bool {
        self.check(text, ended, now).is_some()
    }

    fn check(&self, text: &str, ended: Ended, now: SystemTime) -> Option<()> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        // `crit` names extensions that must be understood (RFC 7515, 4.1.11); none is.
        if header.alg != "ES256" || header.crit.is_some() {
            return None;
        }
        let signature = decode(signature)?;
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|point| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_slice());
            key.verify(signed.as_bytes(), &signature).is_ok()
        })?;
        let claims: Claims = serde_json::from_slice(&decode(claims)?).ok()?;
        let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        (ended == Ended::Allowed || claims.exp > now).then_some(())
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<IgnoredAny>,
}

/// Keystone writes `exp` with a fraction or without.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

fn points(pem: &[u8]) -> Result<Vec<[u8; POINT]>, InvalidJwsKeys> {
    let mut points = Vec::new();
    for (index, key) in SubjectPublicKeyInfoDer::pem_slice_iter(pem).enumerate() {
        let key = key.map_err(InvalidJwsKeys::Pem)?;
        let point = key.strip_prefix(P256_PREFIX.as_slice());
        let point = point.and_then(|point| <[u8; POINT]>::try_from(point).ok());
        // 4: both coordinates are there.
        let point = point.filter(|point| point[0] == 4);
        points.push(point.ok_or(InvalidJwsKeys::NotP256 { index })?);
    }
    match points.is_empty() {
        true => Err(InvalidJwsKeys::Empty),
        false => Ok(points),
    }
}

impl std::fmt::Debug for JwsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "JwsKeys({})", keys.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::prelude::BASE64_STANDARD;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            let (rng, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &rng).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &rng).unwrap())
        }

        fn pem(&self) -> String {
            let spki = [&P256_PREFIX, self.0.public_key().as_ref()].concat();
            let text = BASE64_STANDARD.encode(spki);
            format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
        }

        fn keys(&self) -> JwsKeys {
            JwsKeys::from_pem(self.pem().as_bytes()).unwrap()
        }

        fn token(&self, header: &str, claims: &str) -> String {
            let encode = |part: &str| BASE64_URL_SAFE_NO_PAD.encode(part);
            let signed = format!("{}.{}", encode(header), encode(claims));
            let signature = self
                .0
                .sign(&SystemRandom::new(), signed.as_bytes())
                .unwrap();
            format!(
                "{signed}.{}",
                BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref())
            )
        }
    }

    const HEADER: &str = r#"{"alg":"ES256","typ":"JWT"}"#;
    const CLAIMS: &str = r#"{"sub":"u1","iat":1000,"exp":2000.5}"#;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_signed_token_passes_until_it_ends_and_longer_if_somebody_vouches() {
        let signer = Signer::new();
        let (keys, token) = (signer.keys(), signer.token(HEADER, CLAIMS));
        assert!(keys.passes(&token, Ended::Refused, at(2000)));
        assert!(!keys.passes(&token, Ended::Refused, at(2001)));
        assert!(keys.passes(&token, Ended::Allowed, at(2001)));
    }

    #[test]
    fn the_algorithm_is_not_the_tokens_to_choose() {
        let signer = Signer::new();
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"es256"}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","crit":["x"]}"#,
            r#"{"typ":"JWT"}"#,
            "x",
        ] {
            let token = signer.token(header, CLAIMS);
            assert!(
                !signer.keys().passes(&token, Ended::Refused, at(1500)),
                "{header}"
            );
        }
    }

    #[test]
    fn another_key_a_changed_claim_or_a_cut_signature_is_refused() {
        let (signer, other) = (Signer::new(), Signer::new());
        let token = signer.token(HEADER, CLAIMS);
        let passes = |keys: &JwsKeys, token: &str| keys.passes(token, Ended::Refused, at(1500));
        assert!(!passes(&other.keys(), &token));
        let both = JwsKeys::from_pem(format!("{}{}", other.pem(), signer.pem()).as_bytes());
        assert!(passes(&both.unwrap(), &token));
        let later = signer.token(HEADER, r#"{"exp":9000}"#);
        let (claims, signature) = (
            later.rsplit_once('.').unwrap().0,
            token.rsplit_once('.').unwrap().1,
        );
        assert!(!passes(&signer.keys(), &format!("{claims}.{signature}")));
        assert!(!passes(&signer.keys(), &token[..token.len() - 1]));
        assert!(!passes(&signer.keys(), claims));
    }

    #[test]
    fn other_shapes_are_none_of_its_business() {
        let keys = Signer::new().keys();
        assert!(!keys.refuse(TokenShape::Fernet, "gAAAAAB", Ended::Refused));
        assert!(keys.refuse(TokenShape::Jws, "eyJ.x.y", Ended::Refused));
    }

    #[test]
    fn keys_are_replaced_whole_or_not_at_all() {
        let (old, new) = (Signer::new(), Signer::new());
        let keys = old.keys();
        let token = new.token(HEADER, CLAIMS);
        assert!(matches!(
            keys.replace(b"nothing"),
            Err(InvalidJwsKeys::Empty)
        ));
        // A key on another curve: the same bytes under another name.
        let alien = new.pem().replacen("MFkw", "MFkx", 1);
        let alien = keys.replace(alien.as_bytes());
        assert!(matches!(alien, Err(InvalidJwsKeys::NotP256 { index: 0 })));
        assert!(!keys.passes(&token, Ended::Refused, at(1500)));
        keys.replace(new.pem().as_bytes()).unwrap();
        assert!(keys.passes(&token, Ended::Refused, at(1500)));
    }
}
