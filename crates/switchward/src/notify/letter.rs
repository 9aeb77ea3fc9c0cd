//! One message before it has its final form: what happened, as values for a template and as JSON.
//!
//! Everything that an attacker or an operator chose goes through [`plain`]: one line, printable, no marks that turn the
//! direction of writing, bounded.

use super::kind::{Kind, Severity};
use super::template::Text;
use crate::clock;
use crate::geo::{Atlas, Place};
use crate::news::{self, Alarm, Event, Item};
use guard::ban::span;
use guard::{Alert, Ban, Origin, Scope, Time};
use serde_json::{Value, json};

/// What is told, once, to one target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter {
    /// The same in every try, and never used twice.
    pub id: String,
    /// When it happened.
    pub at: Time,
    /// What it is.
    pub text: Text,
    /// How grave it is.
    pub severity: Severity,
    /// The switch that it is about; empty for none.
    pub switch: String,
    /// In a few words.
    pub title: String,
    /// The values of its own variables.
    pub values: Vec<(&'static str, String)>,
    /// The same for a program.
    pub data: Value,
}

impl Letter {
    /// The message about an item of the news, when there is one.
    pub(super) fn of(item: &Item, atlas: &Atlas) -> Option<Letter> {
        let text = Text::Event(Kind::of_event(&item.event)?);
        let (severity, title, switch, values, data) = match &item.event {
            Event::Alarm(alarm) => of_alarm(alarm),
            Event::Alert { switch, alert } => of_alert(switch, alert),
            Event::Banned(ban) => of_ban("Banned", Severity::Warning, ban, atlas, item),
            Event::WouldBan(ban) => of_ban("Would be banned:", Severity::Info, ban, atlas, item),
            Event::Lifted(ban, by) => of_lift(ban, by),
            Event::HangUp { switch, source, why } => {
                let values = vec![("source", source.to_string()), ("reason", plain(why))];
                let data = json!({ "source": source.to_string(), "reason": plain(why) });
                (Severity::Warning, format!("Hanging up a call from {source}"), plain(switch), values, data)
            }
            Event::Switch { switch, connected, trouble } => of_switch(switch, *connected, trouble),
            Event::Expired(_) | Event::Allowed(_) | Event::Disallowed(..) => return None,
        };
        Some(Letter { id: item.number.to_string(), at: item.at, text, severity, switch, title, values, data })
    }

    /// A message to see whether messages arrive.
    pub(super) fn test(target: &str) -> Letter {
        let at = clock::now();
        Letter {
            id: format!("test-{}", at.micros()),
            at,
            text: Text::Test,
            severity: Severity::Info,
            switch: String::new(),
            title: "Test message".into(),
            values: vec![("text", format!("Notifications for {target} arrive here."))],
            data: json!({}),
        }
    }

    /// What a variable stands for; `host` is this machine's name.
    pub(super) fn value(&self, name: &str, host: &str) -> String {
        match name {
            "event" => self.text.word().into(),
            "title" => self.title.clone(),
            "time" => clock::rfc3339(Some(self.at)),
            "host" => host.into(),
            "severity" => self.severity.word().into(),
            "switch" => self.switch.clone(),
            own => {
                let found = self.values.iter().find(|(known, _)| *known == own);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            }
        }
    }
}

type Parts = (Severity, String, String, Vec<(&'static str, String)>, Value);

fn of_alarm(alarm: &Alarm) -> Parts {
    let subject = plain(&alarm.subject);
    let about = if subject.is_empty() { String::new() } else { format!(" ({subject})") };
    let severity = match alarm.severity {
        news::Severity::Critical => Severity::Critical,
        news::Severity::Warning => Severity::Warning,
        news::Severity::Info => Severity::Info,
    };
    let (severity, title, state) = match alarm.raised {
        true => (severity, format!("Alarm: {}{about}", alarm.name), "raised"),
        false => (Severity::Notice, format!("Alarm over: {}{about}", alarm.name), "over"),
    };
    let since = clock::rfc3339(Some(alarm.since));
    let data = json!({
        "name": alarm.name, "subject": subject, "raised": alarm.raised, "since": since, "message": plain(&alarm.text),
    });
    let values = vec![
        ("name", alarm.name.into()),
        ("subject", subject),
        ("state", state.into()),
        ("since", since),
        ("message", plain(&alarm.text)),
    ];
    (severity, title, String::new(), values, data)
}

fn of_alert(switch: &str, alert: &Alert) -> Parts {
    let (kind, source, message) = (alert.kind.word(), alert.source.to_string(), plain(&alert.text));
    let data = json!({ "kind": kind, "source": source, "message": message });
    let title = format!("Alert: {kind} ({source})");
    let values = vec![("kind", kind.into()), ("source", source), ("message", message)];
    let severity = if kind == "fraud-learning" { Severity::Info } else { Severity::Critical };
    (severity, title, plain(switch), values, data)
}

fn of_ban(verb: &str, severity: Severity, ban: &Ban, atlas: &Atlas, item: &Item) -> Parts {
    let &Item { at, dry_run, .. } = item;
    let place = atlas.place(ban.target);
    let country = place.as_ref().and_then(|place| place.country).map(|country| country.to_string());
    let system = place.and_then(|place| Place { country: None, ..place }.words());
    let reason = &ban.reason;
    let target = ban.target.to_string();
    let (scope, scope_words) = match ban.scope {
        Scope::Sip => ("sip", "SIP ports"),
        Scope::All => ("all", "all packets"),
    };
    let length = ban.remaining(at).map_or_else(|| "good".into(), span);
    let names = |all: &[String]| all.iter().map(|name| plain(name)).collect::<Vec<_>>();
    let (users, domains, agents) = (names(&reason.users), names(&reason.domains), names(&reason.agents));
    let who = origin(&ban.origin);
    let data = json!({
        "target": target, "scope": scope, "until": ban.until.map(|until| clock::rfc3339(Some(until))),
        "ttl": ban.remaining(at).map(|left| left.as_secs()), "rule": plain(&reason.rule),
        "evidence": reason.evidence.word(), "count": reason.count, "reason": plain(&reason.text), "users": users,
        "domains": domains, "agents": agents, "by": who, "country": country, "as": system,
        "dry_run": dry_run,
    });
    let title = format!("{verb} {target}{}", if dry_run { " (dry run)" } else { "" });
    let values = vec![
        ("target", target),
        ("scope", scope_words.into()),
        ("length", length),
        ("until", ban.until.map_or_else(|| "never".into(), |until| clock::rfc3339(Some(until)))),
        ("rule", plain(&reason.rule)),
        ("evidence", reason.evidence.word().into()),
        ("count", reason.count.to_string()),
        ("reason", plain(&reason.text)),
        ("users", users.join(", ")),
        ("domains", domains.join(", ")),
        ("agents", agents.join(", ")),
        ("who", who),
        ("country", country.unwrap_or_default()),
        ("as", system.unwrap_or_default()),
    ];
    (severity, title, plain(&reason.switch), values, data)
}

fn of_lift(ban: &Ban, by: &Origin) -> Parts {
    let (target, who) = (ban.target.to_string(), origin(by));
    let (rule, reason) = (plain(&ban.reason.rule), plain(&ban.reason.text));
    let data = json!({ "target": target, "by": who, "rule": rule, "reason": reason });
    let title = format!("Ban lifted: {target}");
    let values = vec![("target", target), ("who", who), ("rule", rule), ("reason", reason)];
    (Severity::Notice, title, plain(&ban.reason.switch), values, data)
}

fn of_switch(switch: &str, connected: bool, trouble: &str) -> Parts {
    let switch = plain(switch);
    let (severity, title, state) = match connected {
        true => (Severity::Notice, format!("Switch {switch} is connected"), "connected"),
        false => (Severity::Error, format!("Switch {switch} is lost"), "lost"),
    };
    let trouble = match plain(trouble) {
        empty if empty.is_empty() => "Its events are read.".into(),
        trouble => trouble,
    };
    let data = json!({ "connected": connected, "trouble": if connected { "" } else { &trouble } });
    (severity, title, switch, vec![("state", state.into()), ("trouble", trouble)], data)
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Guard => "the guard".into(),
        Origin::Operator(who) => plain(who),
    }
}

/// One line without control characters and without marks that turn the direction of writing, of at most
/// [`LONGEST`] characters.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{2028}'
        | '\u{2029}' => '\u{fffd}',
        c if c.is_control() => ' ',
        c => c,
    };
    let mut kept: String = text.chars().map(harmless).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        kept.push('…');
    }
    kept
}

/// Characters of a value.
const LONGEST: usize = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_an_event_has_a_value_and_no_other() {
        let now = Time::from_secs(1_795_234_698);
        let ban = std::sync::Arc::new(Ban {
            target: "192.0.2.1".parse().unwrap(),
            scope: Scope::Sip,
            since: now,
            until: None,
            origin: Origin::Operator("alice\r\nBcc: x".into()),
            reason: guard::Reason::operator("\u{202e}evil\n", now),
            note: String::new(),
        });
        let source = guard::Source::of("192.0.2.1".parse().unwrap());
        let alert = Alert { kind: guard::AlertKind::Compromise, source, text: "x".into() };
        let alarm = Alarm {
            name: "silence",
            subject: "pbx".into(),
            raised: true,
            severity: news::Severity::Critical,
            since: now,
            text: "t".into(),
        };
        let events = [
            Event::Banned(ban.clone()),
            Event::WouldBan(ban.clone()),
            Event::Lifted(ban.clone(), Origin::Guard),
            Event::HangUp { switch: "pbx".into(), source, why: "w".into() },
            Event::Alert { switch: "pbx".into(), alert },
            Event::Switch { switch: "pbx".into(), connected: false, trouble: "t".into() },
            Event::Alarm(std::sync::Arc::new(alarm)),
        ];
        for event in events {
            let letter =
                Letter::of(&Item { number: 7, at: now, event, dry_run: false }, &crate::geo::tests::atlas())
                    .unwrap();
            if letter.title.starts_with("Banned") {
                let told = ["country", "as"].map(|name| letter.value(name, ""));
                assert_eq!(told, ["DE", "AS64496 Example Net"]);
                assert_eq!(letter.data["country"], "DE");
            }
            let mut own: Vec<&str> = letter.values.iter().map(|(name, _)| *name).collect();
            let mut listed = letter.text.variables().to_vec();
            own.sort_unstable();
            listed.sort_unstable();
            assert_eq!(own, listed, "{:?}", letter.text);
            assert!(letter.values.iter().all(|(_, value)| !value.contains(char::is_control)), "{letter:?}");
        }
        let expired = Item { number: 7, at: now, event: Event::Expired(ban.clone()), dry_run: true };
        assert!(Letter::of(&expired, &Atlas::default()).is_none());
        let dry = Item { event: Event::Banned(ban), ..expired };
        let letter = Letter::of(&dry, &Atlas::default()).unwrap();
        assert_eq!(
            (letter.title.as_str(), &letter.data["dry_run"]),
            ("Banned 192.0.2.1 (dry run)", &json!(true))
        );
    }

    #[test]
    fn values_are_one_line_and_bounded() {
        assert_eq!(plain("a\r\nb\u{202e}c\0"), "a  b\u{fffd}c ");
        assert_eq!(plain(&"x".repeat(5000)).chars().count(), LONGEST + 1);
    }
}
