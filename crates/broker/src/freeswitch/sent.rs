//! Messages to channels and events that a client sends: what they would do.

use super::Unfolding;
use crate::announcement::Announcement;
use crate::catalogue::Catalogue;
use crate::deed::{Deed, Deeds, EventHeader};
use crate::message::{Action, Message};

/// What a message to a channel would do; the first is the command `sendmsg UUID`.
pub(crate) fn unfold_message(message: &Message, catalogue: &Catalogue) -> Deeds {
    let mut walk = Unfolding { catalogue, deeds: Deeds::default(), depth: 0 };
    let channel = message.channel().unwrap_or_default();
    let command = |name: &str, arguments: String| Deed::Command { name: name.into(), arguments };
    walk.deeds.push(command("sendmsg", channel.to_owned()));
    match message.action() {
        Action::Execute { application, arguments } => walk.application(application, arguments),
        Action::Hangup { cause } => {
            let cause = cause.as_deref().map(|cause| format!(" {cause}")).unwrap_or_default();
            walk.deeds.push(command("uuid_kill", format!("{channel}{cause}")));
        }
        Action::NoMedia { channel } => walk.deeds.push(command("uuid_media", format!("off {channel}"))),
        Action::Unicast(options) => {
            let options: Vec<&str> = options.iter().map(|(_, value)| value.as_str()).collect();
            walk.deeds.push(command("unicast", format!("{channel} {}", options.join(" "))));
        }
        Action::Extension(steps) => {
            for (name, step) in steps {
                walk.application(name, step[name.len()..].trim_matches(' '));
            }
        }
    }
    walk.deeds
}

/// What an event would do.
pub(crate) fn unfold_announcement(event: &Announcement, catalogue: &Catalogue) -> Deeds {
    let mut walk = Unfolding { catalogue, deeds: Deeds::default(), depth: 0 };
    let entry = catalogue.event(event.name(), event.subclass());
    let headers = event.own_headers().iter().map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        EventHeader { decides: entry.is_none_or(|entry| entry.decides(&name)), name, value: value.clone() }
    });
    walk.deeds.push(Deed::Event {
        name: event.name().to_ascii_lowercase(),
        subclass: event.subclass().map(str::to_owned),
        headers: headers.collect(),
    });
    for (name, value) in event.own_headers() {
        // The chat interface "api" runs the recipient as a command; a list of interfaces may hold it.
        if name.eq_ignore_ascii_case("dest_proto") && (value.contains("api") || !crate::line::is_name(value))
        {
            walk.undecidable(value, "a way of delivery that may run a command");
        }
        // Some go into dial plans and variables.
        walk.expressions(value);
    }
    walk.deeds
}
