//! Decodes the captures in pieces.

use esl::{DecodeError, Decoder, End, Format, FrameKind, Limits};

pub(crate) use captures::{capture, directory};

#[path = "../material/captures.rs"]
mod captures;

/// Every capture of one connection, and the name of its format.
pub(crate) const STREAMS: &[&str] = &[
    "calls.plain.esl",
    "flood.plain.esl",
    "flood_mixed.plain.esl",
    "hostile.json.esl",
    "hostile.plain.esl",
    "hostile.xml.esl",
    "killed_listener_tail.plain.esl",
    "mixed.json.esl",
    "mixed.plain.esl",
    "mixed.xml.esl",
    "other_methods.plain.esl",
    "register_fail.plain.esl",
    "register_ok.plain.esl",
    "scanner.plain.esl",
    "session_rate.plain.esl",
    "shutdown.plain.esl",
    "wrong_call_state.plain.esl",
];

/// A frame with its bytes copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) kind: FrameKind,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) spliced: bool,
}

/// Everything that comes out of `bytes` when they arrive in the pieces that `sizes` tells, over and over.
pub(crate) fn decode(bytes: &[u8], sizes: &[usize]) -> (Vec<Owned>, Result<End, DecodeError>) {
    decode_with(bytes, sizes, Limits::default())
}

pub(crate) fn decode_with(
    bytes: &[u8],
    sizes: &[usize],
    limits: Limits,
) -> (Vec<Owned>, Result<End, DecodeError>) {
    let mut decoder = Decoder::new(limits);
    let mut frames = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        decoder.push(piece);
        rest = after;
        loop {
            match decoder.next() {
                Ok(None) => break,
                Ok(Some(frame)) => frames.push(Owned {
                    kind: frame.kind(),
                    headers: frame.headers().map(|(n, v)| (n.to_vec(), v.to_vec())).collect(),
                    body: frame.body().to_vec(),
                    spliced: frame.is_spliced(),
                }),
                Err(error) => return (frames, Err(error)),
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    (frames, Ok(decoder.finish()))
}

/// The bodies of all events of a capture.
pub(crate) fn event_bodies(name: &str) -> Vec<(Format, Vec<u8>)> {
    let (frames, end) = decode(&capture(name), &[usize::MAX]);
    end.unwrap();
    frames
        .into_iter()
        .filter_map(|frame| match frame.kind {
            FrameKind::Event(format) => Some((format, frame.body)),
            _ => None,
        })
        .collect()
}
