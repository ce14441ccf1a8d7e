//! A strict fake of OpenAI's issuer, ChatGPT backend and public API, on loopback.
//!
//! It is what the tests and benchmarks of Codex Router talk to, and what anyone can try the
//! router with who has no account: `cargo run --example fake_openai`. It refuses what the real
//! servers are known to refuse, and accepts each refresh token once.
//!
//! ```
//! # let runtime = tokio::runtime::Runtime::new().unwrap();
//! # runtime.block_on(async {
//! use fake_openai::{FakeOpenAi, Fault, RefreshOutcome};
//! use serde_json::json;
//!
//! let fake = FakeOpenAi::start().await;
//! let login = fake.sign_in(&fake.account("user-a", "acct-1").plan("pro"));
//! let client = reqwest::Client::new();
//!
//! // A model call of a ChatGPT login, as the backend wants it.
//! let call = json!({
//!     "model": "gpt-5.5", "instructions": "", "store": false, "stream": true,
//!     "input": [{"type": "message", "role": "user", "content": "hello"}],
//! });
//! let url = format!("{}/codex/responses", fake.chatgpt_base_url());
//! let ask = || client.post(&url).bearer_auth(&login.access_token).json(&call).send();
//! assert!(ask().await.unwrap().text().await.unwrap().contains("You said: hello"));
//!
//! // Something goes wrong once.
//! fake.fault(Fault::usage_limit_reached("pro", 3600).account("acct-1"));
//! assert_eq!(ask().await.unwrap().status(), 429);
//! assert_eq!(ask().await.unwrap().status(), 200);
//!
//! // A refresh token is good once; posting it again revokes the login.
//! let refresh = json!({
//!     "grant_type": "refresh_token", "client_id": fake_openai::CLIENT_ID,
//!     "refresh_token": login.refresh_token, "refresh_reason": "forced",
//! });
//! let post = || client.post(fake.token_url()).json(&refresh).send();
//! assert_eq!(post().await.unwrap().status(), 200);
//! assert_eq!(post().await.unwrap().status(), 401);
//! assert_eq!(fake.refreshes()[1].outcome, RefreshOutcome::Reused);
//! assert_eq!(ask().await.unwrap().status(), 401);
//! # });
//! ```
//!
//! | part | where | what it knows |
//! |---|---|---|
//! | issuer | [`FakeOpenAi::issuer_url`] | refresh with rotation and reuse detection, authorization code with PKCE, device code, token exchange, revocation |
//! | ChatGPT backend | [`FakeOpenAi::chatgpt_base_url`] | `codex/responses`, `codex/models`, `wham/accounts/check`, `wham/usage`, `accounts/switch-workspace-token` |
//! | public API | [`FakeOpenAi::openai_base_url`] | `responses`, `chat/completions`, `models`, and short forms of `completions`, `embeddings`, `files`; for registered API keys |
//! | WebSocket | `GET …/responses` with an upgrade, on both of the above | `response.create`, prewarm, incremental turns; one answer per message, its id valid on its connection alone |
//! | control | `/fake/faults`, `/fake/requests`, `/fake/stats`, `/fake/accounts`, `/fake/api-keys`, `/fake/usage`, `/fake/expire`, `/fake/revoke` | the same as the Rust interface, for programs in other languages |
//!
//! [`write_home`] writes logins of it into a `CODEX_HOME`, and [`FakeOpenAi::environment`] says how
//! to get from there to the fake.
//!
//! # What the model answers
//!
//! Always the same to the same prompt. It echoes the user's last message, unless that message has
//! one of these directives:
//!
//! | directive | answer |
//! |---|---|
//! | `call NAME {"json":"arguments"}` | a call of the offered tool `NAME`, also of one inside of a namespace or an `additional_tools` item; several directives make parallel calls. Without arguments they are made up from the tool's schema. The input of a custom tool is a JSON string or the rest of the line |
//! | `use the tool` | a call of the tool that is named, else of the first one offered |
//! | a question with a word (of five letters or more) of an offered tool's name | a call of that tool |
//! | `what is attached` | the kinds of the images, files and audio that came with it, and what tells them apart |
//! | `count to 500` | `1 2 3 … 500`, one event for each |
//! | `think first` | a reasoning item before the rest |
//! | `refuse to answer` | a refusal |
//! | `search the web` | a web search call, and text with a URL citation |
//! | `send an unknown event` | an event and an item of types nobody knows |
//! | `stop at max_output_tokens`, `stop at content_filter` | an answer that is incomplete for this reason |
//! | `fail with CODE` | text, then `response.failed` with this code |
//! | `fail at once with CODE` | `response.failed` with this code, and nothing before it; a chat completion has its status |
//!
//! An input that ends in outputs of tools is answered by quoting them, one that ends in a
//! compaction trigger by one compaction item. Arguments that nobody spelled out are made from the
//! tool's schema, with the numbers and the quoted texts of the prompt in them; so are the fields of
//! a JSON object without a schema. `tool_choice`, `parallel_tool_calls`, limits on
//! tokens, stop sequences and JSON formats are obeyed. Tokens are words; they are counted so.
//!
//! # What is guessed
//!
//! Where nothing is known of the real servers, the fake refuses what a careful client would not
//! do: an `x-codex-turn-state` of another account is a 400, a `chatgpt-account-id` that is not
//! the token's a 403, a `service_tier` other than `priority` a 400.

mod accounts;
mod answers;
mod chatgpt;
mod control;
mod fake;
mod faults;
mod home;
mod intake;
mod issuer;
mod model;
mod openai;
mod record;
mod responses;
mod seal;
mod server;
mod settings;
mod shared;
mod socket;
mod sse;

pub use self::accounts::{Account, CLIENT_ID, ExtraLimit, Login, Usage};
pub use self::fake::FakeOpenAi;
pub use self::faults::{Action, Fault};
pub use self::home::write_home;
pub use self::issuer::{Refresh, RefreshOutcome};
pub use self::record::RecordedRequest;
pub use self::settings::Builder;
