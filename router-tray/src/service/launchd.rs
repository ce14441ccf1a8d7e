//! An agent of macOS's launchd.
//!
//! *Source:* launchd.plist(5), launchctl(1).

use std::{fmt::Write as _, path::PathBuf};

use super::{Definition, ServiceError, Status, done, home_folder, put, remove, run};

const LABEL: &str = "io.github.codex-router.codex-router.service";

/// What else to look at when it does not run.
pub(super) const LOOK: &str =
    "`codex-router serve` in a terminal says why, and `service install` starts it again";

pub(super) fn install(definition: &Definition) -> Result<Vec<String>, ServiceError> {
    let (path, domain) = (path()?, domain()?);
    let plist = plist(definition);
    let changed = put(&path, plist.as_bytes())?;
    let is_loaded = is_loaded(&domain)?;
    if is_loaded && changed {
        done("launchctl", &["bootout", &target(&domain)])?;
    }
    done("launchctl", &["enable", &target(&domain)])?;
    if !is_loaded || changed {
        let path = path.to_string_lossy();
        done("launchctl", &["bootstrap", &domain, &path])?;
    }
    let mut lines = vec![format!("Wrote {}:", path.display())];
    lines.extend(plist.lines().map(|line| format!("    {line}")));
    lines.push("It runs, and starts whenever you log in.".to_owned());
    Ok(lines)
}

pub(super) fn uninstall() -> Result<Vec<String>, ServiceError> {
    let (path, domain) = (path()?, domain()?);
    if is_loaded(&domain)? {
        done("launchctl", &["bootout", &target(&domain)])?;
    }
    if !remove(&path)? {
        return Ok(vec!["The service is not installed.".to_owned()]);
    }
    Ok(vec![
        format!("Removed {}.", path.display()),
        "The service has ended, and starts no more.".to_owned(),
    ])
}

pub(super) fn status() -> Result<Status, ServiceError> {
    let (path, domain) = (path()?, domain()?);
    let told = run("launchctl", &["print", &target(&domain)])?;
    let is_loaded = told.status.success();
    let told = String::from_utf8_lossy(&told.stdout);
    Ok(Status {
        installed: path.exists().then_some(path),
        enabled: is_loaded,
        running: is_loaded && told.lines().any(|line| line.trim() == "state = running"),
    })
}

fn is_loaded(domain: &str) -> Result<bool, ServiceError> {
    let told = run("launchctl", &["print", &target(domain)])?;
    Ok(told.status.success())
}

fn path() -> Result<PathBuf, ServiceError> {
    let folder = home_folder()?.join("Library/LaunchAgents");
    Ok(folder.join(format!("{LABEL}.plist")))
}

/// That of the person who is logged in.
fn domain() -> Result<String, ServiceError> {
    let id = run("id", &["-u"])?;
    let id = String::from_utf8_lossy(&id.stdout).trim().to_owned();
    Ok(format!("gui/{id}"))
}

fn target(domain: &str) -> String {
    format!("{domain}/{LABEL}")
}

fn plist(definition: &Definition) -> String {
    let mut words = String::new();
    let program = std::iter::once(definition.program.as_str());
    for word in program.chain(definition.arguments()) {
        let _ = writeln!(words, "\t\t<string>{}</string>", escaped(word));
    }
    let mut variables = String::new();
    for (name, value) in &definition.environment {
        let (name, value) = (escaped(name), escaped(value));
        let _ = writeln!(
            variables,
            "\t\t<key>{name}</key>\n\t\t<string>{value}</string>"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \t<key>Label</key>\n\t<string>{LABEL}</string>\n\
         \t<key>ProgramArguments</key>\n\t<array>\n{words}\t</array>\n\
         \t<key>EnvironmentVariables</key>\n\t<dict>\n{variables}\t</dict>\n\
         \t<key>RunAtLoad</key>\n\t<true/>\n\
         \t<key>KeepAlive</key>\n\t<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>\n\
         \t<key>ThrottleInterval</key>\n\t<integer>10</integer>\n\
         \t<key>Umask</key>\n\t<integer>63</integer>\n\
         </dict>\n</plist>\n"
    )
}

/// A text as XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::sample;

    #[test]
    fn the_agent_starts_the_program_wherever_it_lies() {
        insta::assert_snapshot!(plist(&sample()), @r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
        <plist version="1.0">
        <dict>
        	<key>Label</key>
        	<string>io.github.codex-router.codex-router.service</string>
        	<key>ProgramArguments</key>
        	<array>
        		<string>/opt/my $tools/100%/codex-router</string>
        		<string>--codex-home</string>
        		<string>/home/ann/a "b" &lt;c&gt; &amp; \d</string>
        		<string>serve</string>
        	</array>
        	<key>EnvironmentVariables</key>
        	<dict>
        		<key>CODEX_ROUTER_LOG</key>
        		<string>info,x="y"</string>
        		<key>NO_PROXY</key>
        		<string>$HOME,100%,a&amp;b</string>
        	</dict>
        	<key>RunAtLoad</key>
        	<true/>
        	<key>KeepAlive</key>
        	<dict>
        		<key>SuccessfulExit</key>
        		<false/>
        	</dict>
        	<key>ThrottleInterval</key>
        	<integer>10</integer>
        	<key>Umask</key>
        	<integer>63</integer>
        </dict>
        </plist>
        "##);
    }
}
