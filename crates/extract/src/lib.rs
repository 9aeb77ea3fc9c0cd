//! The events of each kind of switch, turned into the guard's observations.
