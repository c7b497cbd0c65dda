//! Keystone, asked over HTTP: whose a token is ([`KeystoneVerifier`]), and the service's own token ([`ServiceUser`]).
//!
//! Words: the *service user* is this process's account in Keystone, its token is the *own* token; the *subject* is the
//! user's token that a request brought; a *verdict* is what Keystone says of a subject: good or refused. Anything else
//! (silence, garbage, a redirect, a 503, a 403) is no verdict: the caller hears "unavailable" and nothing is remembered.
//!
//! ```no_run
//! use std::sync::Arc;
//! use context::{AuthToken, Guard, TokenPolicy, TokenPurpose, TokenVerifier as _};
//! use nova_keystone::{
//!     COMPONENT, ClientOptions, Credential, DomainRef, KeystoneUrl, KeystoneVerifier, Named, Password, Scope,
//!     ServiceUser, ServiceUserOptions, VerifierOptions,
//! };
//! # async fn run(password: String, header: String) -> Result<(), Box<dyn std::error::Error>> {
//! let in_default = |name: &str| Named::Name { name: name.into(), domain: DomainRef::Id("default".into()) };
//! let guard = Arc::new(Guard {
//!     tokens: TokenPolicy::default().grant(COMPONENT, TokenPurpose::Keystone),
//!     ..Guard::default()
//! });
//! let service = ServiceUser::new(
//!     KeystoneUrl::parse("https://identity.example.org/v3")?,
//!     Credential::Password {
//!         user: in_default("nova"),
//!         password: Password::new(password),
//!         scope: Scope::Project(in_default("service")),
//!     },
//!     guard,
//!     &ClientOptions::default(),
//!     ServiceUserOptions::default(),
//! )?;
//! let verifier = KeystoneVerifier::new(service, VerifierOptions::default());
//! let verified = verifier.verify(&AuthToken::parse(header)?).await?;
//! println!("{:?} until {:?}", verified.identity.user.id, verified.expires_at);
//! # Ok(()) }
//! ```
//!
//! # What becomes of keystonemiddleware's behaviour (nova-facts §8)
//!
//! | Nova's | here |
//! | --- | --- |
//! | `GET /v3/auth/tokens` with the service's token, 200 / 404 (8.1) | same; a 200 whose token has ended by this clock is refused, as there |
//! | cache of 300 s by the token's hash, good and bad alike (8.1) | hardened: SHA-256; 60 s good and never past the token's end, 10 s bad; good and bad bounded apart, the good ones in bytes, too; single-flight; `forget`, `revoke`; what peers announce as revoked is forgotten (`hear`) |
//! | own token refused: one retry **without** `allow_expired` (8.1, W-28) | hardened: the very same question once more with a new token, then "unavailable"; a fresh token that is refused holds further attempts off |
//! | 403 of the service's own roles | hardened: "unavailable", blamed on the service user; nothing remembered |
//! | Keystone unreachable: 503 (8.1) | same ([`VerifyError::Unavailable`](context::VerifyError)), within a budget; delay mode left out |
//! | a service's token permits an expired user token (8.1) | same: [`verify_vouched_for`](context::TokenVerifier::verify_vouched_for); such verdicts are never remembered, and good for `expired_window` (Keystone's `allow_expired_window`, 2 days) at most. The service's roles are checked by `context`'s layer |
//! | access rules of application credentials are enforced by method and path, unless a service token is there (8.1) | same, in [`verify_for`](context::TokenVerifier::verify_for), for `VerifierOptions::service_type`; hardened: patterns are literal but for `*`, `**` and `{name}`, no path with dot segments is allowed, a service's own token is held to its rules, too; without a service type, and where no request is named, a token with rules is not valid. That the type is in the token's catalog is not asked for |
//! | headers into the WSGI environment (8.1, 8.2, W-29) | left out: `context` makes the request's context of the verdict; nothing passes through headers |
//! | catalog of the token, grouped to the v2 header form (8.3) | hardened: read in v3 form, checked, Nova's service types only unless told otherwise; a malformed endpoint is left out and logged, what is no catalog at all is "unavailable", not a 500 |
//! | Fernet or JWS, any length (8.4) | same: shapes are recognised by `context`, never required; Keystone decides |
//! | JWS signature | feature `jws`: refused before Keystone is asked if no known key made it; never accepted without Keystone |
//! | `cafile`, `certfile`, `keyfile` of `[keystone_authtoken]` | same: [`TrustRoots`], [`ClientCertificate`]; keys are not encrypted |
//! | password or application credential of `[keystone_authtoken]` | same; renewed ahead of its end, one authentication however many wait, a pause after failures |
//! | redirects followed, proxies of the environment used, `insecure` | left out, on purpose |
//!
//! # What it cannot do
//! Tokens and passwords are wiped where this crate holds them, header values and bodies when the HTTP client drops them;
//! the client's own write and read buffers, and TLS's, are not wiped, and cannot be from here. A process whose global
//! allocator wipes what is freed gets rid of those, too; a test searches the memory of one. It is one line of the binary,
//! with the crate `zeroizing-alloc`:
//!
//! ```
//! #[global_allocator]
//! static WIPES: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);
//! # fn main() {}
//! ```
//!
//! A private key for TLS is wiped as text; the key itself stays with the cryptographic library.

mod certificate;
mod error;
mod trust;
mod url;

mod password;
mod wiped;

mod access_rules;
mod answer;
mod client;
mod credential;
mod flight;

mod plugin;
mod service_user;

mod cache;
#[cfg(feature = "jws")]
mod jws;
mod table;
mod verifier;

pub use access_rules::AccessRules;
pub use answer::{TokenDocument, read as read_token};
pub use certificate::{ClientCertificate, InvalidCertificate};
pub use client::{ClientError, ClientOptions};
pub use credential::{ApplicationCredential, Credential, DomainRef, Named, Scope};
pub use error::KeystoneError;
#[cfg(feature = "jws")]
pub use jws::{InvalidJwsKeys, JwsKeys};
pub use password::Password;
pub use plugin::NoCurrentToken;
pub use service_user::{ServiceUser, ServiceUserOptions};
pub use trust::{Authorities, InvalidTrust, TrustRoots};
pub use url::{InvalidKeystoneUrl, KeystoneUrl};
pub use verifier::{COMPONENT, KeystoneVerifier, VerifierOptions};
