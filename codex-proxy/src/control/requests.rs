use serde::Serialize;
use utoipa::ToSchema;

use super::Control;
use crate::requests::RequestEntry;

/// The last requests.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Requests {
    /// The newest first.
    pub requests: Vec<RequestEntry>,
}

impl Control {
    /// The last requests, the newest first.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests {
            requests: self.inner.requests.recent(),
        }
    }
}
