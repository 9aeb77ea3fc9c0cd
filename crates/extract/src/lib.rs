//! The events of each kind of switch, turned into the guard's observations.
//!
//! One module a kind of switch; each knows that switch's events field by field and nothing of rules or bans. No I/O, no
//! clock, and nothing allocated per event: an [`guard::Observation`] borrows from the event and from buffers that are used
//! again. Start with [`freeswitch::Extractor`].

pub mod freeswitch;
