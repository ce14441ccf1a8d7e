//! A `CODEX_HOME` with logins in it, and the environment that leads to a fake.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::Value;

use crate::FakeOpenAi;

impl FakeOpenAi {
    /// The variables that point `codex-router` and Codex at this fake.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("CODEX_ROUTER_CHATGPT_BASE_URL", self.chatgpt_base_url()),
            ("CODEX_ROUTER_OPENAI_BASE_URL", self.openai_base_url()),
            ("CODEX_ROUTER_AUTH_ISSUER", self.issuer_url()),
            ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", self.token_url()),
            ("CODEX_REVOKE_TOKEN_URL_OVERRIDE", self.revoke_url()),
        ]
    }
}

/// Writes these logins as `profiles/NAME/auth.json`; the first one is also the live `auth.json`,
/// and current. Files are 0600 and folders 0700.
///
/// # Errors
/// Those of the file system.
pub fn write_home(home: &Path, profiles: &[(&str, Value)]) -> io::Result<()> {
    create_folder(home)?;
    for (name, login) in profiles {
        let folder = home.join("profiles").join(name);
        create_folder(&folder)?;
        write_private(&folder.join("auth.json"), &format!("{login:#}"))?;
    }
    if let Some((name, login)) = profiles.first() {
        write_private(&home.join("auth.json"), &format!("{login:#}"))?;
        write_private(&home.join(".current_profile"), name)?;
    }
    Ok(())
}

fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn write_private(path: &Path, contents: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.write(true).create(true).truncate(true).open(path)?;
    file.write_all(contents.as_bytes())
}
