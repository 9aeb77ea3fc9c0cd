//! What it costs to see whether a request gives its sender away: one that is healthy, and a scanner's.
//!
//! `cargo bench -p guard --bench suspicion`

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use guard::signature::{Signatures, built_in};
use guard::suspicion::{Honeypots, Suspicion};

fn main() {
    divan::main();
}

const HEALTHY: &[u8] = b"Grandstream GXP2160 1.0.9.135 0b82a1b2c3";

#[divan::bench(args = ["Grandstream GXP2160 1.0.9.135 0b82a1b2c3", "friendly-scanner"])]
fn user_agent(bencher: Bencher<'_, '_>, agent: &str) {
    let signatures = Signatures::new(built_in::all(|_| false), None).unwrap();
    bencher.bench_local(|| signatures.hit(black_box(agent.as_bytes())).is_some());
}

#[divan::bench(args = [0, 64])]
fn whole_request(bencher: Bencher<'_, '_>, patterns: usize) {
    let honeypots: Vec<String> = (0..patterns).map(|n| format!("trap{n}*")).collect();
    let signatures = Signatures::new(built_in::all(|_| false), None).unwrap();
    let suspicion = Suspicion::new(signatures, Honeypots::new(&honeypots).unwrap());
    bencher.bench_local(|| suspicion.of(black_box(b"1001"), b"pbx.example", HEALTHY, b"+442071234567"));
}
