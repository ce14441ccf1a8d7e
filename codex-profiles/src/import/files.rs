//! Which files of a folder may hold logins.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{
    fs::{ReadError, read},
    profile::ProfileName,
};

/// Where Codex, this program and account switchers keep saved logins, inside a home.
const SAVED: [&str; 2] = ["profiles", "accounts"];

/// One file to import from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What its place says that it is called, such as `work` of `profiles/work/auth.json`.
    pub name: Option<ProfileName>,
    /// Whether it lies beside the login of a folder, and so may hold anything: that there is no
    /// login in it is no failure.
    pub may_be_anything: bool,
}

impl ImportFile {
    /// A file by itself.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = name_of(&path);
        Self {
            path,
            name,
            may_be_anything: false,
        }
    }

    /// Its content, and when it was last written.
    ///
    /// # Errors
    /// Every [`ReadError`] but those about names and logins; never over 1 MiB.
    pub fn read(&self) -> Result<(Vec<u8>, Timestamp), ReadError> {
        let bytes = read::bytes(&self.path)?;
        let modified = fs::metadata(&self.path).and_then(|metadata| metadata.modified());
        let written_at = modified.ok().and_then(|time| time.try_into().ok());
        Ok((bytes, written_at.unwrap_or(Timestamp::UNIX_EPOCH)))
    }
}

/// The files to look at: `path` itself; or, in a Codex home, its live and its saved logins; or, in
/// a folder without saved ones, each file that ends in `.json` or `.age`. Sorted, the live login
/// first.
///
/// # Errors
/// What the operating system says; `NotFound` when there is no such path, or nothing in it.
pub fn files_in(path: &Path) -> io::Result<Vec<ImportFile>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![ImportFile::at(path)]);
    }
    let live = path.join("auth.json");
    let mut found: Vec<ImportFile> = Vec::new();
    if live.exists() {
        found.push(ImportFile::at(&live));
    }
    if SAVED.iter().any(|folder| path.join(folder).is_dir()) {
        for folder in SAVED {
            let saved = saved_in(&path.join(folder))?.into_iter();
            found.extend(saved.map(ImportFile::at));
        }
    } else {
        found.append(&mut others_in(path, &live)?);
    }
    if found.is_empty() {
        let nothing = "neither a Codex home nor a folder with .json or .age files in it";
        return Err(io::Error::new(io::ErrorKind::NotFound, nothing));
    }
    Ok(found)
}

/// What else may hold logins in a folder. Beside a live login there are files of Codex's own.
fn others_in(folder: &Path, live: &Path) -> io::Result<Vec<ImportFile>> {
    let is_candidate =
        |path: &PathBuf| path != live && path.is_file() && has_extension(path, &["json", "age"]);
    let others = entries(folder)?.into_iter().filter(is_candidate);
    Ok(others
        .map(|path| ImportFile {
            may_be_anything: live.exists() && has_extension(&path, &["json"]),
            ..ImportFile::at(path)
        })
        .collect())
}

/// `<name>/auth.json` and `<name>.json`, but not the registers that lie beside them.
fn saved_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let saved = entries(folder)?.into_iter().filter_map(|path| {
        if path.is_dir() {
            let inside = path.join("auth.json");
            return (!is_hidden(&path) && inside.exists()).then_some(inside);
        }
        (has_extension(&path, &["json"]) && !is_register(&path)).then_some(path)
    });
    Ok(saved.collect())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_no_folder(&error) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn is_no_folder(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::NotADirectory
}

/// Only what lies in a folder for saved logins is named by its place.
fn name_of(path: &Path) -> Option<ProfileName> {
    let (folder, file) = (path.parent()?, path.file_name()?.to_str()?);
    let text = if file == "auth.json" && is_saved(folder.parent()?) {
        folder.file_name()?.to_str()?
    } else if is_saved(folder) && !file.ends_with(".auth.json") {
        file.strip_suffix(".json")?
    } else {
        return None;
    };
    ProfileName::parse(text).ok()
}

fn is_saved(folder: &Path) -> bool {
    let name = folder.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| SAVED.contains(&name))
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| name.starts_with('.'))
}

fn is_register(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "registry.json")
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let own = path.extension().and_then(OsStr::to_str);
    own.is_some_and(|own| extensions.iter().any(|one| own.eq_ignore_ascii_case(one)))
}
