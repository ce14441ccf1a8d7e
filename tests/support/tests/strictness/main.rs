//! The fake as its clients see it, over real connections.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backend;
mod faults;
mod public_api;
mod running;
mod sign_in;
mod websocket;

use std::time::Duration;

use fake_openai::{Account, CLIENT_ID, FakeOpenAi, Fault, Login, RefreshOutcome};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};

/// A fake, one account signed in, and a client.
struct Setup {
    fake: FakeOpenAi,
    login: Login,
    client: Client,
}

impl Setup {
    async fn new() -> Self {
        let fake = FakeOpenAi::start().await;
        let login = fake.sign_in(&Account::new("user-a", "acct-1"));
        fake.register_api_key("sk-test");
        let client = Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            fake,
            login,
            client: client.build().unwrap(),
        }
    }

    fn codex(&self, input: &Value) -> RequestBuilder {
        let url = format!("{}/codex/responses", self.fake.chatgpt_base_url());
        let body = json!({
            "model": "gpt-6.1-sol", "instructions": "", "store": false, "stream": true,
            "include": ["reasoning.encrypted_content"], "input": input,
        });
        self.client
            .post(url)
            .bearer_auth(&self.login.access_token)
            .json(&body)
    }

    fn say(&self, said: &str) -> RequestBuilder {
        self.codex(&json!([{"type": "message", "role": "user", "content": said}]))
    }

    fn api(&self, path: &str, body: &Value) -> RequestBuilder {
        let url = format!("{}/{path}", self.fake.openai_base_url());
        self.client.post(url).bearer_auth("sk-test").json(body)
    }

    async fn refresh(&self, token: &str) -> reqwest::Result<Response> {
        let body = json!({
            "grant_type": "refresh_token", "client_id": CLIENT_ID,
            "refresh_token": token, "refresh_reason": "forced",
        });
        self.client
            .post(self.fake.token_url())
            .json(&body)
            .send()
            .await
    }

    async fn post_form(&self, fields: &[(&str, &str)]) -> Value {
        let form: Vec<_> = fields
            .iter()
            .map(|(k, v)| format!("{k}={}", escaped(v)))
            .collect();
        let request = self.client.post(self.fake.token_url()).body(form.join("&"));
        let kind = "application/x-www-form-urlencoded";
        json_of(request.header("content-type", kind).send().await.unwrap()).await
    }
}

fn escaped(text: &str) -> String {
    text.replace(':', "%3A").replace('/', "%2F")
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

async fn events(request: RequestBuilder) -> Vec<Value> {
    let text = request
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap()
        .text()
        .await
        .unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..200 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within two seconds");
}
