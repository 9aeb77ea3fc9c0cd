//! The hot path without its socket: framing, extraction and judgement of a capture in memory, stage by stage.
//!
//! `cargo bench -p extract --bench judge` prints nanoseconds per event of flood.plain.esl, the median of many runs, beside a
//! plain copy of the same bytes.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use esl::{Decoder, Limits};
use extract::freeswitch::Extractor;
use guard::{Guard, Policy, Time};
use std::hint::black_box;
use std::io::Read;
use std::time::Instant;

fn capture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(path).expect("the capture is in the tree");
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file).expect("zstd").read_to_end(&mut bytes).expect("zstd");
    bytes
}

/// Goes over all bytes and tells how many events they hold.
type Stage = fn(&[u8]) -> u64;

/// How a socket gives the bytes.
const READ: usize = 64 * 1024;

fn copy(bytes: &[u8]) -> u64 {
    let mut buffer = vec![0; READ];
    for chunk in bytes.chunks(READ) {
        buffer[..chunk.len()].copy_from_slice(chunk);
        black_box(&buffer);
    }
    0
}

fn each(bytes: &[u8], mut event: impl FnMut(esl::EventView<'_>)) -> u64 {
    let mut decoder = Decoder::new(Limits::default());
    let mut events = 0;
    for chunk in bytes.chunks(READ) {
        let space = decoder.space();
        space[..chunk.len()].copy_from_slice(chunk);
        decoder.filled(chunk.len());
        while let Some(frame) = decoder.next().expect("a capture") {
            if let Some(Ok(view)) = frame.event() {
                events += 1;
                event(view);
            }
        }
    }
    events
}

fn framing(bytes: &[u8]) -> u64 {
    each(bytes, |event| _ = black_box(event))
}

fn extraction(bytes: &[u8]) -> u64 {
    let mut extractor = Extractor::new(0, "pbx.example");
    each(bytes, |event| _ = black_box(extractor.read(event)))
}

fn judgement(bytes: &[u8]) -> u64 {
    let policy = Policy { trusted: Vec::new(), ..Policy::default() };
    let guard = Guard::new(policy, guard::Limits::default(), [1, 2, 3, 4], Box::new(|_| ()));
    let mut extractor = Extractor::new(0, "pbx.example");
    let now = Time::from_secs(1_795_234_698);
    each(bytes, |event| {
        if let Some(seen) = extractor.read(event) {
            black_box(guard.observe(&seen, now));
        }
    })
}

fn main() {
    for name in ["flood.plain", "flood_mixed.plain"] {
        let bytes = capture(name);
        let events = framing(&bytes);
        println!("{name}: {events} events, {} bytes; ns per event, median of 101 runs", bytes.len());
        let stages: [(&str, Stage); 4] = [
            ("copy of the bytes", copy),
            ("+ framing", framing),
            ("+ extraction", extraction),
            ("+ judgement", judgement),
        ];
        for (label, stage) in stages {
            let mut runs: Vec<f64> = (0..101)
                .map(|_| {
                    let started = Instant::now();
                    stage(&bytes);
                    started.elapsed().as_nanos() as f64 / events as f64
                })
                .collect();
            runs.sort_by(f64::total_cmp);
            println!("  {label:<20} {:8.1}   (min {:.1}, p90 {:.1})", runs[50], runs[0], runs[90]);
        }
    }
}
