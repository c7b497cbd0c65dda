//! What the tests of this crate share: a peer that misbehaves on request, a real Keystone, and how a verifier is made.
#![allow(
    dead_code,
    reason = "every test binary compiles this and uses a part of it"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

pub(crate) mod cloud;
pub(crate) mod environment;
pub(crate) mod peer;
pub(crate) mod real;

use std::sync::Arc;
use std::time::Duration;

use context::{AuthToken, Guard, TokenPolicy, TokenPurpose};
use nova_keystone::{
    COMPONENT, ClientOptions, Credential, DomainRef, KeystoneUrl, KeystoneVerifier, Named,
    Password, Scope, ServiceUser, ServiceUserOptions, VerifierOptions,
};

/// A guard that lets this crate, and nobody else, show tokens to Keystone.
pub(crate) fn guard() -> Arc<Guard> {
    Arc::new(Guard {
        tokens: TokenPolicy::default().grant(COMPONENT, TokenPurpose::Keystone),
        ..Guard::default()
    })
}

pub(crate) fn by_name(name: &str) -> Named {
    Named::Name {
        name: name.to_owned(),
        domain: DomainRef::Id("default".to_owned()),
    }
}

/// Bootstrap's administrator.
pub(crate) fn admin(password: &str) -> Credential {
    Credential::Password {
        user: by_name("admin"),
        password: Password::new(password.to_owned()),
        scope: Scope::Project(by_name("admin")),
    }
}

pub(crate) fn service_user(url: &str, credential: Credential) -> ServiceUser {
    with_options(url, credential, client_options(), service_options())
}

pub(crate) fn with_options(
    url: &str,
    credential: Credential,
    client: ClientOptions,
    options: ServiceUserOptions,
) -> ServiceUser {
    let url = KeystoneUrl::parse(url).expect("a loopback url");
    ServiceUser::new(url, credential, guard(), &client, options).expect("a client")
}

pub(crate) fn client_options() -> ClientOptions {
    let mut options = ClientOptions::default();
    // A machine that builds and tests at once is slow.
    options.budget = Duration::from_secs(120);
    options
}

pub(crate) fn service_options() -> ServiceUserOptions {
    let mut options = ServiceUserOptions::default();
    options.hold_off = Duration::ZERO;
    options
}

pub(crate) fn verifier_options() -> VerifierOptions {
    let mut options = VerifierOptions::default();
    options.budget = Duration::from_secs(240);
    options
}

pub(crate) fn verifier(service: ServiceUser) -> KeystoneVerifier {
    KeystoneVerifier::new(service, verifier_options())
}

/// A token nobody issued.
pub(crate) fn made_up(letter: char) -> AuthToken {
    AuthToken::parse(letter.to_string().repeat(64)).unwrap()
}
