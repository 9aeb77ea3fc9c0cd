//! The pure engine: observations in, verdicts out.
