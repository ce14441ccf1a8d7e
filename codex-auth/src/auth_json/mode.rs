use crate::credentials::Backend;

/// What kind of login a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMode {
    /// A key of the public API.
    ApiKey,
    /// A ChatGPT sign-in that refreshes itself.
    ChatGpt,
    /// ChatGPT tokens that another program supplies and refreshes.
    ChatGptAuthTokens,
    /// Headers that another program supplies.
    Headers,
    /// An agent's own identity.
    AgentIdentity,
    /// A personal access token (`at-…`).
    PersonalAccessToken,
    /// A key of Amazon Bedrock.
    BedrockApiKey,
    /// A kind that is newer than this program.
    Other,
}

impl AuthMode {
    /// The spelling in `auth_mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "apikey",
            Self::ChatGpt => "chatgpt",
            Self::ChatGptAuthTokens => "chatgptAuthTokens",
            Self::Headers => "headers",
            Self::AgentIdentity => "agentIdentity",
            Self::PersonalAccessToken => "personalAccessToken",
            Self::BedrockApiKey => "bedrockApiKey",
            Self::Other => "other",
        }
    }

    /// The servers that accept such a login.
    #[must_use]
    pub fn backend(self) -> Backend {
        match self {
            Self::ApiKey => Backend::OpenAi,
            _ => Backend::ChatGpt,
        }
    }

    pub(super) fn parse(text: &str) -> Self {
        [
            Self::ApiKey,
            Self::ChatGpt,
            Self::ChatGptAuthTokens,
            Self::Headers,
            Self::AgentIdentity,
            Self::PersonalAccessToken,
            Self::BedrockApiKey,
        ]
        .into_iter()
        .find(|mode| mode.as_str().eq_ignore_ascii_case(text))
        .unwrap_or(Self::Other)
    }
}
