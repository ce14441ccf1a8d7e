//! A system whose services are not known here.

use super::{Definition, ServiceError, Status};

pub(super) const LOOK: &str = "start `codex-router serve` by hand";

pub(super) fn install(_definition: &Definition) -> Result<Vec<String>, ServiceError> {
    Err(unknown())
}

pub(super) fn uninstall() -> Result<Vec<String>, ServiceError> {
    Err(unknown())
}

pub(super) fn status() -> Result<Status, ServiceError> {
    Err(unknown())
}

fn unknown() -> ServiceError {
    let told = "no services are known on this system: have it start `codex-router serve`";
    ServiceError::Usage(told.to_owned())
}
