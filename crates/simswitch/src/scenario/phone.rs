//! A phone: registers with a challenge, refreshes with the cached nonce, calls, reboots, goes away and comes back.
//!
//! As in the captures: a refresh makes no challenge while the nonce lives, a stale nonce makes one more, and a phone
//! drops a challenged call now and then and dials again.

use super::{actor::Next, around, call_id};
use crate::step::{Action, Client, Credentials};
use fastrand::Rng;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// What all phones of a part have in common.
#[derive(Debug, Clone)]
pub(super) struct Habits {
    /// The time between two REGISTERs.
    pub(super) refresh: Duration,
    /// The time between two calls; `None` for a phone that never calls.
    pub(super) call_every: Option<Duration>,
    /// Whom it may call.
    pub(super) numbers: Arc<[Arc<str>]>,
    /// When its address changes, for all phones of an office at once.
    pub(super) moves_at: Option<(Duration, std::net::IpAddr)>,
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
    /// Mistyped once, corrected after a while.
    Mistyped,
    /// Wrong, and nobody looks after it.
    WrongForever,
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
        }
    }

    pub(super) fn act(&mut self, at: Duration, rng: &mut Rng) -> Next {
        if let Some((when, address)) = self.habits.moves_at
            && at >= when
        {
            self.habits.moves_at = None;
            self.source.set_ip(address);
            self.call_id = call_id(rng, address);
            self.state = State::Off;
        }
        let calls = self.state == State::Registered && self.next_call.is_some_and(|call| call <= at);
        let action =
            if calls && at < self.next_refresh { self.call(at, rng) } else { self.register(at, rng) };
        let mut next = self.next_refresh;
        if let Some(call) = self.next_call {
            next = next.min(call);
        }
        // Everybody in the office comes back within seconds of the change.
        if let Some((when, _)) = self.habits.moves_at {
            let moved = when + Duration::from_millis(rng.u64(..4000));
            next = if at < when { next.min(moved) } else { next };
        }
        let after = next.saturating_sub(at).max(Duration::from_millis(20));
        Next { source: self.source, action, after }
    }

    fn register(&mut self, at: Duration, rng: &mut Rng) -> Action {
        let (credentials, expires) = match (self.password, self.state) {
            (Password::WrongForever, _) => {
                self.next_refresh = at + around(rng, RETRY);
                (Credentials::Wrong, self.expires())
            }
            (Password::Mistyped, _) => {
                self.password = Password::Right;
                self.next_refresh = at + around(rng, CORRECTION);
                (Credentials::Wrong, self.expires())
            }
            (Password::Right, State::Off) => {
                self.come_back(at, rng);
                (Credentials::Fresh, self.expires())
            }
            (Password::Right, State::Registered) => self.refresh(at, rng),
        };
        Action::Register { client: self.client(), credentials, expires }
    }

    fn come_back(&mut self, at: Duration, rng: &mut Rng) {
        self.state = State::Registered;
        self.next_refresh = at + around(rng, self.habits.refresh);
        self.next_call = self.habits.call_every.map(|every| at + around(rng, every));
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
                self.next_call = None;
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
const RETRY: Duration = Duration::from_secs(30);
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
