//! How a target is reached: its settings, the text it gets, and the protocol.
//!
//! [`wires`] makes one [`Wire`] for each target that is on; [`Wire::send`] is one try. What a target must not take for more than
//! text is escaped here, value by value.

use super::chat::{Slack, Telegram};
use super::kind::Kind;
use super::letter::Letter;
use super::mail::Mail;
use super::syslog::Syslog;
use super::template::{Template, Text};
use super::webhook::Webhook;
use crate::config::{self, Notify};
use crate::outgoing::{self, Failure};
use reqwest::Client;
use std::time::Duration;

/// A kind of target; there is one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// JSON to a program.
    Webhook,
    /// A chat with Slack's incoming web hooks.
    Slack,
    /// A Telegram chat.
    Telegram,
    /// E-mail.
    Mail,
    /// A syslog server.
    Syslog,
}

impl Channel {
    /// Each there is.
    pub const ALL: [Channel; 5] =
        [Channel::Webhook, Channel::Slack, Channel::Telegram, Channel::Mail, Channel::Syslog];

    /// Its name in the configuration and in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Channel::Webhook => "webhook",
            Channel::Slack => "slack",
            Channel::Telegram => "telegram",
            Channel::Mail => "mail",
            Channel::Syslog => "syslog",
        }
    }

    /// What a name means.
    pub fn of(word: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.word() == word)
    }

    /// The text around an event's own when the configuration has none.
    const fn around(self) -> &'static str {
        match self {
            Channel::Webhook => "{text}",
            Channel::Slack => "*{title}* ({host})\n{text}",
            Channel::Telegram => "{title} ({host})\n{text}",
            Channel::Mail => "{text}\n\n{event} on {host} at {time}",
            Channel::Syslog => "{title}: {text}",
        }
    }
}

/// A target that is on.
pub(super) struct Wire {
    pub(super) events: Vec<Kind>,
    pub(super) per_minute: u32,
    pub(super) digest_interval: Duration,
    pub(super) attempts: u32,
    pub(super) retry_wait: Duration,
    pub(super) timeout: Duration,
    /// Where it goes, without a secret.
    pub(super) place: String,
    texts: Vec<(Text, Template)>,
    around: Template,
    protocol: Protocol,
}

enum Protocol {
    Webhook(Webhook),
    Slack(Slack),
    Telegram(Telegram),
    Mail(Box<Mail>),
    Syslog(Syslog),
}

/// The targets that are on.
///
/// # Errors
/// By target: when it cannot be made in spite of the checks of the configuration.
pub(super) fn wires(notify: &Notify) -> Vec<(Channel, Result<Wire, String>)> {
    let mut shared: Option<Result<Client, String>> = None;
    let mut client = || {
        let proxy = Some(notify.proxy.as_str()).filter(|proxy| !proxy.is_empty());
        shared.get_or_insert_with(|| outgoing::client(notify.timeout, notify.ca.as_deref(), proxy)).clone()
    };
    let mut made = Vec::new();
    let config::Notify { webhook, slack, telegram, mail, syslog, .. } = notify;
    if !webhook.url.is_empty() {
        let protocol = client().and_then(|client| Webhook::new(webhook, client)).map(Protocol::Webhook);
        let place = outgoing::place(&webhook.url);
        made.push((Channel::Webhook, protocol, place, &webhook.events, &webhook.template));
    }
    if !slack.url.is_empty() {
        let protocol = client().and_then(|client| Slack::new(slack, client)).map(Protocol::Slack);
        let place = outgoing::place(slack.url.expose());
        made.push((Channel::Slack, protocol, place, &slack.events, &slack.template));
    }
    if !telegram.token.is_empty() && !telegram.chat_id.is_empty() {
        let protocol = client().and_then(|client| Telegram::new(telegram, client)).map(Protocol::Telegram);
        let place = format!("{} chat {}", outgoing::place(&telegram.url), telegram.chat_id);
        made.push((Channel::Telegram, protocol, place, &telegram.events, &telegram.template));
    }
    if !mail.host.is_empty() {
        let protocol = Mail::new(mail, notify).map(|mail| Protocol::Mail(Box::new(mail)));
        let place = format!("{} by {}:{}", mail.to.join(", "), mail.host, mail.port);
        made.push((Channel::Mail, protocol, place, &mail.events, &mail.template));
    }
    if !syslog.address.is_empty() {
        let protocol = Syslog::new(syslog).map(Protocol::Syslog);
        made.push((Channel::Syslog, protocol, syslog.address.clone(), &syslog.events, &syslog.template));
    }
    let wire = |(channel, protocol, place, events, template): Parts| {
        (channel, protocol.and_then(|protocol| Wire::new(notify, channel, protocol, place, events, template)))
    };
    made.into_iter().map(wire).collect()
}

type Parts<'a> = (Channel, Result<Protocol, String>, String, &'a Vec<String>, &'a String);

impl Wire {
    fn new(
        notify: &Notify,
        channel: Channel,
        protocol: Protocol,
        place: String,
        events: &[String],
        template: &str,
    ) -> Result<Wire, String> {
        let read = |template: &str, text: Text| Template::new(template, text).map_err(|wrong| wrong.found);
        let each = Text::ALL.into_iter().chain([Text::Test]);
        let texts = each.map(|text| Ok((text, read(notify.templates.of(text).0, text)?)));
        let around = if template.is_empty() { channel.around() } else { template };
        Ok(Wire {
            events: events.iter().filter_map(|word| Kind::of(word)).collect(),
            per_minute: notify.per_minute,
            digest_interval: notify.digest_interval,
            attempts: notify.attempts,
            retry_wait: notify.retry_wait,
            timeout: notify.timeout,
            place,
            texts: texts.collect::<Result<_, String>>()?,
            around: read(around, Text::Around)?,
            protocol,
        })
    }

    /// The text of a message; `escape` makes a value harmless.
    pub(super) fn text(&self, letter: &Letter, host: &str, escape: impl Fn(&str) -> String) -> String {
        let value = |name: &str| escape(&letter.value(name, host));
        let own = self.texts.iter().find(|(text, _)| *text == letter.text);
        let own = own.map(|(_, template)| template.fill(value)).unwrap_or_default();
        self.around.fill(|name| if name == "text" { own.clone() } else { value(name) })
    }

    /// One try to deliver.
    ///
    /// # Errors
    /// Says whether to try again; holds no secret.
    pub(super) async fn send(&self, letter: &Letter, host: &str) -> Result<(), Failure> {
        let plain = || self.text(letter, host, str::to_owned);
        match &self.protocol {
            Protocol::Webhook(webhook) => webhook.send(letter, plain(), host).await,
            Protocol::Slack(slack) => slack.send(self.text(letter, host, super::chat::escaped)).await,
            Protocol::Telegram(telegram) => {
                telegram.send(self.text(letter, host, super::chat::without_pings)).await
            }
            Protocol::Mail(mail) => mail.send(letter, plain(), host).await,
            Protocol::Syslog(syslog) => syslog.send(letter, &plain(), host).await,
        }
    }
}
