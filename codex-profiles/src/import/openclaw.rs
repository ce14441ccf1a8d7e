//! `~/.openclaw/agents/<agent>/agent/auth-profiles.json`.
//!
//! *Source:* `openclaw/openclaw`, `src/agents/auth-profiles/types.ts` (`AuthProfileStore`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Entry, Format,
    agent::Oauth,
    source::{self, Maybe, Source},
};

#[derive(Deserialize)]
pub(super) struct Profiles {
    profiles: BTreeMap<String, Maybe<Profile>>,
}

#[derive(Deserialize)]
struct Profile {
    #[serde(rename = "provider")]
    _provider: Provider,
    #[serde(flatten)]
    oauth: Oauth,
}

#[derive(Deserialize)]
enum Provider {
    #[serde(rename = "openai-codex")]
    OpenAiCodex,
}

impl Source for Profiles {
    const FORMAT: Format = Format::OpenClaw;

    fn entries(self, written_at: Timestamp) -> Vec<Entry> {
        let known = |(id, profile): (String, Maybe<Profile>)| {
            let entry = profile.known()?.oauth.entry(written_at);
            Some(Entry {
                name: source::name(called(&id)),
                ..entry
            })
        };
        self.profiles.into_iter().filter_map(known).collect()
    }
}

/// The part behind the provider, unless it is the one that stands for no name.
fn called(id: &str) -> Option<&str> {
    let (_, name) = id.split_once(':')?;
    (name != "default").then_some(name)
}
