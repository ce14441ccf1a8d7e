//! What a text says about where Codex goes.

use super::{
    AttachmentState, Form, RouterUrl,
    config::Config,
    plan::{BASE_URL, BUILT_IN, MODEL_PROVIDER, MODEL_PROVIDERS, PROVIDER},
    record::Record,
    url::shown,
};

/// Where Codex goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) state: AttachmentState,
    pub(super) form: Option<Form>,
    pub(super) leads_to: Option<String>,
    pub(super) sends_key: bool,
}

/// The settings of a provider that put a key into its requests (wire reference 10.3).
const SENDING_KEYS: [&str; 5] = [
    "env_key",
    "experimental_bearer_token",
    "auth",
    "http_headers",
    "env_http_headers",
];

impl Course {
    /// Nobody can say: the settings cannot be read.
    pub(super) fn unknown() -> Self {
        Self {
            state: AttachmentState::Foreign,
            form: None,
            leads_to: None,
            sends_key: false,
        }
    }

    pub(super) fn of(config: &Config, record: Option<&Record>, router: RouterUrl) -> Self {
        let provider = config.string(&[MODEL_PROVIDER]).unwrap_or(BUILT_IN);
        let (form, url) = if provider == BUILT_IN {
            (Form::BaseUrl, config.string(&[BASE_URL]))
        } else {
            let url = config.string(&[MODEL_PROVIDERS, provider, "base_url"]);
            (Form::Provider, url)
        };
        let was_ours = |url: &str| record.is_some_and(|record| record.url == url);
        let state = match url {
            Some(url) if router.is(url) => AttachmentState::Attached,
            Some(url) if was_ours(url) || provider == PROVIDER => AttachmentState::Elsewhere,
            None if provider == BUILT_IN => AttachmentState::Detached,
            _ => AttachmentState::Foreign,
        };
        let is_ours = state == AttachmentState::Attached || state == AttachmentState::Elsewhere;
        Self {
            state,
            form: is_ours.then_some(form),
            sends_key: SENDING_KEYS
                .iter()
                .any(|setting| config.has(&[MODEL_PROVIDERS, provider, setting])),
            leads_to: match url {
                Some(url) => Some(shown(url)),
                None => (provider != BUILT_IN).then(|| format!("the provider `{provider}`")),
            },
        }
    }
}

/// Whether what was remembered is still in the text.
pub(super) fn holds(config: &Config, record: &Record) -> bool {
    let setting: &[&str] = match record.form {
        Form::BaseUrl => &[BASE_URL],
        Form::Provider => &[MODEL_PROVIDERS, PROVIDER, "base_url"],
    };
    let is_chosen = config.string(&[MODEL_PROVIDER]) == Some(PROVIDER);
    config.string(setting) == Some(&record.url) || (record.form == Form::Provider && is_chosen)
}

/// The provider that Codex goes to instead of its built-in one, if it is none of ours.
pub(super) fn other_provider(config: &Config) -> Option<String> {
    let provider = config.string(&[MODEL_PROVIDER])?;
    (![BUILT_IN, PROVIDER].contains(&provider)).then(|| provider.to_owned())
}

/// Sentences on what stands against an attachment.
pub(super) fn notes(config: &Config, router: RouterUrl) -> Vec<String> {
    let mut notes = Vec::new();
    for profile in config.keys(&["profiles"]) {
        for setting in [MODEL_PROVIDER, BASE_URL] {
            let own = config.string(&["profiles", &profile, setting]);
            if own.is_some_and(|own| !is_harmless(own, router)) {
                notes.push(format!(
                    "Codex's own profile `{profile}` sets `{setting}`: with it, Codex does not \
                     come to the router."
                ));
            }
        }
    }
    if config.has(&["chatgpt_base_url"]) {
        notes.push(
            "`chatgpt_base_url` is set, too: that is where Codex asks for usage, plugins and \
             settings."
                .to_owned(),
        );
    }
    notes
}

fn is_harmless(value: &str, router: RouterUrl) -> bool {
    value == BUILT_IN || value == PROVIDER || router.is(value)
}
