//! Where a dialled number leads, of what class that is and what it costs a minute.
//!
//! Pure: no I/O, no clock. A [`Plan`] is made of how a switch's users dial (home country, prefixes) and of the operator's own
//! [`Table`] of prefixes; [`Plan::classify`] takes the bytes that a caller dialled, whatever they are, and tells a
//! [`Destination`], or nothing for an extension, a feature code or nonsense. Countries and kinds of numbers come from the
//! metadata of the crate `phonenumber` ([`numbering`]).

mod class;
mod destination;
mod digits;
mod numbering;
mod plan;
mod table;
#[cfg(test)]
mod tests;

pub use class::{Class, Cost, CostError};
pub use destination::{Country, Destination};
pub use digits::Digits;
pub use plan::{Dialling, Plan, PrefixError};
pub use table::{Row, Table, TableError};
