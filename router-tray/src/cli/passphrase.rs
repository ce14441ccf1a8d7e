use std::io::{self, BufRead as _, IsTerminal as _};

use secrecy::{ExposeSecret as _, SecretString};

use super::exit::Failure;

/// A passphrase, asked for when it is first needed, and once for all files.
pub(crate) struct Passphrase {
    from_stdin: bool,
    twice: bool,
    given: Option<SecretString>,
}

impl Passphrase {
    /// One that exists already.
    pub(crate) fn to_open(from_stdin: bool) -> Self {
        Self {
            from_stdin: from_stdin || !io::stdin().is_terminal(),
            twice: false,
            given: None,
        }
    }

    /// A new one: a slip of the finger would make the file useless.
    pub(crate) fn to_make(from_stdin: bool) -> Self {
        Self {
            twice: true,
            ..Self::to_open(from_stdin)
        }
    }

    pub(crate) fn given(&mut self) -> Result<&SecretString, Failure> {
        let given = match self.given.take() {
            Some(given) => given,
            None => self.ask()?,
        };
        Ok(self.given.insert(given))
    }

    fn ask(&self) -> Result<SecretString, Failure> {
        let given = if self.from_stdin {
            line()?
        } else {
            self.prompt()?
        };
        if given.expose_secret().is_empty() {
            return Err(Failure::usage("the passphrase is empty"));
        }
        Ok(given)
    }

    fn prompt(&self) -> Result<SecretString, Failure> {
        let given = SecretString::from(rpassword::prompt_password("Passphrase: ")?);
        if self.twice && !given.expose_secret().is_empty() {
            let again = SecretString::from(rpassword::prompt_password("The same again: ")?);
            if given.expose_secret() != again.expose_secret() {
                return Err(Failure::usage("the two passphrases differ"));
            }
        }
        Ok(given)
    }
}

/// The first line, which may end as Windows ends lines.
fn line() -> io::Result<SecretString> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(SecretString::from(line))
}
