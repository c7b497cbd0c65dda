//! What Keystone answers about a token, and signed tokens looked at before it is asked.

use std::sync::OnceLock;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use context::{AuthToken, CatalogRules, RequestLine, VerifiedHeaders};
use keystone::{AccessRules, JwsKeys};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use crate::text::{check_debug, check_error, text};

pub(crate) fn document(data: &[u8]) {
    for rules in [CatalogRules::nova(), CatalogRules::default()] {
        match keystone::read_token(data, &rules) {
            Ok(document) => {
                check_debug(&document, data.len() + 64);
                held(document.access_rules.as_ref());
                let verified = document.verified;
                assert!(verified.identity.user.id.is_some(), "nobody's token");
                check_debug(&verified, data.len() + 64);
                let scopes = [
                    verified.identity.project.id.is_some(),
                    verified.identity.domain.id.is_some(),
                    verified.identity.system_scope.is_some(),
                ];
                assert!(scopes.iter().filter(|scope| **scope).count() <= 1);
                assert!(
                    verified
                        .roles
                        .iter()
                        .all(|role| !role.as_str().contains(','))
                );
                let Ok(token) = AuthToken::parse("x".repeat(40)) else {
                    panic!("the token is good")
                };
                let headers = VerifiedHeaders::from_tokens((token, verified), None);
                check_debug(&headers, data.len() + 64);
            }
            Err(error) => check_error(&error, data.len()),
        }
    }
}

/// Access rules say the same each time, and allow no path that leads elsewhere.
fn held(rules: Option<&AccessRules>) {
    let Some(rules) = rules else { return };
    let asked = |path| RequestLine {
        method: "GET",
        path,
    };
    for path in ["/", "/v2.1/servers", "/v2.1/servers/s1/action", "//", ""] {
        let allowed = rules.allow("compute", asked(path));
        assert_eq!(allowed, rules.clone().allow("compute", asked(path)));
    }
    for path in ["/..", "/v2.1/../x", "/%2E%2e/x", "/."] {
        assert!(!rules.allow("compute", asked(path)));
    }
}

/// `SubjectPublicKeyInfo` of a P-256 key, up to its point (RFC 5480).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

struct Signer {
    pair: EcdsaKeyPair,
    keys: JwsKeys,
}

fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let (rng, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &rng)
            .ok()
            .and_then(|der| EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &rng).ok());
        let Some(pair) = pair else {
            panic!("no key could be made")
        };
        let der = [&P256[..], pair.public_key().as_ref()].concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der)
        );
        match JwsKeys::from_pem(pem.as_bytes()) {
            Ok(keys) => Signer { pair, keys },
            Err(error) => panic!("{error}"),
        }
    })
}

/// What of a token's claims says whether it has ended.
#[derive(Default, serde::Deserialize)]
struct Claims {
    exp: f64,
}

/// The bytes as a token, as a file of keys, and as header and claims (one line each) of a token; of those whose first byte
/// is `!`, under a good signature, which takes a hundred times as long as all the rest.
pub(crate) fn jws(data: &[u8]) {
    let signer = signer();
    match JwsKeys::from_pem(data) {
        Ok(keys) => check_debug(&keys, 0),
        Err(error) => check_error(&error, data.len()),
    }
    if let Some(text) = text(data) {
        let jws = AuthToken::parse(text.to_owned())
            .is_ok_and(|token| token.shape() == context::TokenShape::Jws);
        assert_eq!(signer.keys.refuses(text), jws, "nobody has signed it");
    }
    let (good, data) = match data.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, data),
    };
    let at = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (header, claims) = data.split_at(at);
    // A token has them from here on: what counts as blank here does not all in JSON.
    let claims = claims.trim_ascii_start();
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; 64];
    if good && let Ok(made) = signer.pair.sign(&SystemRandom::new(), signed.as_bytes()) {
        signature = made.as_ref().to_vec();
    }
    let token = format!("{signed}.{}", encode(&signature));
    let refused = signer.keys.refuses(&token);
    let looks_signed =
        AuthToken::parse(token).is_ok_and(|token| token.shape() == context::TokenShape::Jws);
    assert!(looks_signed || !refused, "only signed tokens are refused");
    if looks_signed && !refused {
        let header: serde_json::Value = serde_json::from_slice(header).unwrap_or_default();
        assert!(
            good && header["alg"] == "ES256",
            "taken without a good signature"
        );
        // Other claims are nobody's business, a number in them that is none (1e999) included.
        let claims: Claims = serde_json::from_slice(claims).unwrap_or_default();
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        assert!(claims.exp > now - 60.0);
    }
}
