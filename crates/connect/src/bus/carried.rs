//! The request context that a request carries: somebody's word until it is read with a policy (W-26).

use std::fmt;
use std::sync::Arc;

use context::{
    AdminClaimRefused, GrantedToken, Guard, InvalidWire, RequestContext, TokenGone, TrustPolicy,
    WireContext, WireForm, WireRules,
};
use serde_json::{Map, Value};
use zeroize::Zeroize;

/// A request context on its way, by the keys of Nova's wire form without `_context_`. May hold a token, so it does not
/// print, and wipes its texts when dropped.
#[derive(Clone, Default)]
pub struct CarriedContext(Map<String, Value>);

/// A context that came with a request and is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextRefused {
    /// It is not what Nova writes.
    #[error("the request's context cannot be read")]
    Invalid(#[source] InvalidWire),
    /// It claims more than its roles give.
    #[error("the request's context is not believed")]
    Claim(#[source] AdminClaimRefused),
}

impl CarriedContext {
    /// What other services may know of this context; without its token.
    #[must_use]
    pub fn of(context: &RequestContext) -> Self {
        let text = context.to_wire().json_without_token(WireForm::Dict);
        Self(serde_json::from_str(&text).unwrap_or_default())
    }

    /// The same with the token that was granted for the bus.
    ///
    /// # Errors
    /// [`TokenGone`] where the token ended since the grant.
    pub fn with_token(context: &RequestContext, token: &GrantedToken) -> Result<Self, TokenGone> {
        let text = context.to_wire().expose_json(WireForm::Dict, token)?;
        Ok(Self(
            serde_json::from_slice(text.expose()).unwrap_or_default(),
        ))
    }

    /// What came with a request.
    pub(crate) fn arrived(keys: Map<String, Value>) -> Self {
        Self(keys)
    }

    /// One key of it, as its sender wrote it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    pub(crate) fn drain(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.0)
    }

    /// The context, believed as far as `trust` goes, with the receiver's own policies.
    ///
    /// # Errors
    /// [`ContextRefused`].
    pub fn believe(
        mut self,
        rules: &WireRules,
        trust: TrustPolicy,
        guard: Arc<Guard>,
    ) -> Result<RequestContext, ContextRefused> {
        let wire = WireContext::take_from(&mut self.0, WireForm::Dict, rules)
            .map_err(ContextRefused::Invalid)?;
        RequestContext::for_rpc(wire.with_guard(guard), trust).map_err(ContextRefused::Claim)
    }
}

impl Drop for CarriedContext {
    fn drop(&mut self) {
        if let Some(Value::String(token)) = self.0.get_mut("auth_token") {
            token.zeroize();
        }
    }
}

impl fmt::Debug for CarriedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarriedContext").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use context::{Identity, Roles};
    use serde_json::json;

    use super::*;

    fn read(keys: Value, trust: TrustPolicy) -> Result<RequestContext, ContextRefused> {
        let carried = CarriedContext::arrived(keys.as_object().unwrap().clone());
        carried.believe(&WireRules::default(), trust, Arc::default())
    }

    #[test]
    fn a_context_that_is_sent_can_be_read_again() {
        let roles: Roles = ["member"].into_iter().collect();
        let sent = RequestContext::for_background("test", Identity::default(), roles);
        let read = CarriedContext::of(&sent)
            .believe(&WireRules::default(), TrustPolicy::Refuse, Arc::default())
            .unwrap();
        assert_eq!(read.request_id(), sent.request_id());
        assert_eq!(read.roles(), sent.roles());
    }

    #[test]
    fn a_senders_word_for_being_an_administrator_is_no_proof() {
        let claim = json!({"is_admin": true, "roles": ["member"]});
        assert!(matches!(
            read(claim.clone(), TrustPolicy::Refuse),
            Err(ContextRefused::Claim(_))
        ));
        assert!(!read(claim, TrustPolicy::Recompute).unwrap().is_admin());
        let odd = json!({"timestamp": "yesterday"});
        assert!(matches!(
            read(odd, TrustPolicy::Accept),
            Err(ContextRefused::Invalid(_))
        ));
    }

    #[test]
    fn it_does_not_print() {
        let keys = json!({"auth_token": "hunter2"});
        let carried = CarriedContext::arrived(keys.as_object().unwrap().clone());
        assert!(!format!("{carried:?}").contains("hunter2"));
    }
}
