//! A task of Windows' Task Scheduler.
//!
//! *Source:* the Task Scheduler schema, and `schtasks`.

#[cfg(windows)]
use std::path::PathBuf;

use super::{Definition, ServiceError};
#[cfg(windows)]
use super::{Status, done, put, remove, run};
use crate::windows_word::quoted;

#[cfg(windows)]
const NAME: &str = "Codex Router";

/// What else to look at when it does not run.
#[cfg(windows)]
pub(super) const LOOK: &str =
    "`codex-router serve` in a terminal says why, and `service install` starts it again";

#[cfg(windows)]
pub(super) fn install(definition: &Definition) -> Result<Vec<String>, ServiceError> {
    let path = path()?;
    let xml = xml(definition, &person()?)?;
    put(&path, &utf_16(&xml))?;
    let file = path.to_string_lossy();
    // One that runs would be left as it is. What is not there is not to be ended.
    run("schtasks", &["/End", "/TN", NAME])?;
    done("schtasks", &["/Create", "/TN", NAME, "/XML", &file, "/F"])?;
    done("schtasks", &["/Run", "/TN", NAME])?;
    let mut lines = vec![format!("Made the task `{NAME}` of {}:", path.display())];
    lines.extend(xml.lines().map(|line| format!("    {line}")));
    lines.push("It runs, and starts whenever you log in.".to_owned());
    Ok(lines)
}

#[cfg(windows)]
pub(super) fn uninstall() -> Result<Vec<String>, ServiceError> {
    let was_there = run("schtasks", &["/Query", "/TN", NAME])?.status.success();
    if was_there {
        // What has ended already is not to be ended.
        run("schtasks", &["/End", "/TN", NAME])?;
        done("schtasks", &["/Delete", "/TN", NAME, "/F"])?;
    }
    if !remove(&path()?)? && !was_there {
        return Ok(vec!["The service is not installed.".to_owned()]);
    }
    Ok(vec!["The task has ended, and starts no more.".to_owned()])
}

#[cfg(windows)]
pub(super) fn status() -> Result<Status, ServiceError> {
    let told = run("schtasks", &["/Query", "/TN", NAME, "/FO", "CSV", "/NH"])?;
    let is_there = told.status.success();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    Ok(Status {
        installed: is_there.then(path).transpose()?,
        enabled: is_there && !told.contains("Disabled"),
        running: is_there && told.contains("Running"),
    })
}

#[cfg(windows)]
fn path() -> Result<PathBuf, ServiceError> {
    let folder = std::env::var_os("LOCALAPPDATA").ok_or(ServiceError::NoFolder("LOCALAPPDATA"))?;
    Ok(PathBuf::from(folder).join(r"Codex Router\service.xml"))
}

#[cfg(windows)]
fn person() -> Result<String, ServiceError> {
    let read = |name: &'static str| std::env::var(name).map_err(|_| ServiceError::NoFolder(name));
    Ok(format!("{}\\{}", read("USERDOMAIN")?, read("USERNAME")?))
}

/// # Errors
/// A task has no environment of its own.
fn xml(definition: &Definition, person: &str) -> Result<String, ServiceError> {
    if let Some((name, _)) = definition.environment.first() {
        let told = format!("a task has no environment of its own: `setx {name} …` sets it for you");
        return Err(ServiceError::Usage(told));
    }
    let words: Vec<_> = definition.arguments().map(quoted).collect();
    let (program, arguments) = (escaped(&definition.program), escaped(&words.join(" ")));
    let person = escaped(person);
    Ok(format!(
        r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Serves the chosen Codex login on this machine.</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{person}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{person}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>5</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"#
    ))
}

/// As `schtasks` reads files: little-endian, behind a mark that says so.
fn utf_16(text: &str) -> Vec<u8> {
    let text = text.replace('\n', "\r\n");
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

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
    fn the_task_starts_the_program_wherever_it_lies() {
        let definition = Definition {
            program: r"C:\Program Files\R&D\codex-router.exe".to_owned(),
            home: Some(r"D:\my home\".to_owned()),
            environment: Vec::new(),
            socket: None,
        };
        insta::assert_snapshot!(xml(&definition, r"PC\Ann & Bob").unwrap(), @r##"
        <?xml version="1.0" encoding="UTF-16"?>
        <Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
          <RegistrationInfo>
            <Description>Serves the chosen Codex login on this machine.</Description>
          </RegistrationInfo>
          <Triggers>
            <LogonTrigger>
              <Enabled>true</Enabled>
              <UserId>PC\Ann &amp; Bob</UserId>
            </LogonTrigger>
          </Triggers>
          <Principals>
            <Principal id="Author">
              <UserId>PC\Ann &amp; Bob</UserId>
              <LogonType>InteractiveToken</LogonType>
              <RunLevel>LeastPrivilege</RunLevel>
            </Principal>
          </Principals>
          <Settings>
            <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
            <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
            <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
            <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
            <RestartOnFailure>
              <Interval>PT1M</Interval>
              <Count>5</Count>
            </RestartOnFailure>
          </Settings>
          <Actions Context="Author">
            <Exec>
              <Command>C:\Program Files\R&amp;D\codex-router.exe</Command>
              <Arguments>"--codex-home" "D:\my home\\" "serve"</Arguments>
            </Exec>
          </Actions>
        </Task>
        "##);
    }

    #[test]
    fn what_a_task_cannot_be_given_is_said() {
        let told = xml(&sample(), "x").unwrap_err();
        assert!(
            told.is_usage() && told.to_string().contains("setx CODEX_ROUTER_LOG"),
            "{told}"
        );
    }

    #[test]
    fn the_file_is_what_schtasks_reads() {
        assert_eq!(utf_16("é\n"), [0xFF, 0xFE, 0xE9, 0, b'\r', 0, b'\n', 0]);
    }
}
