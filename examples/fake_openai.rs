//! A fake of OpenAI to try the router with, without an account.
//!
//! `cargo run --example fake_openai -- --home DIR` writes three demo logins into DIR and prints
//! the environment that points `codex-router` at the fake.

use std::error::Error;
use std::fs;
use std::path::Path;

use fake_openai::FakeOpenAi;
use serde_json::Value;

const KEY: &str = "sk-fake-demo";

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "the environment to copy is what it is started for"
)]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = option("--listen").unwrap_or_else(|| "127.0.0.1:9900".to_owned());
    let fake = FakeOpenAi::builder()
        .listen(listen.parse()?)
        .stream_content_type(true);
    let fake = fake.start().await?;
    fake.register_api_key(KEY);
    let mut environment = environment(&fake);
    if let Some(home) = option("--home") {
        write_logins(&fake, Path::new(&home))?;
        environment.insert(0, format!("CODEX_HOME={home}"));
    }
    let lines = environment.join("\n");
    println!("{lines}\n# API key for {}: {KEY}", fake.openai_base_url());
    if let Some(file) = option("--ready-file") {
        write(Path::new(&file), &lines)?;
    }
    Ok(tokio::signal::ctrl_c().await?)
}

fn environment(fake: &FakeOpenAi) -> Vec<String> {
    vec![
        format!("CODEX_ROUTER_CHATGPT_BASE_URL={}", fake.chatgpt_base_url()),
        format!("CODEX_ROUTER_OPENAI_BASE_URL={}", fake.openai_base_url()),
        format!("CODEX_ROUTER_AUTH_ISSUER={}", fake.issuer_url()),
        format!("CODEX_REFRESH_TOKEN_URL_OVERRIDE={}", fake.token_url()),
        format!("CODEX_REVOKE_TOKEN_URL_OVERRIDE={}", fake.revoke_url()),
    ]
}

/// Profiles `work` (current), `personal` and `api-key`.
fn write_logins(fake: &FakeOpenAi, home: &Path) -> Result<(), Box<dyn Error>> {
    let work = fake.auth_json(
        &fake
            .account("user-work", "acct-work")
            .email("work@example.com"),
    );
    let personal = fake.account("user-personal", "acct-personal").plan("pro");
    save(&home.join("auth.json"), &work)?;
    save(&home.join("profiles/work/auth.json"), &work)?;
    save(
        &home.join("profiles/personal/auth.json"),
        &fake.auth_json(&personal),
    )?;
    save(
        &home.join("profiles/api-key/auth.json"),
        &fake.api_key_auth_json(KEY),
    )?;
    write(&home.join(".current_profile"), "work")
}

fn save(path: &Path, login: &Value) -> Result<(), Box<dyn Error>> {
    write(path, &serde_json::to_string_pretty(login)?)
}

/// Replaces a file as a whole, readable by nobody else.
fn write(path: &Path, contents: &str) -> Result<(), Box<dyn Error>> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    create_folder(folder)?;
    let file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file.as_file(), contents.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

fn create_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// The word after an option.
fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}
