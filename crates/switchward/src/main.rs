//! The program: see `switchward::cli`.

fn main() {}
