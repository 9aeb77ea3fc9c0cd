//! The channels that a text names.

/// What of a text looks like the UUID of a channel, each once; so many at most.
pub(super) fn channels(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut rest = text;
    while found.len() < MOST_CHANNELS {
        let Some(at) = (0..rest.len().saturating_sub(UUID - 1))
            .find(|at| rest.as_bytes().get(*at..at + UUID).is_some_and(is_uuid))
        else {
            break;
        };
        let uuid = &rest[at..at + UUID];
        if !found.contains(&uuid) {
            found.push(uuid);
        }
        rest = &rest[at + UUID..];
    }
    found
}

/// Whether it has the looks of a UUID (RFC 9562 section 4).
fn is_uuid(text: &[u8]) -> bool {
    text.len() == UUID
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Channels of one command whose owners are asked for; others are nobody's.
const MOST_CHANNELS: usize = 16;
const UUID: usize = 36;
