//! Writing a wire context: Nova's 25 keys with the aliases that old peers read, in a buffer that wipes itself.
//!
//! The token is written only by who was granted it; everything else leaves `null` in its place.

use serde::ser::{SerializeMap, Serializer};

use super::WireContext;
use super::key::WireForm;
use super::secret_buf::SecretBuf;
use super::trust::AdminClaim;
use crate::catalog::CatalogForm;
use crate::timestamp;
use crate::token::{GrantedToken, TokenGone};

impl WireContext {
    /// The JSON object with the granted token in it. The bytes are a secret: send them and drop them.
    ///
    /// # Errors
    /// [`TokenGone`] where the token ended since the grant.
    pub fn expose_json(
        &self,
        form: WireForm,
        token: &GrantedToken,
    ) -> Result<SecretBuf, TokenGone> {
        token.expose(|text| self.json(form, Some(text)))
    }

    /// The JSON object with `null` for the token: for peers that need none, and for logs that may hold ids.
    #[must_use]
    pub fn json_without_token(&self, form: WireForm) -> String {
        String::from_utf8(self.json(form, None).expose().to_vec()).unwrap_or_default()
    }

    fn json(&self, form: WireForm, token: Option<&str>) -> SecretBuf {
        // Growing is safe, but costs a copy. A URL's region, id and key take about 50 bytes beside it, everything but
        // the catalog about a kilobyte.
        let urls = self.parts.catalog.urls();
        let catalog: usize = urls.map(|url| url.as_str().len() + 50).sum();
        let mut buffer = SecretBuf::with_capacity(1280 + catalog + token.map_or(0, str::len));
        let mut json = serde_json::Serializer::new(&mut buffer);
        // Into memory, with text keys only: nothing there can fail.
        let written = self.serialize(&mut json, form, token);
        debug_assert!(written.is_ok());
        buffer
    }

    fn serialize<S: Serializer>(
        &self,
        to: S,
        form: WireForm,
        token: Option<&str>,
    ) -> Result<S::Ok, S::Error> {
        let parts = &self.parts;
        let who = &parts.identity;
        let mut map = to.serialize_map(None)?;
        let mut name = String::with_capacity(40);
        macro_rules! entry {
            ($key:literal, $value:expr) => {
                match form {
                    WireForm::Dict => map.serialize_entry($key, &$value)?,
                    WireForm::Rpc => map.serialize_entry(concat!("_context_", $key), &$value)?,
                }
            };
        }
        let user = who.user.id.as_ref().map(|id| id.as_str());
        let project = who.project.id.as_ref().map(|id| id.as_str());
        let domain = who.domain.id.as_ref().map(|id| id.as_str());
        let user_domain = who.user.domain.id.as_ref().map(|id| id.as_str());
        let project_domain = who.project.domain.id.as_ref().map(|id| id.as_str());
        entry!("user", user);
        entry!("project_id", project);
        entry!("system_scope", who.system_scope);
        entry!("project", project);
        entry!("domain", domain);
        entry!("user_domain", user_domain);
        entry!("project_domain", project_domain);
        entry!(
            "is_admin",
            match self.claim {
                AdminClaim::Yes => Some(true),
                AdminClaim::No | AdminClaim::Missing => Some(false),
                AdminClaim::Unknown => None,
            }
        );
        entry!("read_only", parts.read_only);
        entry!("show_deleted", parts.show_deleted);
        entry!("auth_token", token);
        entry!(
            "request_id",
            parts.request_id.as_ref().map(|id| id.as_str())
        );
        entry!(
            "global_request_id",
            parts.global_request_id.as_ref().map(|id| id.as_str())
        );
        entry!("resource_uuid", parts.resource_uuid);
        entry!("roles", RolesOut(&parts.roles));
        for part in [user, project, domain, user_domain, project_domain] {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(part.unwrap_or("-"));
        }
        entry!("user_identity", name);
        entry!("is_admin_project", who.is_admin_project);
        entry!("user_id", user);
        entry!("read_deleted", parts.read_deleted.as_str());
        entry!("remote_address", parts.remote_address);
        entry!("timestamp", parts.timestamp.map(timestamp::format));
        entry!("quota_class", parts.quota_class);
        entry!("user_name", who.user.name);
        entry!("service_catalog", parts.catalog.as_form(CatalogForm::V2));
        entry!("project_name", who.project.name);
        map.end()
    }
}

struct RolesOut<'a>(&'a crate::role::Roles);

impl serde::Serialize for RolesOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(crate::role::Role::as_str))
    }
}
