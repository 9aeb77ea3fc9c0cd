//! What the word-valued settings have in common.

/// An enum that the configuration writes as one word out of a few.
pub(super) trait Choice {
    /// Every word there is.
    fn words(&self) -> &'static [&'static str];
    /// The word of the present value.
    fn word(&self) -> &'static str;
    /// Takes the value of `word`, in any case; false when there is none.
    fn choose(&mut self, word: &str) -> bool;
}
