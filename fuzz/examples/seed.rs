//! Writes the corpus of `tests/data` where the fuzz targets begin: `fuzz/corpus`.

use std::{fs, io, path::Path};

use serde_json::value::RawValue;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = root.join("../tests/data");
    for kind in ["chat", "responses"] {
        for (name, file) in files(&data.join("requests").join(kind))? {
            let recorded: Recorded = serde_json::from_slice(&file)?;
            let body = recorded.body.get().as_bytes();
            for target in [
                "chat_request",
                "responses_request",
                "conversation",
                "ws_turn",
            ] {
                write(root, target, &format!("{kind}-{name}"), body)?;
            }
        }
    }
    for (name, stream) in files(&data.join("streams"))? {
        write(root, "sse", &name, &[&[100, 1], &stream[..]].concat())?;
        for client in [0, 9, 16, 34] {
            let input = [&[client, 100, 1], &stream[..]].concat();
            write(root, "chat_stream", &format!("{client}-{name}"), &input)?;
        }
        for (number, event) in stream.split(|byte| *byte == b'\n').enumerate() {
            if let Some(data) = event.strip_prefix(b"data: ") {
                write(root, "ws_turn", &format!("{name}-{number}"), data)?;
            }
        }
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct Recorded<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
}

fn files(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((
            entry.file_name().to_string_lossy().into_owned(),
            fs::read(entry.path())?,
        ))
    };
    fs::read_dir(folder)?.map(read).collect()
}

fn write(root: &Path, target: &str, name: &str, input: &[u8]) -> io::Result<()> {
    let folder = root.join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), input)
}
