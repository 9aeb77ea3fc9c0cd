//! What was not told one by one: counts, the rules and networks that stand out, bounded whatever happens.

use super::kind::{Kind, Severity};
use super::letter::{Letter, plain};
use super::template::Text;
use crate::clock;
use crate::geo::{Atlas, Country};
use crate::news::{Event, Item};
use guard::{Source, Time};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Value, json};
use std::net::IpAddr;

/// What was not told since `from`.
#[derive(Clone, Debug, Default)]
pub(super) struct Digest {
    from: Time,
    to: Time,
    counts: [u64; Kind::ALL.len()],
    missed: u64,
    rules: Top<String>,
    networks: Top<IpNet>,
    countries: Top<Country>,
}

impl Digest {
    /// Adds an item.
    pub(super) fn add(&mut self, kind: Kind, item: &Item, atlas: &Atlas) {
        self.begin(item.at);
        self.counts[kind as usize] += 1;
        match &item.event {
            Event::Banned(ban) | Event::WouldBan(ban) | Event::Lifted(ban, _) => {
                self.rules.add(plain(&ban.reason.rule));
                self.networks.add(wider(ban.target.covers()));
                if let Some(country) = atlas.country(ban.target) {
                    self.countries.add(country);
                }
            }
            Event::HangUp { source, .. } => self.networks.add(around(*source)),
            Event::Alert { alert, .. } => {
                self.rules.add(alert.kind.word().into());
                self.networks.add(around(alert.source));
            }
            Event::Alarm(alarm) => self.rules.add(alarm.name.into()),
            _ => {}
        }
    }

    /// Adds items of which nothing is known.
    pub(super) fn miss(&mut self, count: u64, now: Time) {
        self.begin(now);
        self.missed += count;
    }

    fn begin(&mut self, at: Time) {
        if self.total() + self.missed == 0 {
            self.from = at;
        }
        self.to = at;
    }

    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The message that tells it.
    pub(super) fn letter(&self) -> Letter {
        let each = || Kind::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0);
        let told: Vec<String> = each().map(|(kind, count)| counted(kind, count)).collect();
        let mut parts = Vec::new();
        if !told.is_empty() {
            parts.push(format!("and {}", told.join(", ")));
        }
        if self.missed > 0 {
            parts.push(format!("{} events went by too fast to be looked at", self.missed));
        }
        for (label, list) in [
            ("top rules", self.rules.words()),
            ("top networks", self.networks.words()),
            ("top countries", self.countries.words()),
        ] {
            if !list.is_empty() {
                parts.push(format!("{label}: {list}"));
            }
        }
        let (from, to) = (clock::rfc3339(Some(self.from)), clock::rfc3339(Some(self.to)));
        let counts: Value = each().map(|(kind, count)| (kind.word().to_owned(), json!(count))).collect();
        let data = json!({
            "from": from, "to": to, "counts": counts, "missed": self.missed, "rules": self.rules.json(),
            "networks": self.networks.json(), "countries": self.countries.json(),
        });
        let summary = parts.join("; ");
        let now = clock::now();
        Letter {
            id: format!("digest-{}", now.micros()),
            at: now,
            text: Text::Digest,
            severity: if self.counts[Kind::Alarm as usize] > 0 {
                Severity::Critical
            } else {
                Severity::Warning
            },
            switch: String::new(),
            title: format!("{} more events", self.total() + self.missed),
            values: vec![
                ("total", self.total().to_string()),
                ("missed", self.missed.to_string()),
                ("from", from),
                ("to", to),
                ("summary", summary),
            ],
            data,
        }
    }
}

fn counted(kind: Kind, count: u64) -> String {
    let (one, many) = match kind {
        Kind::Alarm => ("alarm", "alarms"),
        Kind::Alert => ("alert", "alerts"),
        Kind::Ban => ("ban", "bans"),
        Kind::Unban => ("lifted ban", "lifted bans"),
        Kind::WouldBan => ("ban that would have been", "bans that would have been"),
        Kind::HangUp => ("hang-up", "hang-ups"),
        Kind::Switch => ("change of a switch", "changes of a switch"),
    };
    format!("{count} more {}", if count == 1 { one } else { many })
}

fn around(source: Source) -> IpNet {
    wider(source.net())
}

/// The /24 or /48 around what is smaller.
fn wider(net: IpNet) -> IpNet {
    match (net.prefix_len(), net.addr()) {
        (25.., IpAddr::V4(v4)) => Ipv4Net::new(v4, 24).map_or(net, |net| IpNet::V4(net.trunc())),
        (49.., IpAddr::V6(v6)) => Ipv6Net::new(v6, 48).map_or(net, |net| IpNet::V6(net.trunc())),
        _ => net,
    }
}

/// The most frequent of many names, with a fixed number of places. A name that finds none takes the place of the rarest and its
/// count, so a count may be too high, and no frequent name is missing (Metwally, Agrawal, El Abbadi: Space-Saving, 2005).
#[derive(Clone, Debug)]
struct Top<T>(Vec<(T, u64)>);

impl<T> Default for Top<T> {
    fn default() -> Self {
        Top(Vec::new())
    }
}

impl<T: PartialEq + ToString> Top<T> {
    fn add(&mut self, name: T) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == name) {
            *count += 1;
        } else if self.0.len() < PLACES {
            self.0.push((name, 1));
        } else if let Some(rarest) = self.0.iter_mut().min_by_key(|(_, count)| *count) {
            *rarest = (name, rarest.1 + 1);
        }
    }

    fn top(&self) -> Vec<&(T, u64)> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(SHOWN);
        all
    }

    fn words(&self) -> String {
        let all = self.top().into_iter().map(|(name, count)| format!("{} ({count})", name.to_string()));
        all.collect::<Vec<_>>().join(", ")
    }

    fn json(&self) -> Value {
        self.top()
            .into_iter()
            .map(|(name, count)| json!({ "name": name.to_string(), "count": count }))
            .collect()
    }
}

/// Names that are counted at a time.
const PLACES: usize = 64;
/// Names that are told.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use guard::{Ban, Origin, Reason, Scope};
    use std::sync::Arc;

    #[test]
    fn a_storm_from_everywhere_stays_small_and_names_what_stands_out() {
        let mut digest = Digest::default();
        let atlas = crate::geo::tests::atlas();
        let at = Time::from_secs(1_795_234_698);
        for number in 0..20_000_u32 {
            // Every second one from one network, the rest from as many as there are.
            let ip = if number % 2 == 0 {
                0xc633_6400 | (number % 251)
            } else {
                0xc612_0000 + number * 7 % 0x1_ffff
            };
            let ban = Ban {
                target: guard::Target::host(IpAddr::V4(ip.into())),
                scope: Scope::All,
                since: at,
                until: None,
                origin: Origin::Guard,
                reason: Reason { rule: "failed-registrations".into(), ..Reason::operator("", at) },
                note: String::new(),
            };
            digest.add(
                Kind::Ban,
                &Item { number: 1, at, event: Event::Banned(Arc::new(ban)), dry_run: false },
                &atlas,
            );
        }
        digest.miss(7, at);
        assert!(digest.networks.0.len() <= PLACES);
        let letter = digest.letter();
        assert_eq!(letter.data["counts"]["ban"], 20_000);
        assert_eq!(letter.data["networks"][0]["name"], "198.51.100.0/24");
        assert_eq!(letter.data["networks"].as_array().unwrap().len(), SHOWN);
        let summary = letter.value("summary", "");
        assert!(summary.starts_with("and 20000 more bans; 7 events went by"), "{summary}");
        assert!(summary.contains("top rules: failed-registrations (20000)"), "{summary}");
        assert!(summary.ends_with("top countries: FR (10000)"), "{summary}");
        assert_eq!(letter.data["countries"][0]["name"], "FR");
    }
}
