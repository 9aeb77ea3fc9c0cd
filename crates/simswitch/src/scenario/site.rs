//! Phones that belong together: [`Site`], where they are ([`Place`]) and what is wrong with them ([`Fault`]).

use std::{net::IpAddr, time::Duration};

/// Phones that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// How many.
    pub phones: u32,
    /// Where they are.
    pub place: Place,
    /// The time between two REGISTERs of one.
    pub refresh: Duration,
    /// The time between two calls of one; `None` for phones that never call.
    pub call_every: Option<Duration>,
    /// The keys of a phone that show others' state, each a subscription, and the time between two SUBSCRIBEs for all of
    /// them.
    pub keys: Option<(u32, Duration)>,
    /// When the power or the line comes back, within how long all phones register, and whether the address is new.
    pub returns: Option<(Duration, Duration, bool)>,
    /// How many phones have which fault, counted from the last phone.
    pub faults: Vec<(u32, Fault)>,
}

/// Where phones are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Each behind an address of its own.
    Own,
    /// All behind one address, each with its own port.
    Office,
    /// On the road: behind one of these addresses, and after about this time behind another.
    Road(Vec<IpAddr>, Duration),
}

/// What is wrong with a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Somebody mistypes the password once, and then has it right.
    MistypedOnce,
    /// Somebody mistypes the password two to four times, seconds apart, and then has it right.
    Mistyped,
    /// An old password, and nobody looks after the phone: it tries again and again, about this often.
    OldPassword(Duration),
    /// The password is changed on the switch, and the phone is told later; meanwhile it tries about this often.
    Changed {
        /// When it is changed.
        at: Duration,
        /// When the phone is told.
        told: Duration,
        /// The time between two tries.
        retry: Duration,
    },
}

impl Default for Site {
    /// Ten phones in an office, registered for five minutes each time, all well.
    fn default() -> Self {
        Self {
            phones: 10,
            place: Place::Office,
            refresh: Duration::from_secs(300),
            call_every: Some(Duration::from_secs(1800)),
            keys: None,
            returns: None,
            faults: Vec::new(),
        }
    }
}

impl Site {
    /// The fault of the phone of this number.
    pub(super) fn fault(&self, number: u32) -> Option<Fault> {
        let mut from_last = self.phones.saturating_sub(number + 1);
        for &(count, fault) in &self.faults {
            if from_last < count {
                return Some(fault);
            }
            from_last -= count;
        }
        None
    }
}
