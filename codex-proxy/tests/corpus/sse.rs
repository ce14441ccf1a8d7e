//! An event stream read as the standard has it, slowly and in one piece (WHATWG HTML 9.2).

/// The data of the whole events of a stream.
pub(crate) fn data(stream: &[u8]) -> Vec<String> {
    let stream = String::from_utf8_lossy(stream);
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(&stream);
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut lines): (Vec<String>, Vec<&str>) = Default::default();
    // What follows the last line end is no line.
    for line in stream
        .rsplit_once('\n')
        .map_or("", |(whole, _)| whole)
        .split('\n')
    {
        if line.is_empty() && !lines.is_empty() {
            events.push(std::mem::take(&mut lines).join("\n"));
        } else if let Some(("data", value)) = line.split_once(':') {
            lines.push(value.strip_prefix(' ').unwrap_or(value));
        } else if line == "data" {
            lines.push("");
        }
    }
    events
}
