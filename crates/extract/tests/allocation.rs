//! Nothing is allocated between the socket's bytes and the verdict, once the tables have grown.

#![allow(clippy::unwrap_used, reason = "a test")]

use esl::{Decoder, Limits};
use extract::freeswitch::Extractor;
use guard::{Guard, Policy, Time};
use std::io::Read;

fn capture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

struct Path {
    decoder: Decoder,
    extractor: Extractor,
    guard: Guard,
}

impl Path {
    fn take(&mut self, bytes: &[u8], now: Time) -> (usize, usize) {
        let (mut observations, mut verdicts) = (0, 0);
        for piece in bytes.chunks(64 * 1024) {
            self.decoder.push(piece);
            while let Some(frame) = self.decoder.next().unwrap() {
                let Some(Ok(event)) = frame.event() else { continue };
                let Some(seen) = self.extractor.read(event) else { continue };
                observations += 1;
                verdicts += self.guard.observe(&seen, now).len();
            }
        }
        (observations, verdicts)
    }
}

#[test]
fn judging_a_flood_allocates_nothing_but_its_verdicts() {
    for name in ["flood.plain", "flood_mixed.plain", "hostile.plain", "calls.plain"] {
        let bytes = capture(name);
        let policy = Policy { trusted: Vec::new(), ..Policy::default() };
        let mut path = Path {
            decoder: Decoder::new(Limits::default()),
            extractor: Extractor::new(0, "pbx.example"),
            guard: Guard::new(policy, guard::Limits::default(), [1, 2, 3, 4], Box::new(|_| ())),
        };
        let start = Time::from_secs(1_795_234_698);
        // Again and again, until the tables have grown and every verdict of this moment has been made.
        for _ in 0..40 {
            path.take(&bytes, start);
        }
        let mut seen = (0, 0);
        let made = allocation_counter::measure(|| seen = path.take(&bytes, start));
        assert!(seen.0 > 20, "{name}: {seen:?}");
        assert_eq!(
            (made.count_total, seen.1),
            (0, 0),
            "{name}: allocations and verdicts in {} observations",
            seen.0
        );
    }
}
