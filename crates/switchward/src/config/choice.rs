//! What the word-valued settings have in common: a mode, a level, a format.
//!
//! [`Choice`] lets the table of keys hold all of them alike; the enums themselves are in `model`, where `words!`
//! makes both the enum and this.

/// An enum that the configuration writes as one word out of a few.
pub(super) trait Choice {
    /// Every word there is.
    fn words(&self) -> &'static [&'static str];
    /// The word of the present value.
    fn word(&self) -> &'static str;
    /// Takes the value of `word`, in any case; false when there is none.
    fn choose(&mut self, word: &str) -> bool;
}
