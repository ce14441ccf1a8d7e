//! A fake of OpenAI to try the router with, without an account.
//!
//! `cargo run --example fake_openai -- --home DIR` writes three demo logins into DIR and prints
//! the environment that points `codex-router` at the fake. `--listen ADDRESS` is 127.0.0.1:9900
//! unless given; `--ready-file FILE` gets the same environment once the fake is ready.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use fake_openai::{FakeOpenAi, write_home};

const KEY: &str = "sk-fake-demo";

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the environment to copy is what it is started for"
)]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = option("--listen").unwrap_or_else(|| "127.0.0.1:9900".to_owned());
    let fake = FakeOpenAi::builder().listen(listen.parse()?);
    let fake = fake.stream_content_type(true).start().await?;
    fake.register_api_key(KEY);
    let mut lines: Vec<_> = fake
        .environment()
        .map(|(name, url)| format!("{name}={url}"))
        .into();
    if let Some(home) = option("--home") {
        let home = std::path::absolute(home)?;
        write_logins(&fake, &home)?;
        lines.insert(0, format!("CODEX_HOME={}", home.display()));
    }
    println!(
        "{}\n# API key for {}: {KEY}",
        lines.join("\n"),
        fake.openai_base_url()
    );
    if let Some(path) = option("--ready-file") {
        // Renamed into place, so that whoever waits for it never reads half of it.
        let folder = std::path::absolute(&path)?.parent().map(Path::to_owned);
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or_default())?;
        writeln!(file, "{}", lines.join("\n"))?;
        file.persist(path)?;
    }
    Ok(tokio::signal::ctrl_c().await?)
}

/// Profiles `work` (current), `personal` and `api-key`.
fn write_logins(fake: &FakeOpenAi, home: &Path) -> std::io::Result<()> {
    let work = fake
        .account("user-work", "acct-work")
        .email("work@example.com");
    let personal = fake
        .account("user-personal", "acct-personal")
        .email("me@example.com");
    let logins = [
        ("work", fake.auth_json(&work)),
        ("personal", fake.auth_json(&personal.plan("pro"))),
        ("api-key", fake.api_key_auth_json(KEY)),
    ];
    write_home(home, &logins)
}

/// The word after an option.
fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}
