//! What a server answers, in FreeSWITCH's own words. Every function appends one frame to `out`.
//!
//! Texts that come from elsewhere are made safe: a control character in a reply line becomes a blank, so that nobody
//! can add a header or a frame. Bodies are framed by their length and stay as they are.

/// The greeting: asks for `auth`.
pub fn auth_request(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Type: auth/request\n\n");
}

/// A `command/reply` of any text.
pub fn command_reply(out: &mut Vec<u8>, text: &str) {
    command_reply_with(out, text, &[]);
}

/// A `command/reply` with headers of its own, such as `Job-UUID`.
pub fn command_reply_with(out: &mut Vec<u8>, text: &str, headers: &[(&str, &str)]) {
    out.extend_from_slice(b"Content-Type: command/reply\nReply-Text: ");
    push_line(out, text);
    for (name, value) in headers {
        push_text(out, name);
        out.extend_from_slice(b": ");
        push_line(out, value);
    }
    out.push(b'\n');
}

/// The reply to `bgapi`.
pub fn job_started(out: &mut Vec<u8>, job: &str) {
    command_reply_with(out, &format!("+OK Job-UUID: {job}"), &[("Job-UUID", job)]);
}

/// The reply to `event`.
pub fn event_listener_enabled(out: &mut Vec<u8>, format: crate::Format) {
    command_reply(out, &format!("+OK event listener enabled {}", format.as_str()));
}

/// The reply to a `userauth` that was accepted. `events`, `api`: `all` or a list.
pub fn user_accepted(out: &mut Vec<u8>, events: &str, api: &str, log: bool) {
    let log = if log { "true" } else { "false" };
    command_reply_with(
        out,
        ACCEPTED,
        &[("Allowed-Events", events), ("Allowed-API", api), ("Allowed-LOG", log)],
    );
}

/// The answer to `api`.
pub fn api_response(out: &mut Vec<u8>, body: &[u8]) {
    with_body(out, "api/response", body);
}

/// What a refused address gets instead of the greeting, the notice included.
pub fn rude_rejection(out: &mut Vec<u8>) {
    with_body(out, "text/rude-rejection", b"Access Denied, go away.\n");
    disconnect_notice(out, GOODBYE);
}

/// A disconnect notice; see [`GOODBYE`], [`SHUTDOWN`] and [`KILLED_LISTENER`].
pub fn disconnect_notice(out: &mut Vec<u8>, text: &str) {
    with_body(out, "text/disconnect-notice", text.as_bytes());
}

/// The notice that a connection stays although the channel that it controls has hung up: for so many seconds, or without an end (-1).
pub fn linger_notice(out: &mut Vec<u8>, channel: &str, name: &str, seconds: i64) {
    out.extend_from_slice(b"Content-Type: text/disconnect-notice\nControlled-Session-UUID: ");
    push_line(out, channel);
    out.extend_from_slice(b"Content-Disposition: linger\nChannel-Name: ");
    push_line(out, name);
    out.extend_from_slice(format!("Linger-Time: {seconds}\nContent-Length: 0\n\n").as_bytes());
}

/// The reply to `auth` or `userauth` with the right password.
pub const ACCEPTED: &str = "+OK accepted";
/// The reply to a wrong password; a [`GOODBYE`] notice follows.
pub const INVALID: &str = "-ERR invalid";
/// The reply to a command that is not known, or not allowed before `auth`.
pub const COMMAND_NOT_FOUND: &str = "-ERR command not found";
/// The reply to a command that the user may not use.
pub const PERMISSION_DENIED: &str = "-ERR permission denied";
/// The reply to `event` or `nixevent` without a known name.
pub const NO_KEYWORDS: &str = "-ERR no keywords supplied";
/// The reply to `nixevent`.
pub const EVENTS_NIXED: &str = "+OK events nixed";
/// The reply to `noevents`.
pub const NO_EVENTS: &str = "+OK no longer listening for events";
/// The reply to `noevents` without a subscription.
pub const NOT_LISTENING: &str = "-ERR not listening for events";
/// The reply to `nolog`.
pub const NO_LOG: &str = "+OK no longer logging";
/// The reply to `exit`; a [`GOODBYE`] notice follows.
pub const BYE: &str = "+OK bye";
/// The notice after `exit`, a failed `auth`, a refusal or the time-out before `auth`.
pub const GOODBYE: &str = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";
/// The notice when the server stops.
pub const SHUTDOWN: &str = "The system is being shut down.\n";
/// The notice to a listener that did not read.
pub const KILLED_LISTENER: &str = "killed listener because of lost events\n";

fn with_body(out: &mut Vec<u8>, content_type: &str, body: &[u8]) {
    let head = format!("Content-Type: {content_type}\nContent-Length: {}\n\n", body.len());
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
}

fn push_line(out: &mut Vec<u8>, text: &str) {
    push_text(out, text);
    out.push(b'\n');
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
}
