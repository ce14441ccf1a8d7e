//! This program and the system below it.

use codex_profiles::doctor::{Check, Finding};

/// What is known without asking anybody. Blocks for a moment.
pub(super) fn look() -> Vec<Finding> {
    let mut found = vec![version(), system()];
    #[cfg(all(feature = "gui", target_os = "linux"))]
    found.push(super::tray_host::look());
    #[cfg(not(all(feature = "gui", target_os = "linux")))]
    found.push(no_tray_host());
    found
}

fn version() -> Finding {
    let build = if cfg!(feature = "gui") {
        "with the desktop parts"
    } else {
        "headless"
    };
    let message = format!("codex-router {} ({build}).", env!("CARGO_PKG_VERSION"));
    Finding::info(Check::Version, message)
}

fn system() -> Finding {
    let name = sysinfo::System::long_os_version();
    let kernel = sysinfo::System::kernel_version();
    let message = format!(
        "{} ({}), kernel {}.",
        name.unwrap_or_else(|_| std::env::consts::OS.to_owned()),
        std::env::consts::ARCH,
        kernel.as_deref().unwrap_or("unknown")
    );
    Finding::info(Check::System, message)
}

#[cfg(not(all(feature = "gui", target_os = "linux")))]
fn no_tray_host() -> Finding {
    let message = if cfg!(feature = "gui") {
        "This system always has a place for the icon."
    } else {
        "This build shows no icon."
    };
    Finding::info(Check::TrayHost, message)
}
