//! Units of the person's own systemd.
//!
//! *Source:* systemd.service(5), systemd.exec(5), systemd.socket(5).

use std::{fmt::Write as _, path::PathBuf};

use super::{Definition, ServiceError, Status, configuration_folder, done, put, remove, run};

const SERVICE: &str = "codex-router.service";
const SOCKET: &str = "codex-router.socket";

/// What else to look at when it does not run.
pub(super) const LOOK: &str =
    "`journalctl --user -u codex-router` says why, and `service install` starts it again";

/// What systemd can forbid without namespaces, which not every system lets a person make: the
/// files, foremost those of Codex, stay as they are for the person.
const HARDENING: &str = "\
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
UMask=0077
";

pub(super) fn install(definition: &Definition) -> Result<Vec<String>, ServiceError> {
    // Before anything is written: without it nothing could be done with what is.
    done("systemctl", &["--user", "daemon-reload"])?;
    let service = path_of(SERVICE)?;
    let mut lines = vec![format!("Wrote {}:", service.display())];
    let unit = service_unit(definition);
    let mut changed = put(&service, unit.as_bytes())?;
    lines.extend(unit.lines().map(|line| format!("    {line}")));
    match &definition.socket {
        Some(listen) => {
            let path = path_of(SOCKET)?;
            let unit = socket_unit(listen)?;
            changed |= put(&path, unit.as_bytes())?;
            lines.push(format!("Wrote {}:", path.display()));
            lines.extend(unit.lines().map(|line| format!("    {line}")));
        }
        None => changed |= remove_socket()?,
    }
    done("systemctl", &["--user", "daemon-reload"])?;
    start(definition.socket.is_some(), changed)?;
    lines.push("It runs, and starts whenever you log in.".to_owned());
    lines.push("To have it run without you being logged in: `loginctl enable-linger`.".to_owned());
    Ok(lines)
}

fn start(with_socket: bool, changed: bool) -> Result<(), ServiceError> {
    let units: &[&str] = if with_socket {
        &[SOCKET, SERVICE]
    } else {
        &[SERVICE]
    };
    let enable = ["--user", "enable"].iter().chain(units);
    done("systemctl", &enable.copied().collect::<Vec<_>>())?;
    if changed {
        // A socket does not start while its service holds the address, and keeps the one it has
        // for as long as it is active.
        let stop = ["--user", "stop"].iter().chain(units);
        done("systemctl", &stop.copied().collect::<Vec<_>>())?;
    }
    // After too many failures nothing would start for a while. Nothing to forget is no failure.
    let reset = ["--user", "reset-failed"].iter().chain(units);
    run("systemctl", &reset.copied().collect::<Vec<_>>())?;
    for unit in units {
        done("systemctl", &["--user", "start", unit])?;
    }
    Ok(())
}

fn remove_socket() -> Result<bool, ServiceError> {
    let path = path_of(SOCKET)?;
    if !path.exists() {
        return Ok(false);
    }
    done("systemctl", &["--user", "disable", "--now", SOCKET])?;
    remove(&path)
}

pub(super) fn uninstall() -> Result<Vec<String>, ServiceError> {
    let paths = [path_of(SOCKET)?, path_of(SERVICE)?];
    if !paths.iter().any(|path| path.exists()) {
        return Ok(vec!["The service is not installed.".to_owned()]);
    }
    let mut lines = Vec::new();
    for (unit, path) in [SOCKET, SERVICE].iter().zip(paths) {
        if path.exists() {
            done("systemctl", &["--user", "disable", "--now", unit])?;
            remove(&path)?;
            lines.push(format!("Removed {}.", path.display()));
        }
    }
    done("systemctl", &["--user", "daemon-reload"])?;
    // Nothing to forget is no failure.
    run("systemctl", &["--user", "reset-failed", SERVICE])?;
    lines.push("The service has ended, and starts no more.".to_owned());
    Ok(lines)
}

pub(super) fn status() -> Result<Status, ServiceError> {
    let path = path_of(SERVICE)?;
    let installed = path.exists().then_some(path);
    let says = |question: &str| match &installed {
        Some(_) => Ok(run("systemctl", &["--user", question, SERVICE])?
            .status
            .success()),
        None => Ok(false),
    };
    Ok(Status {
        enabled: says("is-enabled")?,
        running: says("is-active")?,
        installed,
    })
}

pub(super) fn holds_address() -> bool {
    path_of(SOCKET).is_ok_and(|path| path.exists())
}

fn path_of(unit: &str) -> Result<PathBuf, ServiceError> {
    Ok(configuration_folder()?.join("systemd/user").join(unit))
}

fn service_unit(definition: &Definition) -> String {
    let mut unit = String::from(
        "[Unit]\nDescription=Codex Router\nDocumentation=man:codex-router(1)\n\
         StartLimitIntervalSec=120\nStartLimitBurst=5\n",
    );
    if definition.socket.is_some() {
        let _ = writeln!(unit, "Requires={SOCKET}\nAfter={SOCKET}");
    }
    // A path is not looked at for variables; arguments are.
    let mut command = quoted(&definition.program);
    for argument in definition.arguments() {
        let _ = write!(command, " {}", quoted(&argument.replace('$', "$$")));
    }
    let _ = write!(
        unit,
        "\n[Service]\nType=exec\nExecStart={command}\nExecReload=/bin/kill -HUP $MAINPID\n\
         Restart=on-failure\nRestartSec=3\n\
         # Wrong settings stay wrong.\nRestartPreventExitStatus=2\nTimeoutStopSec=30\n"
    );
    for (name, value) in &definition.environment {
        let _ = writeln!(unit, "Environment={}", quoted(&format!("{name}={value}")));
    }
    unit.push_str(HARDENING);
    unit.push_str("\n[Install]\nWantedBy=default.target\n");
    unit
}

/// For an address with a port, or `unix:` and a path.
fn socket_unit(listen: &str) -> Result<String, ServiceError> {
    let stream = if let Some(path) = listen.strip_prefix("unix:") {
        let path = path.trim_start_matches("//");
        let absolute = path.starts_with('/').then_some(path);
        absolute.map(|path| format!("{}\nSocketMode=0600", path.replace('%', "%%")))
    } else {
        let address: Option<std::net::SocketAddr> = listen.parse().ok();
        let address = address.filter(|address| address.port() != 0);
        address.map(|address| address.to_string())
    };
    let stream = stream.ok_or_else(|| {
        ServiceError::Usage(format!(
            "systemd cannot hold `{listen}`, which is no address"
        ))
    })?;
    Ok(format!(
        "[Unit]\nDescription=The address of Codex Router\n\n[Socket]\nListenStream={stream}\n\
         \n[Install]\nWantedBy=sockets.target\n"
    ))
}

/// One word as systemd takes lines apart, its specifiers included.
fn quoted(word: &str) -> String {
    let mut quoted = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::sample;

    #[test]
    fn the_unit_starts_the_program_wherever_it_lies() {
        insta::assert_snapshot!(service_unit(&sample()), @r##"
        [Unit]
        Description=Codex Router
        Documentation=man:codex-router(1)
        StartLimitIntervalSec=120
        StartLimitBurst=5

        [Service]
        Type=exec
        ExecStart="/opt/my $tools/100%%/codex-router" "--codex-home" "/home/ann/a \"b\" <c> & \\d" "serve"
        ExecReload=/bin/kill -HUP $MAINPID
        Restart=on-failure
        RestartSec=3
        # Wrong settings stay wrong.
        RestartPreventExitStatus=2
        TimeoutStopSec=30
        Environment="CODEX_ROUTER_LOG=info,x=\"y\""
        Environment="NO_PROXY=$HOME,100%%,a&b"
        NoNewPrivileges=yes
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        SystemCallArchitectures=native
        SystemCallErrorNumber=EPERM
        SystemCallFilter=@system-service
        UMask=0077

        [Install]
        WantedBy=default.target
        "##);
    }

    #[test]
    fn the_socket_is_held_at_the_address_of_the_settings() {
        insta::assert_snapshot!(socket_unit("127.0.0.1:9876").unwrap(), @r##"
        [Unit]
        Description=The address of Codex Router

        [Socket]
        ListenStream=127.0.0.1:9876

        [Install]
        WantedBy=sockets.target
        "##);
        let unix = socket_unit("unix:/run/user/1000/100%/r.sock").unwrap();
        assert!(unix.contains("ListenStream=/run/user/1000/100%%/r.sock\nSocketMode=0600\n"));
        for wrong in ["", "localhost", "127.0.0.1:0", "unix:r.sock"] {
            assert!(socket_unit(wrong).unwrap_err().is_usage(), "{wrong}");
        }
        let with_socket = Definition {
            socket: Some("127.0.0.1:9876".to_owned()),
            ..sample()
        };
        assert!(service_unit(&with_socket).contains("Requires=codex-router.socket\n"));
    }
}
