//! Replacing a file so that every reader, and a crash, finds the old content or the new.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// The largest file that is copied where no second name can be given to it.
const MAX_ASIDE_BYTES: u64 = 64 << 20;
/// How the names of temporary files begin, as Codex has it (wire reference 1.4).
pub(crate) const TEMPORARY_PREFIX: &str = ".auth-";
/// As many symlinks as Linux follows.
const MAX_LINKS: usize = 40;

/// Replaces the content of `path`, or makes the file: a temporary file in the same folder, readable
/// by its owner alone, synced, renamed, the folder synced. A symlink is followed to its target, as
/// Codex does. Folders that are missing are made, readable by their owner alone.
///
/// # Errors
/// What the operating system says, `StorageFull` for one. The old content is whole then.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(&real_path(path)?, bytes)
}

/// The same, but a symlink at `path` is itself replaced.
///
/// # Errors
/// As for [`write`](fn@write).
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    prepare(path, bytes)?.put_in_place()?;
    sync_folder_of(path)
}

/// The same for a file that must not exist yet, not even as a symlink to nowhere.
///
/// # Errors
/// `AlreadyExists`, and as for [`write`](fn@write).
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Looked at before, too: on file systems without hard links it is not one step.
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let prepared = prepare(path, bytes)?;
    let persisted = prepared.temporary.persist_noclobber(path);
    persisted.map_err(|failed| failed.error)?;
    sync_folder_of(path)
}

/// All of [`write`](fn@write) that takes time, but for a file of somebody else's: its permissions
/// stay as they are.
///
/// # Errors
/// As for [`write`](fn@write).
pub(crate) fn prepare_rewrite(path: &Path, bytes: &[u8]) -> io::Result<Prepared> {
    let path = real_path(path)?;
    let prepared = prepare(&path, bytes)?;
    if let Ok(metadata) = fs::metadata(&path) {
        let temporary = prepared.temporary.as_file();
        temporary.set_permissions(metadata.permissions())?;
    }
    Ok(prepared)
}

/// A temporary file that is on disk and waits to take the place of another. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Prepared {
    temporary: NamedTempFile,
    path: PathBuf,
}

impl Prepared {
    /// Renames it, which takes no time. The folder is to be synced after that.
    pub(crate) fn put_in_place(self) -> io::Result<()> {
        let renamed = self.temporary.persist(self.path);
        renamed.map(drop).map_err(|failed| failed.error)
    }

    /// The same, and syncs the folder.
    pub(crate) fn put_in_place_for_good(self) -> io::Result<()> {
        let path = self.path.clone();
        self.put_in_place()?;
        sync_folder_of(&path)
    }
}

/// Does all of [`replace`] that takes time.
pub(crate) fn prepare(path: &Path, bytes: &[u8]) -> io::Result<Prepared> {
    let folder = folder_of(path)?;
    create_folder(folder)?;
    let mut temporary = temporary_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    let path = path.to_owned();
    Ok(Prepared { temporary, path })
}

/// Whether a file beside `path` can be made and `bytes` bytes put into it just now.
///
/// # Errors
/// What [`write`](fn@write) would fail with.
pub fn probe(path: &Path, bytes: usize) -> io::Result<()> {
    let path = real_path(path)?;
    let folder = folder_of(&path)?;
    create_folder(folder)?;
    let mut temporary = temporary_in(folder)?;
    temporary.write_all(&vec![b' '; bytes])?;
    temporary.as_file().sync_all()
}

/// Renames a folder within its parent, for good.
///
/// # Errors
/// What the operating system says.
pub fn rename_folder(from: &Path, to: &Path) -> io::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the parent folder is synced right here"
    )]
    fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Removes a file, if there is one, for good.
///
/// # Errors
/// Whatever but its absence.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts what is at `path` aside as `<name>.<mark>`, where it stays until somebody removes it.
/// The file at `path` stays as well, so that no reader finds a gap.
///
/// # Errors
/// When neither a second name nor a copy could be made.
pub fn set_aside(path: &Path, mark: &str) -> io::Result<PathBuf> {
    let real = real_path(path)?;
    let mut name = real.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{mark}"));
    let aside = real.with_file_name(name);
    match fs::hard_link(&real, &aside) {
        Ok(()) => sync_folder_of(&aside)?,
        // What was put aside before must not be lost either.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => replace(&aside, &read_within(&real, MAX_ASIDE_BYTES)?)?,
    }
    Ok(aside)
}

/// Makes a folder and those above it, each open to its owner alone; one that exists stays as it is.
///
/// # Errors
/// What the operating system says.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder)?;
    create_folder(above)?;
    match private(&mut fs::DirBuilder::new()).create(folder) {
        // Somebody else made it meanwhile, or a symlink leads to one.
        Err(_) if folder.is_dir() => Ok(()),
        made => made.and_then(|()| sync_folder(above)),
    }
}

/// Where `path` leads in the end, also when nothing is there yet.
///
/// # Errors
/// A circle of symlinks, or a folder on the way that cannot be entered.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            return Ok(path);
        };
        // Joining an absolute target replaces the whole path.
        path = folder_of(&path)?.join(target);
    }
    Err(io::Error::other("too many symlinks"))
}

/// Makes the renaming, or the removal, of a file survive a power cut.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync_folder(folder_of(path)?)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn read_within(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() || file.metadata()?.len() > limit {
        return Err(io::Error::other("it is too large to be copied"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    // tempfile makes the file with mode 0600.
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(folder)
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(folder) => Ok(folder),
        None => Err(io::Error::other("a file path was expected")),
    }
}

#[cfg(unix)]
fn private(builder: &mut fs::DirBuilder) -> &mut fs::DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;
    builder.mode(0o700)
}

#[cfg(not(unix))]
fn private(builder: &mut fs::DirBuilder) -> &mut fs::DirBuilder {
    builder
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/auth.json");
        write(&path, b"x").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&folder.path().join("a/b")), 0o700);
    }

    #[test]
    fn a_file_that_was_open_to_others_is_closed_by_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(
            (mode(&path), fs::read(&path).unwrap()),
            (0o600, b"new".to_vec())
        );
    }

    #[test]
    fn a_symlink_is_followed_by_write_even_to_nothing_and_replaced_by_replace() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (
            folder.path().join("link"),
            folder.path().join("deep/target"),
        );
        symlink("deep/target", &link).unwrap();
        write(&link, b"x").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"x");

        replace(&link, b"y").unwrap();
        assert!(!link.is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"x");
    }

    #[test]
    fn create_never_replaces_anything() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        create(&file, b"first").unwrap();
        assert_eq!(mode(&file), 0o600);
        symlink("nowhere", &link).unwrap();
        for taken in [&file, &link] {
            let refused = create(taken, b"second").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&file).unwrap(), b"first");
        assert!(!folder.path().join("nowhere").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no litter");
    }

    #[test]
    fn a_circle_of_symlinks_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(&link, &link).unwrap();
        assert!(write(&link, b"x").is_err());
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_content_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        // A folder in the place of the file: everything up to the rename succeeds.
        fs::create_dir(&path).unwrap();
        write(&path.join("kept"), b"old").unwrap();
        assert!(write(&path, b"new").is_err());
        assert_eq!(fs::read(path.join("kept")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_set_aside_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        write(&path, b"first").unwrap();
        let aside = set_aside(&path, "broken-1").unwrap();
        write(&path, b"second").unwrap();
        assert!(set_aside(&path, "broken-1").is_err());
        assert_eq!(fs::read(aside).unwrap(), b"first");
    }
}
