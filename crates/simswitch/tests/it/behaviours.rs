//! What users of such guards complain of, as tests: the simulated switch's events through the daemon's own code.
//!
//! docs/evaluation.md lists every behaviour with its tests; those that need a kernel or the daemon stand elsewhere.

use esl::{Decoder, Format, FrameKind, Limits};
use extract::freeswitch::Extractor;
use guard::{AlertKind, Ban, Guard, Policy, Scope, Target, Time, Verdict};
use simswitch::{Action, ActorId, Client, Credentials, Effects, Event, Identity, Later, Step, World};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// A switch and its guard; what is banned does not reach the switch.
struct Pbx {
    world: World,
    guard: Guard,
    extractor: Extractor,
    now: Time,
    later: Vec<(Time, Later)>,
    bans: Vec<Arc<Ban>>,
    alerts: Vec<AlertKind>,
}

impl Pbx {
    fn new() -> Self {
        Self {
            world: World::new(Arc::new(Identity::new("00000000-0000-4000-8000-000000000001")), 1),
            guard: Guard::new(Policy::default(), guard::Limits::default(), [1, 2, 3, 4], Box::new(|_| ())),
            extractor: Extractor::new(0, "pbx.example"),
            now: Time::from_secs(1_795_219_200),
            later: Vec::new(),
            bans: Vec::new(),
            alerts: Vec::new(),
        }
    }

    /// Lets so many seconds go by, and happen what is due in them.
    fn pass(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        loop {
            self.later.sort_by_key(|(due, _)| *due);
            if self.later.first().is_none_or(|(due, _)| *due > end) {
                break;
            }
            let (due, later) = self.later.remove(0);
            self.now = due;
            let mut effects = Effects::default();
            self.world.later(due.micros(), &later, &mut effects);
            self.happen(effects);
        }
        self.now = end;
        self.guard.tick(end);
    }

    /// Somebody does something, a moment later. False when the packets are dropped.
    fn act(&mut self, source: SocketAddr, action: Action) -> bool {
        self.pass(0.02);
        if self.guard.ledger().banned(source.ip(), source.port(), self.now).is_some() {
            return false;
        }
        let mut effects = Effects::default();
        self.world.act(self.now.micros(), &Step { actor: ActorId(0), source, action }, &mut effects);
        self.happen(effects);
        true
    }

    fn register(&mut self, source: &str, user: &str, credentials: Credentials) -> bool {
        self.act(at(source), Action::Register { client: client(user), credentials, expires: 3600 })
    }

    fn invite(&mut self, source: &str) -> bool {
        let (number, ring) = ("00441632960123".into(), Duration::ZERO);
        let credentials = Credentials::None;
        self.act(at(source), Action::Call { client: client("1001"), number, credentials, ring, talk: None })
    }

    fn happen(&mut self, mut effects: Effects) {
        for (after, later) in effects.later.drain(..) {
            self.later.push((self.now + after, later));
        }
        effects.events.iter().for_each(|event| self.hear(event));
    }

    fn hear(&mut self, event: &Event) {
        let Some(seen) = self.extractor.read(event.view()) else { return };
        for verdict in self.guard.observe(&seen, self.now) {
            match verdict {
                Verdict::Ban(ban) | Verdict::WouldBan(ban) => self.bans.push(ban),
                Verdict::Alert(alert) => self.alerts.push(alert.kind),
                _ => {}
            }
        }
    }

    fn banned(&self) -> Vec<Target> {
        self.bans.iter().map(|ban| ban.target).collect()
    }
}

fn at(source: &str) -> SocketAddr {
    source.parse().unwrap()
}

fn client(user: &str) -> Client {
    Client {
        user: user.into(),
        call_id: "0123456789abcdef@host".into(),
        agent: "Yealink SIP-T46S 66.84.0.15".into(),
    }
}

#[test]
fn a_first_register_without_credentials_is_no_strike_however_often_a_healthy_phone_sends_it() {
    let mut pbx = Pbx::new();
    // A phone that reboots and reboots, one whose nonces grow old, one whose answers get lost before it gets through.
    for _ in 0..300 {
        assert!(pbx.register("192.0.2.10:5060", "1000", Credentials::Fresh));
        assert!(pbx.register("192.0.2.11:5060", "1001", Credentials::Stale));
        pbx.pass(2.0);
    }
    for _ in 0..20 {
        assert!(pbx.register("192.0.2.12:5060", "1002", Credentials::None));
        pbx.pass(32.0);
    }
    assert!(pbx.register("192.0.2.12:5060", "1002", Credentials::Fresh));
    pbx.pass(600.0);
    assert_eq!(pbx.banned(), []);
}

#[test]
fn an_office_of_ten_that_comes_back_with_a_new_address_is_not_banned() {
    for challenges in 1..=3 {
        let mut pbx = Pbx::new();
        for phone in 0..10 {
            assert!(pbx.register(
                &format!("192.0.2.20:{}", 20_000 + phone),
                &format!("10{phone:02}"),
                Credentials::Fresh
            ));
        }
        pbx.pass(3600.0);
        for round in 1..=challenges {
            for phone in 0..10 {
                // Only the last one is answered.
                let answer = if round == challenges { Credentials::Fresh } else { Credentials::None };
                let source = format!("198.51.100.20:{}", 30_000 + phone);
                assert!(pbx.register(&source, &format!("10{phone:02}"), answer));
            }
        }
        pbx.pass(600.0);
        assert_eq!(pbx.banned(), [], "{challenges} challenges each");
    }
}

#[test]
fn one_wrong_phone_of_fifty_loses_its_port_and_the_others_go_on() {
    let mut pbx = Pbx::new();
    let source = |phone: u32| format!("192.0.2.20:{}", 20_000 + phone);
    let mut wrong_heard = 0;
    for minute in 0..120 {
        for phone in 0..49 {
            if minute == 0 || minute % 10 == phone % 10 {
                let how = if minute == 0 { Credentials::Fresh } else { Credentials::Cached };
                assert!(pbx.register(&source(phone), &format!("10{phone:02}"), how), "{phone} is heard");
            }
        }
        for _ in 0..2 {
            wrong_heard += u32::from(pbx.register(&source(49), "1049", Credentials::Wrong));
            pbx.pass(25.0);
        }
    }
    assert!(!pbx.bans.is_empty() && wrong_heard < 60, "{wrong_heard} of 240 tries were heard");
    for ban in &pbx.bans {
        assert_eq!(
            (ban.target, ban.scope),
            (Target::port("192.0.2.20".parse().unwrap(), 20_049), Scope::Sip)
        );
    }
}

#[test]
fn forged_invites_never_ban_their_victim_for_long_and_never_a_registered_one() {
    let mut pbx = Pbx::new();
    assert!(pbx.register("192.0.2.10:5060", "1000", Credentials::Fresh));
    for _ in 0..300 {
        assert!(pbx.invite("192.0.2.10:5060"), "the registered victim is heard");
        // Another port of its address is the victim's too.
        assert!(pbx.invite("192.0.2.10:40000"));
        pbx.invite("198.51.100.20:5060");
        pbx.pass(2.0);
    }
    let stranger = Target::host("198.51.100.20".parse().unwrap());
    assert!(!pbx.bans.is_empty(), "who only sends such INVITEs is kept off for a while");
    for ban in &pbx.bans {
        assert_eq!((ban.target, ban.scope), (stranger, Scope::Sip));
        assert!(ban.until.unwrap().since(ban.since) <= Duration::from_secs(120), "{ban:?}");
    }
}

#[test]
fn a_mapped_address_is_its_ipv4_and_what_is_no_address_is_counted_and_ignored() {
    let failure = |address: &str| {
        let mut pbx = Pbx::new();
        let identity = Arc::new(Identity::new("00000000-0000-4000-8000-000000000002"));
        let mut world = World::new(identity, 1);
        for _ in 0..20 {
            let mut effects = Effects::default();
            let action =
                Action::Register { client: client("1001"), credentials: Credentials::Wrong, expires: 60 };
            let step = Step { actor: ActorId(0), source: at("203.0.113.77:5060"), action };
            world.act(pbx.now.micros(), &step, &mut effects);
            for event in effects.events {
                let text = String::from_utf8(event.plain().to_vec()).unwrap();
                let text = text.replace("network-ip: 203.0.113.77", &format!("network-ip: {address}"));
                pbx.hear(&Event::from_plain(text.into_bytes()).unwrap());
            }
        }
        (pbx.banned(), pbx.extractor.counts().bad_address)
    };
    let victim = Target::host("198.51.100.7".parse().unwrap());
    assert_eq!(failure("%3A%3Affff%3A198.51.100.7"), (vec![victim], 0));
    assert_eq!(failure("%3A%3AFFFF%3Ac633%3A6407"), (vec![victim], 0));
    for no_address in ["unknown", "pbx.example", "", "198.51.100.7%0A", "198.51.100", "%5B198.51.100.7"] {
        assert_eq!(failure(no_address), (vec![], 60), "{no_address:?}: counted with each of three events");
    }
}

#[test]
fn junk_in_names_and_agents_moves_no_ban_to_another_address_and_breaks_no_frame() {
    let junk = [
        "\"'`;|&$(id)<>".to_owned(),
        "1001\nnetwork-ip: 198.51.100.7".into(),
        "1001%0Anetwork-ip: 198.51.100.7".into(),
        "1001%0Anetwork-ip%3A%20198.51.100.7%0A%0A".into(),
        "x\r\n\r\nContent-Length: 5\r\n\r\nhello".into(),
        "1001@pbx.example] from ip 198.51.100.7".into(),
        "ARRAY::198.51.100.7|:198.51.100.8".into(),
        "\u{0}\u{1b}[31m\u{feff}é".into(),
        "A".repeat(64 * 1024),
        "%".repeat(64 * 1024),
    ];
    for (number, text) in junk.iter().enumerate() {
        let attacker = format!("203.0.113.{}:5060", number + 1);
        let mut pbx = Pbx::new();
        let mut events = Vec::new();
        for _ in 0..5 {
            let client = Client {
                user: text.as_str().into(),
                call_id: text.as_str().into(),
                agent: text.as_str().into(),
            };
            let action = Action::Register { client, credentials: Credentials::Wrong, expires: 60 };
            let step = Step { actor: ActorId(0), source: at(&attacker), action };
            let mut effects = Effects::default();
            pbx.world.act(pbx.now.micros(), &step, &mut effects);
            events.extend(effects.events);
        }
        for format in [Format::Plain, Format::Json, Format::Xml] {
            let mut decoder = Decoder::new(Limits::default());
            events.iter().for_each(|event| decoder.push(&event.frame(format)));
            let mut frames = 0;
            while let Some(frame) = decoder.next().unwrap() {
                assert_eq!(frame.kind(), FrameKind::Event(format));
                frames += 1;
            }
            assert_eq!(frames, events.len(), "{number} as {format:?}");
        }
        events.iter().for_each(|event| pbx.hear(event));
        let own = Target::host(at(&attacker).ip());
        assert!(pbx.banned().contains(&own), "{number}: {:?}", pbx.banned());
        assert!(pbx.banned().iter().all(|target| *target == own), "{number}: {:?}", pbx.banned());
    }
}
