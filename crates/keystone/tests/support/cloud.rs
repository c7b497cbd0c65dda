//! What an administrator does to a real Keystone beside what is tested: users, credentials. Plain HTTP, by hand.

use std::time::Duration;

use serde_json::{Value, json};

use super::environment::PASSWORD;
use super::real::Keystone;

/// An administrator's session.
pub(crate) struct Admin {
    http: reqwest::Client,
    url: String,
    token: String,
    pub(crate) user: String,
    pub(crate) project: String,
}

impl Admin {
    pub(crate) async fn of(keystone: &Keystone) -> Self {
        let url = keystone.url();
        let (token, said) = password_token(&url, "admin", PASSWORD).await;
        let id = |of: &str| said["token"][of]["id"].as_str().expect("an id").to_owned();
        Self {
            http: http(),
            user: id("user"),
            project: id("project"),
            url,
            token,
        }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.header("x-auth-token", &self.token);
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.bytes().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text:?}");
        serde_json::from_slice(&text).unwrap_or_default()
    }

    async fn id_of(&self, path: &str, kind: &str, body: Value) -> String {
        let said = self.send("POST", path, body).await;
        said[kind]["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a user with this role in the administrator's project; its id.
    pub(crate) async fn user(&self, name: &str, password: &str, role: &str) -> String {
        let user = json!({"user": {"name": name, "password": password}});
        let id = self.id_of("/users", "user", user).await;
        let roles = self
            .send("GET", &format!("/roles?name={role}"), Value::Null)
            .await;
        let role = roles["roles"][0]["id"].as_str().expect("a role").to_owned();
        let path = format!("/projects/{}/users/{id}/roles/{role}", self.project);
        self.send("PUT", &path, Value::Null).await;
        id
    }

    pub(crate) async fn disable(&self, user: &str) {
        let body = json!({"user": {"enabled": false}});
        self.send("PATCH", &format!("/users/{user}"), body).await;
    }

    /// An application credential of the administrator, with these access rules: id and secret.
    pub(crate) async fn application_credential(
        &self,
        name: &str,
        rules: Option<Value>,
    ) -> (String, String) {
        let mut credential = json!({"name": name, "secret": "canary-secret"});
        if let Some(rules) = rules {
            credential["access_rules"] = rules;
        }
        let path = format!("/users/{}/application_credentials", self.user);
        let body = json!({"application_credential": credential});
        let said = self.send("POST", &path, body).await;
        let said = &said["application_credential"];
        let text = |key: &str| said[key].as_str().expect("a text").to_owned();
        (text("id"), text("secret"))
    }
}

pub(crate) fn http() -> reqwest::Client {
    // This test's own client speaks plain HTTP only, but is built with a TLS side all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(120))
        .build()
        .expect("a client")
}

/// A user's token in the administrator's project, and what Keystone said with it.
pub(crate) async fn password_token(url: &str, user: &str, password: &str) -> (String, Value) {
    let auth = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user":
            {"name": user, "domain": {"id": "default"}, "password": password}}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}});
    let answer = http()
        .post(format!("{url}/auth/tokens"))
        .header("content-type", "application/json")
        .body(auth.to_string())
        .send()
        .await
        .expect("an answer");
    let status = answer.status();
    let token = answer.headers().get("x-subject-token").cloned();
    let said = answer.bytes().await.expect("a body");
    let token = token.unwrap_or_else(|| panic!("{status}: {said:?}"));
    let said = serde_json::from_slice(&said).expect("JSON");
    (token.to_str().expect("a text").to_owned(), said)
}
