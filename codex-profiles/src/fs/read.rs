//! Reading an `auth.json` that anybody may have put there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use codex_auth::{AuthDotJson, AuthJsonError, auth_json::MAX_BYTES};

use crate::{fs::stamp::Stamp, live::LiveUnknown, profile::ProfileNameError};

/// Pauses before reading a half-written file again: Codex before 0.169 truncates and then writes.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(5),
    Duration::from_millis(15),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
];
/// A file untouched for this long is not being written: waiting would help nobody.
const STILL_WRITING: Duration = Duration::from_secs(2);

/// Why a file gives no login. Nothing of its content is in the text.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such file: nobody logged in here yet.
    #[error("there is no such file")]
    Missing,
    /// A folder, a pipe, a device: remove it.
    #[error("it is not a regular file")]
    NotRegular,
    /// A symlink leads out of `profiles/`: put the login itself there.
    #[error("it leads out of the profiles folder")]
    Outside,
    /// The folder's name is not a profile name: rename it.
    #[error("{0}")]
    Name(#[from] ProfileNameError),
    /// It was read and understood, or not; the source says in which way.
    #[error(transparent)]
    Content(#[from] AuthJsonError),
    /// It is Codex's own, and where Codex keeps it nobody else can look.
    #[error(transparent)]
    LiveUnknown(#[from] LiveUnknown),
    /// The operating system refused.
    #[error("it cannot be read: {0}")]
    Io(Arc<io::Error>),
}

impl ReadError {
    /// Whether something is there that may hold a login, although it cannot be understood.
    #[must_use]
    pub fn may_hold_a_login(&self) -> bool {
        !matches!(self, Self::Missing | Self::Content(AuthJsonError::NoLogin))
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            _ => Self::Io(Arc::new(error)),
        }
    }
}

/// A login together with the stamp of the file it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) login: Result<Arc<AuthDotJson>, ReadError>,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) settled: bool,
}

/// Reads the login in `path`, waiting a little for a half-written file to become whole.
///
/// # Errors
/// A [`ReadError`]; never hangs on a pipe, and never reads more than 1 MiB.
pub fn login(path: &Path) -> Result<AuthDotJson, ReadError> {
    for pause in PAUSES {
        match once(path).1 {
            Err(ReadError::Content(AuthJsonError::Truncated)) if was_just_written(path) => {
                thread::sleep(pause);
            }
            settled => return settled,
        }
    }
    once(path).1
}

/// The same, with what is needed to know later whether the file has changed.
pub(crate) fn reading(path: &Path) -> Reading {
    let read_at = SystemTime::now();
    let mut read = once(path);
    if matches!(read.1, Err(ReadError::Content(AuthJsonError::Truncated))) {
        let login = login(path);
        // The stamp of the first look: a change since then shows, and leads to another reading.
        read = (read.0, login);
    }
    let settled = read.0.is_some_and(|stamp| stamp.is_settled(read_at));
    Reading {
        login: read.1.map(Arc::new),
        stamp: read.0,
        settled,
    }
}

/// The content of a regular file of at most 1 MiB.
///
/// # Errors
/// Every [`ReadError`] but those about names and logins.
pub fn bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    content(&open(path)?.0)
}

fn once(path: &Path) -> (Option<Stamp>, Result<AuthDotJson, ReadError>) {
    match open(path) {
        // The stamp is taken before the content: a write in between shows as a change.
        Ok((file, stamp)) => (Some(stamp), content(&file).and_then(parse)),
        Err(error) => (Stamp::of(path), Err(error)),
    }
}

fn open(path: &Path) -> Result<(File, Stamp), ReadError> {
    // Looked at before it is opened, since opening a device may already do something.
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    let file = without_waiting(OpenOptions::new().read(true)).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotRegular);
    }
    let stamp = Stamp::from(&metadata);
    if metadata.len() > MAX_BYTES {
        return Err(AuthJsonError::TooLarge.into());
    }
    Ok((file, stamp))
}

/// A pipe that took the file's place since it was looked at must not hang us.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
}

#[cfg(not(unix))]
fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

fn content(file: &File) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    // One byte over the limit tells a file that grew meanwhile.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "reads better in and_then")]
fn parse(bytes: Vec<u8>) -> Result<AuthDotJson, ReadError> {
    Ok(AuthDotJson::parse(&bytes)?)
}

fn was_just_written(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    // A time in the future counts as just now.
    modified.is_ok_and(|at| at.elapsed().unwrap_or_default() < STILL_WRITING)
}
