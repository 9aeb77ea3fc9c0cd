//! What decoding a flood costs. One iteration is the whole capture of 3,565 events; divan's item counter gives events
//! a second. `memcpy` and `line_feeds` over the same bytes show what the machine allows.

#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box, counter::ItemsCount};
use esl::{Decoder, EventView, Frame, Limits};
use std::{fs::File, io::Read, path::Path, sync::LazyLock};

fn main() {
    divan::main();
}

const EVENTS: usize = 3565;
/// What one read of a socket gives.
const READ: usize = 64 * 1024;

static FLOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures/freeswitch/flood.plain.esl.zst");
    let mut bytes = Vec::new();
    let file = File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
});

/// Decodes the flood read by read, copying each into the decoder's buffer as a socket would.
fn flood(bencher: Bencher, mut each: impl FnMut(&Frame<'_>) + Sync + Send) {
    let mut decoder = Decoder::new(Limits::default());
    LazyLock::force(&FLOOD);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for piece in FLOOD.chunks(READ) {
            decoder.space()[..piece.len()].copy_from_slice(piece);
            decoder.filled(piece.len());
            while let Some(frame) = decoder.next().unwrap() {
                each(&frame);
            }
        }
    });
}

fn event<'a>(frame: &Frame<'a>) -> Option<EventView<'a>> {
    frame.event().and_then(Result::ok)
}

#[divan::bench]
fn memcpy(bencher: Bencher) {
    let mut target = vec![0; READ];
    LazyLock::force(&FLOOD);
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for piece in FLOOD.chunks(READ) {
            target[..piece.len()].copy_from_slice(piece);
            black_box(&mut target);
        }
    });
}

#[divan::bench]
fn line_feeds(bencher: Bencher) {
    LazyLock::force(&FLOOD);
    bencher
        .counter(ItemsCount::new(EVENTS))
        .bench_local(|| memchr::memchr_iter(b'\n', black_box(&FLOOD)).fold(0, |a, b| a ^ b));
}

#[divan::bench]
fn framing(bencher: Bencher) {
    flood(bencher, |frame| {
        black_box(frame.body());
    });
}

#[divan::bench]
fn framing_and_name(bencher: Bencher) {
    flood(bencher, |frame| {
        black_box(event(frame).map(|event| event.name()));
    });
}

#[divan::bench]
fn framing_and_all_headers(bencher: Bencher) {
    flood(bencher, |frame| {
        if let Some(event) = event(frame) {
            black_box(event.headers().fold(0, |sum, (name, value)| sum + name.len() + value.raw().len()));
        }
    });
}

#[divan::bench]
fn framing_and_look_up_of_network_ip(bencher: Bencher) {
    flood(bencher, |frame| {
        black_box(event(frame).and_then(|event| event.header("network-ip")));
    });
}
