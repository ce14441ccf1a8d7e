//! The corpus on disk.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

/// A file or folder of `tests/data`.
pub(crate) fn data(inside: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data")).join(inside)
}

/// The files of a folder of `tests/data`, by name without the ending, in order.
pub(crate) fn named(folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(data(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        // What insta leaves beside a snapshot that was not met is none.
        .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "new"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {folder}");
    files
}

/// Event streams of upstreams, by name.
pub(crate) fn streams() -> Vec<(String, Vec<u8>)> {
    named("streams")
}

/// Bodies of requests of this kind, `chat` or `responses`, by name.
pub(crate) fn requests(kind: &str) -> Vec<(String, Vec<u8>)> {
    #[derive(Deserialize)]
    struct Recorded<'a> {
        #[serde(borrow)]
        body: &'a RawValue,
    }

    let files = named(&format!("requests/{kind}")).into_iter();
    files
        .map(|(name, file)| {
            let recorded: Recorded = serde_json::from_slice(&file).unwrap();
            (name, recorded.body.get().into())
        })
        .collect()
}
