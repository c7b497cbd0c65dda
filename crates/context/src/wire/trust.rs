//! How far the sender of a wire context is believed about being an administrator (W-26).
//!
//! Nova believes `is_admin: true` from whoever can publish to the bus. Here the claim is data and the receiver
//! decides. Roles and ids are the sender's words, too: where that matters, verify the token and use what Keystone
//! answers instead.

use super::WireContext;
use crate::parts::{Provenance, RequestParts, computed_admin};
use crate::request::RequestContext;
use crate::token::VerifiedToken;

/// What a wire context says about `is_admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminClaim {
    /// The key is missing: Nova reads that as "no".
    Missing,
    /// `null`: Nova computes it from policy.
    Unknown,
    /// `true`.
    Yes,
    /// `false`.
    No,
}

/// What a receiver makes of the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustPolicy {
    /// Believes it, as Nova does. Only where everybody who can publish may be an administrator.
    Accept,
    /// Ignores it: a context is an administrator's if it carries the role `admin`.
    Recompute,
    /// As [`Recompute`](Self::Recompute), but a claim of `true` without the role `admin` refuses the whole message.
    Refuse,
}

/// A message claims administrator's rights that its roles do not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the context claims to be an administrator's without the role")]
pub struct AdminClaimRefused;

/// A message names somebody else than its token does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the context's {what} is not its token's")]
pub struct NotItsToken {
    /// `user`, `project`, `token`.
    pub what: &'static str,
}

impl TrustPolicy {
    /// `computed` is what policy or roles give.
    pub(super) fn decide(
        self,
        claim: AdminClaim,
        computed: bool,
    ) -> Result<bool, AdminClaimRefused> {
        match (self, claim) {
            (Self::Accept, AdminClaim::Yes) => Ok(true),
            (Self::Accept, AdminClaim::No | AdminClaim::Missing) => Ok(false),
            (Self::Accept, AdminClaim::Unknown) | (Self::Recompute, _) => Ok(computed),
            (Self::Refuse, AdminClaim::Yes) if !computed => Err(AdminClaimRefused),
            (Self::Refuse, _) => Ok(computed),
        }
    }
}

impl RequestContext {
    /// The context of a message from the bus, as far as `trust` goes.
    ///
    /// # Errors
    /// [`AdminClaimRefused`] under [`TrustPolicy::Refuse`] where the message claims more than its roles give.
    pub fn for_rpc(wire: WireContext, trust: TrustPolicy) -> Result<Self, AdminClaimRefused> {
        let is_admin = trust.decide(wire.claim, computed_admin(&wire.parts))?;
        Ok(Self::build(wire.parts, is_admin, Provenance::Rpc))
    }

    /// The context of a message from the bus whose token a verifier has confirmed: identity, roles, catalog and
    /// administrator's rights are what Keystone says of the token, whatever the message says; ids of requests, times and
    /// options are the message's. From here on the token knows its end.
    ///
    /// # Errors
    /// [`NotItsToken`] where the message has no token, or names another user or project than the token: somebody put two
    /// messages together.
    pub fn for_rpc_verified(
        wire: WireContext,
        verified: VerifiedToken,
    ) -> Result<Self, NotItsToken> {
        let parts = wire.parts;
        let Some(token) = &parts.token else {
            return Err(NotItsToken { what: "token" });
        };
        token.set_end(verified.expires_at);
        let (said, known) = (&parts.identity, &verified.identity);
        if said.user.id.is_some() && said.user.id != known.user.id {
            return Err(NotItsToken { what: "user" });
        }
        if said.project.id.is_some() && said.project.id != known.project.id {
            return Err(NotItsToken { what: "project" });
        }
        let parts = RequestParts {
            identity: verified.identity,
            roles: verified.roles,
            catalog: verified.catalog,
            ..parts
        };
        let is_admin = computed_admin(&parts);
        Ok(Self::build(parts, is_admin, Provenance::Rpc))
    }

    /// The twin that travels: everything of this context that Nova's form has a key for, `is_admin` as a claim.
    #[must_use]
    pub fn to_wire(&self) -> WireContext {
        WireContext {
            parts: self.to_parts(),
            claim: if self.is_admin() {
                AdminClaim::Yes
            } else {
                AdminClaim::No
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(
        trust: TrustPolicy,
        claim: AdminClaim,
        role: &str,
    ) -> Result<bool, AdminClaimRefused> {
        let parts = crate::RequestParts {
            roles: [role].into_iter().collect(),
            ..crate::RequestParts::default()
        };
        trust.decide(claim, computed_admin(&parts))
    }

    fn message() -> WireContext {
        let json = format!(
            r#"{{"user_id":"u","project_id":"p","roles":["admin"],"is_admin":true,"read_deleted":"yes","auth_token":"{}"}}"#,
            "t".repeat(40)
        );
        let rules = crate::WireRules::default();
        WireContext::from_json(json.as_bytes(), crate::WireForm::Dict, &rules).unwrap()
    }

    fn keystone_says(user: &str, project: &str) -> VerifiedToken {
        VerifiedToken {
            identity: crate::Identity::of_project(
                crate::UserId::parse(user).unwrap(),
                crate::ProjectId::parse(project).unwrap(),
            ),
            roles: ["member"].into_iter().collect(),
            catalog: crate::ServiceCatalog::default(),
            expires_at: std::time::SystemTime::now() + std::time::Duration::from_secs(60),
        }
    }

    #[test]
    fn what_keystone_says_of_the_token_counts_and_not_what_the_message_says() {
        let ctx = RequestContext::for_rpc_verified(message(), keystone_says("u", "p")).unwrap();
        assert!(!ctx.is_admin() && !ctx.roles().contains("admin"));
        assert!(ctx.roles().contains("member"));
        assert_eq!(ctx.read_deleted(), crate::ReadDeleted::Yes);
        assert!(ctx.token().unwrap().expires_at().is_some());
    }

    #[test]
    fn a_message_with_somebody_elses_token_is_refused() {
        let what = |wire, verified| {
            RequestContext::for_rpc_verified(wire, verified)
                .unwrap_err()
                .what
        };
        assert_eq!(what(message(), keystone_says("v", "p")), "user");
        assert_eq!(what(message(), keystone_says("u", "q")), "project");
        let rules = crate::WireRules::default();
        let bare = WireContext::from_json(b"{}", crate::WireForm::Dict, &rules).unwrap();
        assert_eq!(what(bare, keystone_says("u", "p")), "token");
    }

    #[test]
    fn a_claim_is_believed_only_by_who_said_so() {
        use AdminClaim::{Missing, No, Unknown, Yes};
        use TrustPolicy::{Accept, Recompute, Refuse};
        for (trust, claim, role, expected) in [
            (Accept, Yes, "member", Ok(true)),
            (Accept, Missing, "admin", Ok(false)),
            (Accept, No, "admin", Ok(false)),
            (Accept, Unknown, "Admin", Ok(true)),
            (Accept, Unknown, "member", Ok(false)),
            (Recompute, Yes, "member", Ok(false)),
            (Recompute, No, "admin", Ok(true)),
            (Refuse, Yes, "member", Err(AdminClaimRefused)),
            (Refuse, Yes, "admin", Ok(true)),
            (Refuse, No, "member", Ok(false)),
        ] {
            assert_eq!(decide(trust, claim, role), expected, "{trust:?} {claim:?}");
        }
    }
}
