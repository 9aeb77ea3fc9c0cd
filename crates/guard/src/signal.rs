//! What rules count: [`Signal`], and sets of them.
//!
//! One observation yields a set of signals, worked out once ([`Signals::of`], and what the guard adds: a scanner's user agent, a
//! honeypot, a country); a rule names the signals that it counts. Nothing here knows a threshold.

use crate::observation::{Evidence, Method, What};
use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// Something that a rule can count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Signal {
    /// Refused credentials.
    AuthFailed,
    /// A registration, refused or not.
    Registration,
    /// A challenged call that never came back.
    CallAbandoned,
    /// An inbound call.
    Call,
    /// A call without an account that the switch refused by itself: nobody has that number.
    CallRefused,
    /// An inbound call was answered.
    CallAnswered,
    /// Wrong credentials at the guard's own interface.
    LoginFailed,
    /// A challenge was sent: every healthy phone makes these, so it only counts while it stays unanswered.
    Challenged,
    /// Credentials came, right or wrong: a challenge was answered.
    Answered,
    /// Right credentials.
    Succeeded,
    /// An account that the switch does not know was named.
    UnknownAccount,
    /// The switch's own access list refused the source for SIP.
    AclRejected,
    /// The switch refused more calls than it takes in a second.
    OverSessionRate,
    /// The user agent is that of a scanner.
    ScannerAgent,
    /// The domain is an IP address.
    AddressDomain,
    /// An account or a number that nobody uses was tried.
    Honeypot,
    /// Characters in a user part that only an injection has.
    Injection,
    /// The guard banned a source; for rules about its neighbours.
    Banned,
    /// An account was tried, or proved, from a country that it never was in.
    NewCountry,
    /// The source is in a country that is not allowed.
    DeniedCountry,
    /// The switch's own access list refused the source at the event socket.
    ClientRefused,
}

impl Signal {
    /// All.
    pub const ALL: [Signal; 21] = [
        Signal::AuthFailed,
        Signal::Registration,
        Signal::CallAbandoned,
        Signal::Call,
        Signal::CallRefused,
        Signal::CallAnswered,
        Signal::LoginFailed,
        Signal::Challenged,
        Signal::Answered,
        Signal::Succeeded,
        Signal::UnknownAccount,
        Signal::AclRejected,
        Signal::OverSessionRate,
        Signal::ScannerAgent,
        Signal::AddressDomain,
        Signal::Honeypot,
        Signal::Injection,
        Signal::Banned,
        Signal::NewCountry,
        Signal::DeniedCountry,
        Signal::ClientRefused,
    ];

    /// The word for it, as the configuration writes it.
    pub fn word(self) -> &'static str {
        match self {
            Signal::AuthFailed => "auth-failed",
            Signal::Registration => "registration",
            Signal::CallAbandoned => "call-abandoned",
            Signal::Call => "call",
            Signal::CallRefused => "call-refused",
            Signal::CallAnswered => "call-answered",
            Signal::LoginFailed => "login-failed",
            Signal::Challenged => "challenged",
            Signal::Answered => "answered",
            Signal::Succeeded => "succeeded",
            Signal::UnknownAccount => "unknown-account",
            Signal::AclRejected => "acl-rejected",
            Signal::OverSessionRate => "over-session-rate",
            Signal::ScannerAgent => "scanner-agent",
            Signal::AddressDomain => "address-domain",
            Signal::Honeypot => "honeypot",
            Signal::Injection => "injection",
            Signal::Banned => "banned",
            Signal::NewCountry => "new-country",
            Signal::DeniedCountry => "denied-country",
            Signal::ClientRefused => "client-refused",
        }
    }

    /// The signal that a word means.
    pub fn from_word(word: &str) -> Option<Signal> {
        Signal::ALL.into_iter().find(|signal| signal.word() == word)
    }

    /// The strongest evidence that an observation with this signal can have.
    pub fn strongest(self) -> Evidence {
        match self {
            Signal::Challenged | Signal::CallAbandoned | Signal::AclRejected | Signal::OverSessionRate => {
                Evidence::Forgeable
            }
            Signal::AuthFailed | Signal::UnknownAccount => Evidence::Likely,
            _ => Evidence::Proven,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A set of signals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Signals(u32);

impl Signals {
    /// None.
    pub const NONE: Signals = Signals(0);

    /// One.
    pub const fn one(signal: Signal) -> Signals {
        Signals(1 << signal as u32)
    }

    /// These.
    pub const fn these(signals: &[Signal]) -> Signals {
        let (mut bits, mut n) = (0, 0);
        while n < signals.len() {
            bits |= 1 << signals[n] as u32;
            n += 1;
        }
        Signals(bits)
    }

    /// What an observation says by itself.
    pub fn of(what: &What<'_>) -> Signals {
        use Signal::{
            AclRejected, Answered, AuthFailed, Call, CallAbandoned, CallAnswered, CallRefused, Challenged,
            ClientRefused, LoginFailed, OverSessionRate, Registration, Succeeded, UnknownAccount,
        };
        match what {
            What::Challenged => Signals::one(Challenged),
            What::Refused => Signals::one(Answered),
            What::AuthFailed(Method::Register) => Signals::these(&[AuthFailed, Registration]),
            What::AuthFailed(_) => Signals::one(AuthFailed),
            What::AuthSucceeded => Signals::these(&[Answered, Succeeded]),
            What::Registered { .. } => Signals::these(&[Registration, Succeeded]),
            What::CallAbandoned => Signals::one(CallAbandoned),
            What::CallStarted { authenticated: true, .. } => Signals::these(&[Call, Succeeded]),
            What::CallStarted { .. } => Signals::one(Call),
            What::CallEnded { refused: true, .. } => Signals::one(CallRefused),
            What::CallAnswered { .. } => Signals::one(CallAnswered),
            What::LoginFailed => Signals::one(LoginFailed),
            What::UnknownAccount => Signals::one(UnknownAccount),
            What::AclRejected => Signals::one(AclRejected),
            What::ClientRefused => Signals::one(ClientRefused),
            What::OverSessionRate => Signals::one(OverSessionRate),
            _ => Signals::NONE,
        }
    }

    /// Whether it has this one.
    pub const fn has(self, signal: Signal) -> bool {
        self.0 & 1 << signal as u32 != 0
    }

    /// Whether any is in both.
    pub const fn meets(self, other: Signals) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in it, in their order.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let place = bits.trailing_zeros();
            let signal = Signal::ALL.get(place as usize).copied()?;
            bits &= bits - 1;
            Some(signal)
        })
    }

    /// Without these.
    pub const fn without(self, other: Signals) -> Signals {
        Signals(self.0 & !other.0)
    }
}

impl BitOr for Signals {
    type Output = Signals;

    fn bitor(self, other: Signals) -> Signals {
        Signals(self.0 | other.0)
    }
}

impl BitOrAssign for Signals {
    fn bitor_assign(&mut self, other: Signals) {
        self.0 |= other.0;
    }
}

impl From<Signal> for Signals {
    fn from(signal: Signal) -> Signals {
        Signals::one(signal)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Signal::word)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_word_and_a_bit_of_its_own() {
        for (place, signal) in Signal::ALL.into_iter().enumerate() {
            assert_eq!(signal as usize, place);
            assert_eq!(Signal::from_word(signal.word()), Some(signal));
            assert_eq!(Signals::one(signal).iter().collect::<Vec<_>>(), [signal]);
        }
    }
}
