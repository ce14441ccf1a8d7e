use std::path::{Path, PathBuf};

use super::{
    config::Broken,
    plan::{KEY_VARIABLE, Unchangeable},
};
use crate::error::StoreError;

/// Why Codex's settings were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// Mend the file: Codex does not read it either.
    #[error("{config} cannot be understood: line {line}, column {column}: {message}")]
    Broken {
        /// The file.
        config: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// Where in the line, in characters counted from 1.
        column: usize,
        /// What is wrong there. Holds nothing of the file.
        message: String,
    },
    /// Mend the file: it is to be UTF-8.
    #[error("{config} is not UTF-8 text")]
    NotText {
        /// The file.
        config: PathBuf,
    },
    /// Change the file by hand.
    #[error("`{setting}` in {config} is written in a way that cannot be changed here")]
    InTheWay {
        /// The file.
        config: PathBuf,
        /// The setting concerned.
        setting: String,
    },
    /// Attach in the form of a separate provider, which takes the place of that one.
    #[error(
        "Codex goes to `{provider}`, as `model_provider` in {config} says, and so \
         `openai_base_url` would change nothing: `codex-router attach --provider` does"
    )]
    OtherProvider {
        /// The file.
        config: PathBuf,
        /// The provider.
        provider: String,
    },
    /// Attach in the form of a separate provider, or revoke the keys.
    #[error(
        "client keys are in use, and in this form Codex cannot send one: `codex-router attach \
         --provider` lets it, with a key in the variable {KEY_VARIABLE}"
    )]
    NeedsKey,
    /// About a file, as of everything else in the home.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AttachError {
    pub(super) fn broken(config: &Path) -> impl Fn(Broken) -> Self {
        let config = config.to_owned();
        move |broken| Self::Broken {
            config: config.clone(),
            line: broken.line,
            column: broken.column,
            message: broken.message,
        }
    }

    pub(super) fn unchangeable(config: &Path) -> impl Fn(Unchangeable) -> Self {
        let config = config.to_owned();
        move |why| match why {
            Unchangeable::Broken(broken) => Self::broken(&config)(broken),
            Unchangeable::InTheWay(setting) => Self::InTheWay {
                config: config.clone(),
                setting,
            },
        }
    }
}
