//! What stands between code and credentials: the token policy, the endpoint policy, the journal. One per process,
//! shared by every context.

use std::sync::Arc;

use super::endpoint::EndpointPolicy;
use super::error::AuthError;
use crate::audit::{AuditEvent, AuditJournal, AuditOutcome};
use crate::policy::Policy;
use crate::request::RequestContext;
use crate::token::{AuthToken, GrantedToken, TokenAccess, TokenOwner, TokenPolicy};

/// Policies and journal. The default grants no token to anybody and audits to `tracing`.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Who may have a token's text.
    pub tokens: TokenPolicy,
    /// Where a token may go.
    pub endpoints: EndpointPolicy,
    /// Decides in its rule `context_is_admin` who is an administrator; without it the role `admin` does.
    pub policy: Option<Arc<Policy>>,
    /// Where it is written down.
    pub journal: Arc<AuditJournal>,
}

impl Guard {
    /// Opens a token for this access, if policy grants it and the journal keeps it. `ctx` names who asks in the
    /// event; code that has no context yet (a verifier) gives `None`.
    ///
    /// # Errors
    /// [`AuthError::NotGranted`], [`AuthError::NotAudited`].
    pub fn open(
        &self,
        token: &AuthToken,
        access: &TokenAccess,
        owner: TokenOwner,
        ctx: Option<&RequestContext>,
    ) -> Result<GrantedToken, AuthError> {
        let granted = self.tokens.allows(access);
        let outcome = match granted {
            true => AuditOutcome::Success,
            false => AuditOutcome::Failure,
        };
        let mut event = match ctx {
            Some(ctx) => ctx.event("token/access", outcome),
            None => AuditEvent::new("token/access", outcome),
        };
        event.component = Some(access.component());
        event.location = Some(access.location());
        event.target = Some(match access.endpoint() {
            Some(endpoint) => endpoint.url().host().to_owned(),
            None => access.purpose().as_str().to_owned(),
        });
        event.reason = Some(format!("{} {:?}", owner.header(), token.fingerprint()));
        self.journal.record(&event)?;
        if granted {
            Ok(GrantedToken::new(token.clone(), access.clone(), owner))
        } else {
            Err(AuthError::NotGranted {
                component: access.component(),
                owner,
                purpose: access.purpose(),
            })
        }
    }
}
