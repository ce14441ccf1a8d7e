//! Everything that the page does is for its owner alone, and does what it says.

mod access;
mod actions;
mod document;
mod events;
mod second_start;
mod settings;
mod sign_ins;

use std::fs;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Answer, Home, Router, World};

/// A script of the person, which reads the token's file.
pub(super) struct Script<'a> {
    router: &'a Router,
    token: String,
}

impl<'a> Script<'a> {
    pub(super) fn of(world: &'a World) -> Self {
        Self::at(&world.home, &world.router)
    }

    pub(super) fn at(home: &Home, router: &'a Router) -> Self {
        Self {
            router,
            token: token_of(home),
        }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.router.client.request(method, self.router.url(path));
        request.bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::to(self.ask(Method::GET, path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        Answer::to(self.ask(Method::DELETE, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.ask(Method::POST, path).json(body)).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.ask(Method::PATCH, path).json(body)).await
    }

    /// A one-time link, without the address before it.
    async fn link(&self) -> String {
        let url = self.post("/api/link", &json!({})).await.json();
        let url = url["url"].as_str().unwrap();
        let link = url.strip_prefix(&self.router.url("/#link="));
        link.unwrap_or_else(|| panic!("another address: {url}"))
            .to_owned()
    }
}

fn token_of(home: &Home) -> String {
    let token = fs::read_to_string(home.path("router/control.token")).unwrap();
    token.trim().to_owned()
}

/// A browser with the page open.
pub(super) struct Page<'a> {
    router: &'a Router,
    cookie: String,
    key: String,
}

impl<'a> Page<'a> {
    pub(super) async fn open(script: &Script<'a>) -> Self {
        let link = script.link().await;
        let answer = Answer::to(script.router.post("/api/session", &json!({"link": link}))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap();
        for part in ["codex_router=", "Path=/api", "HttpOnly", "SameSite=Strict"] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
        Self {
            router: script.router,
            cookie: cookie.split(';').next().unwrap().to_owned(),
            key: answer.json()["page_key"].as_str().unwrap().to_owned(),
        }
    }

    pub(super) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.router.client.request(method, self.router.url(path));
        request
            .header("cookie", &self.cookie)
            .header("x-codex-router-page", &self.key)
            .header("origin", self.router.url(""))
            .header("sec-fetch-site", "same-origin")
    }
}
