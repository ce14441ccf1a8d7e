use serde::Serialize;

use super::Control;

/// The last requests.
#[derive(Debug, Clone, Serialize)]
pub struct Requests {
    /// The newest first.
    pub requests: Vec<serde_json::Value>,
}

impl Control {
    /// The last requests, the newest first.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests {
            requests: Vec::new(),
        }
    }
}
