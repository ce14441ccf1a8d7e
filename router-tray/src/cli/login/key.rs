use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use codex_auth::secret::ApiKey;

use crate::cli::exit::Failure;

/// No key is that long.
const MAX_BYTES: u64 = 16 << 10;

/// One line of standard input; on a terminal, without showing what is typed.
pub(super) fn read() -> Result<ApiKey, Failure> {
    let line = if io::stdin().is_terminal() {
        rpassword::prompt_password("API key (not shown): ")?
    } else {
        let mut line = String::new();
        io::stdin().lock().take(MAX_BYTES).read_line(&mut line)?;
        line
    };
    match line.trim() {
        "" => Err(Failure::usage("no API key on standard input")),
        key if key.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err(Failure::usage("what is on standard input is no API key"))
        }
        key => {
            if !key.starts_with("sk-") {
                eprintln!("codex-router: the keys of OpenAI begin with sk-, and this one does not");
            }
            Ok(ApiKey::new(key))
        }
    }
}
