//! Exit codes, those of sysexits.h.

/// It went as it should.
pub const DONE: u8 = 0;
/// The switch did not carry a command out.
pub const FAILED: u8 = 1;
/// Bad usage, or a configuration with a mistake (EX_USAGE).
pub const USAGE: u8 = 64;
/// What was read is not as it should be (EX_DATAERR).
pub const DATA: u8 = 65;
/// A service that is not there (EX_UNAVAILABLE).
pub const UNAVAILABLE: u8 = 69;
/// Something of ours failed (EX_SOFTWARE).
pub const SOFTWARE: u8 = 70;
/// The output cannot be written (EX_IOERR).
pub const OUTPUT: u8 = 74;
/// A privilege is missing (EX_NOPERM).
pub const NO_PERMISSION: u8 = 77;
