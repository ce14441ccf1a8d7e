//! Starting the program whenever the person logs in. Off until it is asked for.

use std::{io, path::PathBuf};

/// What the system starts: this program, on the home that it works on now.
#[derive(Debug, Clone)]
pub(crate) struct Autostart {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Autostart {
    /// The program as it runs now; `home` is that of Codex, where it is not the usual one.
    ///
    /// # Errors
    /// The program's own path is not known.
    pub(crate) fn new(home: Option<&std::path::Path>) -> io::Result<Self> {
        // What is mounted for one run is not there at the next one.
        let image = std::env::var_os("APPIMAGE").map(PathBuf::from);
        let program = image.map_or_else(std::env::current_exe, Ok)?;
        let home = home.map(|home| ["--codex-home".to_owned(), home.display().to_string()]);
        Ok(Self {
            program,
            arguments: home.into_iter().flatten().collect(),
        })
    }

    /// Whether it is so; `None` where the system has no place for it.
    pub(crate) fn is_on(&self) -> Option<bool> {
        place::is_on(self)
    }

    /// Makes it so, or no longer. Blocks for a moment.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn set(&self, on: bool) -> io::Result<()> {
        place::set(self, on)
    }
}

/// A file as the desktop entry specification of freedesktop.org has it.
#[cfg(target_os = "linux")]
mod place {
    use std::{io, path::PathBuf};

    use codex_profiles::fs::atomic;

    use super::Autostart;

    pub(super) fn is_on(_autostart: &Autostart) -> Option<bool> {
        let entry = std::fs::read_to_string(file()?);
        Some(entry.is_ok_and(|entry| !is_switched_off(&entry)))
    }

    /// The tools of desktops switch an entry off without removing it.
    fn is_switched_off(entry: &str) -> bool {
        let marks = ["Hidden=true", "X-GNOME-Autostart-enabled=false"];
        entry.lines().any(|line| marks.contains(&line.trim()))
    }

    pub(super) fn set(autostart: &Autostart, on: bool) -> io::Result<()> {
        let file = file().ok_or(io::ErrorKind::NotFound)?;
        if on {
            atomic::write(&file, entry(autostart).as_bytes())
        } else {
            match atomic::remove(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        }
    }

    fn file() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let configuration = set("XDG_CONFIG_HOME").map(PathBuf::from);
        let configuration =
            configuration.or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))?;
        Some(configuration.join("autostart/codex-router.desktop"))
    }

    fn entry(autostart: &Autostart) -> String {
        let program = autostart.program.display().to_string();
        let words = std::iter::once(&program).chain(&autostart.arguments);
        let command: Vec<_> = words.map(|word| quoted(word)).collect();
        format!(
            "[Desktop Entry]\nType=Application\nName=Codex Router\nExec={}\nTerminal=false\n\
             StartupNotify=false\n",
            command.join(" ")
        )
    }

    /// Quoted twice: for the command, and for the string that holds it.
    fn quoted(word: &str) -> String {
        let mut quoted = String::from('"');
        for c in word.chars() {
            match c {
                '"' | '`' | '$' => quoted.extend(["\\\\", &c.to_string()]),
                '\\' => quoted.push_str(r"\\\\"),
                '%' => quoted.push_str("%%"),
                c => quoted.push(c),
            }
        }
        quoted + "\""
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_entry_that_a_desktop_switched_off_is_off() {
            assert!(is_switched_off("[Desktop Entry]\nHidden=true\n"));
            assert!(is_switched_off("X-GNOME-Autostart-enabled=false"));
            assert!(!is_switched_off("[Desktop Entry]\nExec=x\nHidden=false\n"));
        }

        #[test]
        fn the_entry_starts_the_program_wherever_it_lies() {
            let autostart = Autostart {
                program: "/opt/my $tools/100%/codex-router".into(),
                arguments: vec!["--codex-home".to_owned(), r"/home/a\b".to_owned()],
            };
            let entry = entry(&autostart);
            let command = entry.lines().find_map(|line| line.strip_prefix("Exec="));
            let expected = r#""/opt/my \\$tools/100%%/codex-router" "--codex-home" "/home/a\\\\b""#;
            assert_eq!(command, Some(expected));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod place {
    use std::io;

    use auto_launch::{AutoLaunch, AutoLaunchBuilder, WindowsEnableMode};

    use super::Autostart;

    pub(super) fn is_on(autostart: &Autostart) -> Option<bool> {
        launch(autostart).ok()?.is_enabled().ok()
    }

    pub(super) fn set(autostart: &Autostart, on: bool) -> io::Result<()> {
        let launch = launch(autostart)?;
        let set = if on {
            launch.enable()
        } else {
            launch.disable()
        };
        set.map_err(io::Error::other)
    }

    fn launch(autostart: &Autostart) -> io::Result<AutoLaunch> {
        let program = word(&autostart.program.to_string_lossy());
        let arguments: Vec<_> = autostart.arguments.iter().map(|it| word(it)).collect();
        let launch = AutoLaunchBuilder::new()
            .set_app_name("Codex Router")
            .set_app_path(&program)
            .set_windows_enable_mode(WindowsEnableMode::CurrentUser)
            .set_args(&arguments)
            .build();
        launch.map_err(io::Error::other)
    }

    /// Windows keeps one line of words; elsewhere each has a place of its own.
    #[cfg(windows)]
    use crate::windows_word::quoted as word;

    #[cfg(not(windows))]
    fn word(word: &str) -> String {
        word.to_owned()
    }
}
