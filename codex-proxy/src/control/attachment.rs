//! Codex attached to this router.

use codex_profiles::attach::{Attachment, AttachmentState, Form, RouterUrl};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AttachmentView, Control, ControlError};

/// How Codex's settings stand to this router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttachmentReport {
    /// In a word.
    pub state: AttachmentView,
    /// Codex's settings.
    pub config_path: String,
    /// What attaching would change, as a unified difference; `null` when nothing, or when it cannot
    /// be done.
    pub diff: Option<String>,
    /// What is wrong with the file, when it cannot be changed.
    pub problem: Option<String>,
    /// Sentences on settings that stand against it.
    pub notes: Vec<String>,
}

impl Control {
    /// How Codex's settings stand to this router.
    ///
    /// # Errors
    /// [`ControlError::NoAddress`], and those of reading `state.json`.
    pub async fn attachment(&self) -> Result<AttachmentReport, ControlError> {
        let attachment = self.inner.store.attachment(self.router_url()?).await?;
        Ok(attachment.into())
    }

    /// Points Codex at this router. One that runs must be restarted once.
    ///
    /// # Errors
    /// [`ControlError::Attach`]: nothing was changed.
    pub async fn attach(&self) -> Result<AttachmentReport, ControlError> {
        let router = self.router_url()?;
        self.inner.store.attach(router, Form::default()).await?;
        self.attachment().await
    }

    /// Lets Codex go to where it went before.
    ///
    /// # Errors
    /// [`ControlError::Attach`]: nothing was changed.
    pub async fn detach(&self) -> Result<AttachmentReport, ControlError> {
        self.inner.store.detach(self.router_url()?).await?;
        self.attachment().await
    }

    fn router_url(&self) -> Result<RouterUrl, ControlError> {
        let url = self.address().parse();
        url.map_err(|_| ControlError::NoAddress)
    }

    /// In a word; what cannot be looked at is somebody else's.
    pub(super) async fn attachment_view(&self) -> AttachmentView {
        match self.attachment().await {
            Ok(report) => report.state,
            Err(ControlError::NoAddress) => AttachmentView::Detached,
            Err(error) => {
                tracing::debug!(%error, "it is not known whether Codex is attached");
                AttachmentView::Foreign
            }
        }
    }
}

impl From<Attachment> for AttachmentReport {
    fn from(attachment: Attachment) -> Self {
        Self {
            state: attachment.state.into(),
            config_path: attachment.config.to_string_lossy().into_owned(),
            diff: attachment.diff,
            problem: attachment.problem,
            notes: attachment.notes,
        }
    }
}

impl From<AttachmentState> for AttachmentView {
    fn from(state: AttachmentState) -> Self {
        match state {
            AttachmentState::Detached => Self::Detached,
            AttachmentState::Attached => Self::Attached,
            AttachmentState::Elsewhere => Self::Elsewhere,
            _ => Self::Foreign,
        }
    }
}
