//! Reads `api.txt`: conversations with a real FreeSWITCH, both directions.

/// What one side sent at once, within one connection.
#[derive(Debug)]
pub(crate) enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// The connections of the file by title.
pub(crate) fn connections(file: &[u8]) -> Vec<(String, Vec<Step>)> {
    let mut rest = file;
    let mut found: Vec<(String, Vec<Step>)> = Vec::new();
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        rest = &rest[end + 1..];
        if let Some(title) = line.strip_prefix("=== ") {
            found.push((title.to_owned(), Vec::new()));
            continue;
        }
        let words: Vec<_> = line.split(' ').collect();
        let [mark @ (">>>" | "<<<"), _, count, "bytes"] = words[..] else { continue };
        let (bytes, after) = rest.split_at(count.parse().unwrap());
        let steps = &mut found.last_mut().unwrap().1;
        steps.push(if mark == ">>>" { Step::Client(bytes.to_vec()) } else { Step::Server(bytes.to_vec()) });
        rest = &after[1..];
    }
    found
}
