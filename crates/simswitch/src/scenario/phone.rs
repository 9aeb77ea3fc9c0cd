//! A phone: registers with a challenge, refreshes with the cached nonce, calls, subscribes, reboots, goes away and comes
//! back.
//!
//! As in the captures: a refresh makes no challenge while the nonce lives, a stale nonce makes one more, a phone
//! drops a challenged call now and then and dials again, and a subscription's challenge is answered without any event.

use super::{actor::Next, around, call_id};
use crate::step::{Action, Client, Credentials, Method};
use fastrand::Rng;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// What all phones of a part have in common.
#[derive(Debug, Clone)]
pub(super) struct Habits {
    /// The time between two REGISTERs.
    pub(super) refresh: Duration,
    /// The time between two calls; `None` for a phone that never calls.
    pub(super) call_every: Option<Duration>,
    /// Whom it may call.
    pub(super) numbers: Arc<[Arc<str>]>,
    /// When all phones of an office fall silent and come back at once.
    pub(super) returns: Option<Return>,
    /// The addresses that a phone on the road wanders among, and how long it stays.
    pub(super) roams: Option<(Arc<[IpAddr]>, Duration)>,
    /// The keys that show other phones' state (BLF), each a subscription, and the time between two SUBSCRIBEs of one.
    pub(super) keys: Option<(u32, Duration)>,
}

/// The office's address changes, or its power comes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Return {
    /// When.
    pub(super) at: Duration,
    /// Within how long all phones are back.
    pub(super) within: Duration,
    /// Their new address, when it changed.
    pub(super) address: Option<IpAddr>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Phone {
    habits: Habits,
    user: Arc<str>,
    agent: Arc<str>,
    source: SocketAddr,
    call_id: Arc<str>,
    state: State,
    password: Password,
    next_refresh: Duration,
    next_call: Option<Duration>,
    next_key: Option<Duration>,
    next_move: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not registered, or it does not know.
    Off,
    Registered,
}

/// What the phone has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Password {
    Right,
    /// Mistyped so many times more, and corrected after a while.
    Mistyped(u32),
    /// Wrong, and nobody looks after it; it tries again after about this.
    WrongForever(Duration),
    /// Changed on the switch, until somebody tells the phone.
    Changed {
        at: Duration,
        told: Duration,
        retry: Duration,
    },
}

impl Phone {
    pub(super) fn new(
        habits: Habits,
        user: Arc<str>,
        source: SocketAddr,
        password: Password,
        rng: &mut Rng,
    ) -> Self {
        Self {
            habits,
            user,
            agent: AGENTS[rng.usize(..AGENTS.len())].into(),
            source,
            call_id: call_id(rng, source.ip()),
            state: State::Off,
            password,
            next_refresh: Duration::ZERO,
            next_call: None,
            next_key: None,
            next_move: None,
        }
    }

    pub(super) fn act(&mut self, at: Duration, rng: &mut Rng) -> Next {
        self.wander(at, rng);
        if let Some(back) = self.habits.returns
            && at >= back.at
        {
            self.habits.returns = None;
            let address = back.address.unwrap_or(self.source.ip());
            self.source.set_ip(address);
            self.restart(rng);
        }
        let is_due = |time: Option<Duration>| time.is_some_and(|time| time <= at);
        let may = self.state == State::Registered && at < self.next_refresh;
        let action = if may && is_due(self.next_call) {
            self.call(at, rng)
        } else if may && is_due(self.next_key) {
            self.subscribe(at, rng)
        } else {
            self.register(at, rng)
        };
        let others = [self.next_call, self.next_key, self.next_move];
        let mut next = others.into_iter().flatten().fold(self.next_refresh, Duration::min);
        // Everybody in the office comes back within seconds of the change.
        if let Some(back) = self.habits.returns {
            let within = u64::try_from(back.within.as_millis()).unwrap_or(u64::MAX).max(1);
            let returned = back.at + Duration::from_millis(rng.u64(..within));
            next = if at < back.at { next.min(returned) } else { next };
        }
        let after = next.saturating_sub(at).max(Duration::from_millis(20));
        Next { source: self.source, action, after }
    }

    /// A phone on the road gets another address, and another port of it, every few minutes.
    fn wander(&mut self, at: Duration, rng: &mut Rng) {
        let Some((addresses, stay)) = &self.habits.roams else { return };
        match self.next_move {
            Some(when) if when <= at => {
                self.source = SocketAddr::new(addresses[rng.usize(..addresses.len())], rng.u16(1024..));
                self.next_move = Some(at + around(rng, *stay));
                self.restart(rng);
            }
            Some(_) => {}
            None => self.next_move = Some(at + around(rng, *stay)),
        }
    }

    fn restart(&mut self, rng: &mut Rng) {
        self.call_id = call_id(rng, self.source.ip());
        self.state = State::Off;
        (self.next_call, self.next_key) = (None, None);
    }

    fn register(&mut self, at: Duration, rng: &mut Rng) -> Action {
        let retry = match self.password {
            Password::WrongForever(retry) => Some(retry),
            Password::Changed { at: from, told, retry } if (from..told).contains(&at) => Some(retry),
            Password::Mistyped(left) => {
                self.password = if left > 1 { Password::Mistyped(left - 1) } else { Password::Right };
                Some(CORRECTION)
            }
            Password::Right | Password::Changed { .. } => None,
        };
        let (credentials, expires) = match (retry, self.state) {
            (Some(retry), _) => {
                self.state = State::Off;
                (self.next_call, self.next_key) = (None, None);
                self.next_refresh = at + around(rng, retry);
                (Credentials::Wrong, self.expires())
            }
            (None, State::Off) => {
                self.come_back(at, rng);
                (Credentials::Fresh, self.expires())
            }
            (None, State::Registered) => self.refresh(at, rng),
        };
        Action::Register { client: self.client(), credentials, expires }
    }

    fn come_back(&mut self, at: Duration, rng: &mut Rng) {
        self.state = State::Registered;
        self.next_refresh = at + around(rng, self.habits.refresh);
        self.next_call = self.habits.call_every.map(|every| at + around(rng, every));
        // All keys of a phone that has just registered are subscribed at once.
        self.next_key = self.habits.keys.map(|_| at + Duration::from_millis(100));
    }

    fn refresh(&mut self, at: Duration, rng: &mut Rng) -> (Credentials, u32) {
        self.next_refresh = at + around(rng, self.habits.refresh);
        match rng.u32(..100) {
            0..5 => (Credentials::Stale, self.expires()),
            5..8 => {
                // A reboot forgets the nonce and the Call-ID.
                self.call_id = call_id(rng, self.source.ip());
                (Credentials::Fresh, self.expires())
            }
            8..10 => {
                self.state = State::Off;
                (self.next_call, self.next_key) = (None, None);
                (Credentials::Cached, 0)
            }
            _ => (Credentials::Cached, self.expires()),
        }
    }

    fn call(&mut self, at: Duration, rng: &mut Rng) -> Action {
        let every = self.habits.call_every.unwrap_or(Duration::from_secs(3600));
        let gives_up = rng.u32(..20) == 0;
        // Who drops a challenged call dials again at once.
        self.next_call = Some(at + if gives_up { Duration::from_secs(3) } else { around(rng, every) });
        let number = match rng.u32(..10) {
            0..2 => "9196".into(),
            2 => "9180".into(),
            _ => Arc::clone(&self.habits.numbers[rng.usize(..self.habits.numbers.len())]),
        };
        let client = Client { call_id: call_id(rng, self.source.ip()), ..self.client() };
        Action::Call {
            client,
            number,
            credentials: if gives_up { Credentials::None } else { Credentials::Fresh },
            ring: Duration::from_millis(rng.u64(800..6000)),
            talk: (rng.u32(..10) > 0).then(|| Duration::from_millis(rng.u64(2000..45_000))),
        }
    }

    /// One key after the other, a tenth of a second apart, and then a long time none.
    fn subscribe(&mut self, at: Duration, rng: &mut Rng) -> Action {
        let (keys, every) = self.habits.keys.unwrap_or((1, Duration::from_secs(3600)));
        let last = rng.u32(..keys.max(1)) == 0;
        self.next_key = Some(at + if last { around(rng, every) } else { Duration::from_millis(100) });
        let number = Arc::clone(&self.habits.numbers[rng.usize(..self.habits.numbers.len())]);
        let client = Client { call_id: call_id(rng, self.source.ip()), ..self.client() };
        Action::Ask { client, method: Method::Subscribe, number, credentials: Credentials::Fresh }
    }

    fn client(&self) -> Client {
        Client {
            user: Arc::clone(&self.user),
            call_id: Arc::clone(&self.call_id),
            agent: Arc::clone(&self.agent),
        }
    }

    /// Twice the time between refreshes, as phones do, and some more.
    fn expires(&self) -> u32 {
        u32::try_from(self.habits.refresh.as_secs() * 2 + 10).unwrap_or(u32::MAX)
    }
}

/// A phone with a wrong password tries again after about this.
pub(super) const RETRY: Duration = Duration::from_secs(30);
/// A mistyped password is noticed after about this.
const CORRECTION: Duration = Duration::from_secs(8);
const AGENTS: [&str; 6] = [
    "Yealink SIP-T46S 66.84.0.15",
    "Grandstream GXP2160 1.0.9.135",
    "snomD785/10.1.54.13",
    "PolycomVVX-VVX_411-UA/5.9.5.0614",
    "Linphone Desktop/4.4.8 (belle-sip/5.1)",
    "Z 5.6.4 v2.10.20.4",
];
