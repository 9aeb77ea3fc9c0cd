//! What `[notify]` says: who is told what, how, and the checks of it.
//!
//! Start with [`Notify`]. A value here has passed [`check`]; the secrets come from their files in [`read_files`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Secret;
use super::findings::Findings;
use super::load::{read_secret, read_text};
use super::model::words;
use super::nearest::nearest;
use super::network::is_loopback;
use crate::notify::{Kind, SyslogAddress, Template, Text};

/// Who is told what, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Notify {
    /// What is told, unless a target chooses; see [`Kind`].
    pub events: Vec<String>,
    /// Messages that a target gets in a minute at most; the rest goes into its digest.
    pub per_minute: u32,
    /// How long a digest collects.
    pub digest_interval: Duration,
    /// Tries for one message.
    pub attempts: u32,
    /// The wait after the first failure; it doubles up to a minute.
    pub retry_wait: Duration,
    /// The longest that one try may take.
    pub timeout: Duration,
    /// The proxy for webhook, Slack and Telegram; empty for none.
    pub proxy: String,
    /// Certificates that are believed beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Their text (PEM), after [`super::load()`].
    pub ca: Option<String>,
    /// The text of a message, by event.
    pub templates: Templates,
    /// JSON to a program.
    pub webhook: Webhook,
    /// A chat with Slack's incoming web hooks.
    pub slack: Slack,
    /// A Telegram chat.
    pub telegram: Telegram,
    /// E-mail.
    pub mail: Mail,
    /// A syslog server.
    pub syslog: Syslog,
}

/// The text of a message, by event.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is named for its event")]
pub struct Templates {
    pub alarm: String,
    pub alert: String,
    pub ban: String,
    pub unban: String,
    pub would_ban: String,
    pub hang_up: String,
    pub switch: String,
    pub digest: String,
}

/// JSON to a program; on when there is an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Webhook {
    /// Where it is posted.
    pub url: String,
    /// The key of the signature; none without it.
    pub secret: Secret,
    /// A file whose first line is the key.
    pub secret_file: Option<PathBuf>,
    /// What is told.
    pub events: Vec<String>,
    /// The text around an event's own.
    pub template: String,
}

/// A chat with Slack's incoming web hooks; on when there is an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slack {
    /// The web hook's address, which is a secret.
    pub url: Secret,
    /// A file whose first line is the address.
    pub url_file: Option<PathBuf>,
    /// What is told.
    pub events: Vec<String>,
    /// The text around an event's own.
    pub template: String,
}

/// A Telegram chat; on when there is a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Telegram {
    /// The server of the Bot API.
    pub url: String,
    /// The bot's token.
    pub token: Secret,
    /// A file whose first line is the token.
    pub token_file: Option<PathBuf>,
    /// The chat: a number, or `@name` of a channel.
    pub chat_id: String,
    /// What is told.
    pub events: Vec<String>,
    /// The text around an event's own.
    pub template: String,
}

/// E-mail; on when there is a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way is encrypted.
    pub tls: MailTls,
    /// Whom we log in as; empty for nobody.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// What is told.
    pub events: Vec<String>,
    /// The text around an event's own.
    pub template: String,
}

/// A syslog server; on when there is an address.
#[derive(Clone, Debug, PartialEq)]
pub struct Syslog {
    /// See [`SyslogAddress`]; empty for none.
    pub address: String,
    /// Which facility messages have.
    pub facility: Facility,
    /// What is told.
    pub events: Vec<String>,
    /// The text around an event's own.
    pub template: String,
}

words! {
    /// How the way to the mail server is encrypted.
    MailTls {
        /// Encryption is asked for, and insisted on.
        Starttls = "starttls",
        /// Encrypted from the first byte.
        Tls = "tls",
        /// Not at all.
        None = "none",
    }
}

words! {
    /// Facilities of syslog (RFC 5424 section 6.2.1).
    Facility {
        /// 3
        Daemon = "daemon",
        /// 4
        Auth = "auth",
        /// 10
        Authpriv = "authpriv",
        /// 16
        Local0 = "local0",
        /// 17
        Local1 = "local1",
        /// 18
        Local2 = "local2",
        /// 19
        Local3 = "local3",
        /// 20
        Local4 = "local4",
        /// 21
        Local5 = "local5",
        /// 22
        Local6 = "local6",
        /// 23
        Local7 = "local7",
    }
}

impl Default for Notify {
    fn default() -> Self {
        let events = vec!["alarm".to_owned(), "alert".to_owned()];
        Self {
            per_minute: 10,
            digest_interval: Duration::from_secs(300),
            attempts: 6,
            retry_wait: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
            proxy: String::new(),
            ca_file: None,
            ca: None,
            templates: Templates::default(),
            webhook: Webhook { events: events.clone(), ..Webhook::default() },
            slack: Slack { events: events.clone(), ..Slack::default() },
            telegram: Telegram {
                url: "https://api.telegram.org".into(),
                token: Secret::default(),
                token_file: None,
                chat_id: String::new(),
                events: events.clone(),
                template: String::new(),
            },
            mail: Mail {
                host: String::new(),
                port: 587,
                tls: MailTls::Starttls,
                user: String::new(),
                password: Secret::default(),
                password_file: None,
                from: String::new(),
                to: Vec::new(),
                events: events.clone(),
                template: String::new(),
            },
            syslog: Syslog {
                address: String::new(),
                facility: Facility::Daemon,
                events: events.clone(),
                template: String::new(),
            },
            events,
        }
    }
}

impl Default for Templates {
    fn default() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            alarm: text("{message} (since {since})"),
            alert: text("{message}"),
            ban: text("{reason}. Rule {rule}, evidence {evidence}; {scope} for {length}, by {who}."),
            unban: text("Lifted by {who}; it was banned by {rule}: {reason}"),
            would_ban: text("{reason}. Rule {rule}, evidence {evidence}; it would be {scope} for {length}."),
            hang_up: text("{reason}"),
            switch: text("{trouble}"),
            digest: text("{summary}"),
        }
    }
}

impl Templates {
    /// The template of an event, and the last part of its key.
    pub fn of(&self, text: Text) -> (&str, &'static str) {
        match text {
            Text::Event(Kind::Alarm) => (&self.alarm, "alarm"),
            Text::Event(Kind::Alert) => (&self.alert, "alert"),
            Text::Event(Kind::Ban) => (&self.ban, "ban"),
            Text::Event(Kind::Unban) => (&self.unban, "unban"),
            Text::Event(Kind::WouldBan) => (&self.would_ban, "would_ban"),
            Text::Event(Kind::HangUp) => (&self.hang_up, "hang_up"),
            Text::Event(Kind::Switch) => (&self.switch, "switch"),
            Text::Digest => (&self.digest, "digest"),
            Text::Test | Text::Around => ("{text}", ""),
        }
    }
}

impl Telegram {
    /// Whether there is a token, or will be.
    fn is_on(&self) -> bool {
        !self.token.is_empty() || self.token_file.is_some()
    }
}

impl Notify {
    fn targets(&self) -> [(&'static str, &Vec<String>, &String); 5] {
        [
            ("webhook", &self.webhook.events, &self.webhook.template),
            ("slack", &self.slack.events, &self.slack.template),
            ("telegram", &self.telegram.events, &self.telegram.template),
            ("mail", &self.mail.events, &self.mail.template),
            ("syslog", &self.syslog.events, &self.syslog.template),
        ]
    }
}

/// Finds what one value alone cannot show, and fills in the mail server's usual port.
pub(super) fn check(notify: &mut Notify, findings: &mut Findings) {
    if findings.place("notify.mail.port").is_none() {
        notify.mail.port = match notify.mail.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        };
    }
    check_events("notify.events", &notify.events, findings);
    for (name, events, template) in notify.targets() {
        let path = format!("notify.{name}.events");
        if findings.place(&path).is_some() {
            check_events(&path, events, findings);
        }
        check_template(&format!("notify.{name}.template"), template, Text::Around, findings);
    }
    for text in Text::ALL {
        let (template, name) = notify.templates.of(text);
        if !name.is_empty() {
            check_template(&format!("notify.templates.{name}"), template, text, findings);
        }
    }
    check_addresses(notify, findings);
    check_mail(&notify.mail, findings);
    check_halves(findings);
}

fn check_events(path: &str, events: &[String], findings: &mut Findings) {
    let words = Kind::ALL.map(Kind::word);
    for event in events.iter().filter(|event| Kind::of(event).is_none()) {
        let near = nearest(event, words);
        let mend = near.map_or("remove it".to_owned(), |near| format!("write \"{near}\""));
        let expected = format!("some of {}", words.join(", "));
        findings.error(findings.at(path), &format!("{event:?}"), &expected, &mend);
    }
}

fn check_template(path: &str, template: &str, text: Text, findings: &mut Findings) {
    if let Err(wrong) = Template::new(template, text) {
        findings.error(findings.at(path), &wrong.found, &wrong.expected, &wrong.mend);
    }
}

fn check_addresses(notify: &Notify, findings: &mut Findings) {
    for (path, url) in [
        ("notify.webhook.url", notify.webhook.url.as_str()),
        ("notify.telegram.url", notify.telegram.url.as_str()),
        ("notify.proxy", notify.proxy.as_str()),
    ] {
        if !url.is_empty() && !is_url(url) {
            // Addresses may hold passwords.
            findings.error(findings.at(path), "a text that is no address", URL, "write a whole one");
        }
    }
    if !notify.slack.url.is_empty() && !is_url(notify.slack.url.expose()) {
        findings.error(
            findings.at("notify.slack.url"),
            "a text that is no address",
            URL,
            "copy it from the chat's settings",
        );
    }
    let telegram = &notify.telegram;
    if telegram.is_on() && telegram.chat_id.is_empty() {
        let mend = "set notify.telegram.chat_id to the chat's number, or to the @name of a channel";
        findings.warning(
            findings.at("notify.telegram.token"),
            "a token without chat_id",
            "both; nothing is sent",
            mend,
        );
    }
    if telegram.is_on() && telegram.url.is_empty() {
        findings.error(findings.at("notify.telegram.url"), "an empty text", URL, "remove the key");
    }
    if !telegram.token.is_empty() && !is_token(telegram.token.expose()) {
        findings.error(
            findings.at("notify.telegram.token"),
            "a text that is no token",
            TOKEN,
            "copy it once more",
        );
    }
    let address = &notify.syslog.address;
    if !address.is_empty()
        && let Err(expected) = address.parse::<SyslogAddress>()
    {
        findings.error(findings.at("notify.syslog.address"), &format!("{address:?}"), &expected, "");
    }
}

fn check_mail(mail: &Mail, findings: &mut Findings) {
    let is_address = |text: &str| text.parse::<lettre::message::Mailbox>().is_ok();
    let expected = "an address, such as \"pbx@example.net\" or \"PBX <pbx@example.net>\"";
    if !mail.from.is_empty() && !is_address(&mail.from) {
        findings.error(findings.at("notify.mail.from"), &format!("{:?}", mail.from), expected, "");
    }
    for to in mail.to.iter().filter(|to| !is_address(to)) {
        findings.error(findings.at("notify.mail.to"), &format!("{to:?}"), expected, "mend or remove it");
    }
    if mail.host.is_empty() {
        return;
    }
    for (name, is_missing) in [("from", mail.from.is_empty()), ("to", mail.to.is_empty())] {
        if is_missing {
            let found = format!("a mail server without {name}");
            findings.error(
                findings.at("notify.mail.host"),
                &found,
                "both",
                &format!("set notify.mail.{name}"),
            );
        }
    }
    let has_password = !mail.password.is_empty() || mail.password_file.is_some();
    if has_password && mail.user.is_empty() {
        findings.error(
            findings.at("notify.mail.password"),
            "a password without user",
            "both",
            "set notify.mail.user",
        );
    }
    if has_password && mail.tls == MailTls::None && !is_loopback(&mail.host) {
        findings.warning(
            findings.at("notify.mail.tls"),
            "\"none\" with a password, which then goes over the network for all to read",
            "\"starttls\" or \"tls\"",
            "choose one of them",
        );
    }
}

/// A target that is configured in part, and a secret in two places.
fn check_halves(findings: &mut Findings) {
    for (target, on, others) in [
        ("webhook", &["url"][..], &["secret", "secret_file", "events", "template"][..]),
        ("slack", &["url", "url_file"], &["events", "template"]),
        ("telegram", &["token", "token_file"], &["chat_id", "events", "template"]),
        ("mail", &["host"], &["user", "password", "password_file", "from", "to", "events", "template"]),
        ("syslog", &["address"], &["facility", "events", "template"]),
    ] {
        let path = |name: &&str| format!("notify.{target}.{name}");
        if on.iter().any(|name| findings.place(&path(name)).is_some()) {
            continue;
        }
        if let Some(half) = others.iter().map(path).find(|path| findings.place(path).is_some()) {
            let found = format!("a target without {}", on[0]);
            let mend = format!("set notify.{target}.{}, or remove this", on[0]);
            findings.warning(findings.at(&half), &found, "both; nothing is sent", &mend);
        }
    }
    for (key, file) in [
        ("notify.webhook.secret", "notify.webhook.secret_file"),
        ("notify.slack.url", "notify.slack.url_file"),
        ("notify.telegram.token", "notify.telegram.token_file"),
        ("notify.mail.password", "notify.mail.password_file"),
    ] {
        if findings.place(key).is_some() && findings.place(file).is_some() {
            let mend = format!("remove {key}; the file wins");
            findings.warning(findings.at(key), "a secret beside a file with it", "one of the two", &mend);
        }
    }
}

/// Puts the content of the files in the place of their names.
pub(super) fn read_files(notify: &mut Notify, directory: &Path, findings: &mut Findings) {
    let webhook = (&notify.webhook.secret_file, &mut notify.webhook.secret, "notify.webhook.secret_file");
    let slack = (&notify.slack.url_file, &mut notify.slack.url, "notify.slack.url_file");
    let telegram = (&notify.telegram.token_file, &mut notify.telegram.token, "notify.telegram.token_file");
    let mail = (&notify.mail.password_file, &mut notify.mail.password, "notify.mail.password_file");
    for (file, secret, key) in [webhook, slack, telegram, mail] {
        let Some(file) = file else { continue };
        let Some(text) = read_secret(&directory.join(file), key, findings) else { continue };
        *secret = text;
        let (fits, expected) = match key {
            "notify.slack.url_file" => (is_url(secret.expose()), URL),
            "notify.telegram.token_file" => (is_token(secret.expose()), TOKEN),
            _ => (true, ""),
        };
        if !fits {
            findings.error(
                findings.at(key),
                "a first line that does not fit",
                expected,
                "write it into the file",
            );
        }
    }
    let Some(file) = &notify.ca_file else { return };
    let Some(text) = read_text(&directory.join(file), "notify.ca_file", findings) else { return };
    match reqwest::Certificate::from_pem_bundle(text.as_bytes()) {
        Ok(all) if !all.is_empty() => notify.ca = Some(text),
        _ => findings.error(
            findings.at("notify.ca_file"),
            "a file without certificates",
            "certificates in PEM",
            "name a file with -----BEGIN CERTIFICATE-----",
        ),
    }
}

fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-'))
}

const URL: &str = "an http:// or https:// address";
const TOKEN: &str = "the bot's token: digits, a colon, letters and digits";
