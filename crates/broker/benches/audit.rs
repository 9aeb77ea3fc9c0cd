//! What one entry of the audit costs: made, hashed and written, by length of the command, with and without a key.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says why and ends")]

use broker::audit::{Anchor, Asked, Chain, Done, Entry, Key, Verdict};
use broker::journal::{Journal, Settings, Sync, files, verify};
use divan::{Bencher, black_box};
use tempfile::TempDir;

fn main() {
    divan::main();
}

const AT: u64 = 1_795_267_259_000_000;

fn asked(command: &str) -> Entry<'_> {
    let asked = Asked {
        at: AT,
        user: "alice",
        proof: "users",
        account: "1000@pbx.example",
        source: "192.0.2.7",
        ..Asked::default()
    };
    Entry::Asked(Asked {
        door: "esl",
        switch: "pbx1",
        form: "api",
        command,
        verdict: Verdict::Allowed,
        rule: "allow show *",
        ..asked
    })
}

fn key(is_sealed: bool) -> Option<Key> {
    is_sealed.then(|| Key::new(&[7; 32])).flatten()
}

#[divan::bench(args = [20, 200, 4_000])]
fn a_line_is_made_and_hashed(bencher: Bencher, length: usize) {
    let (chain, command) = (Chain::new(Anchor::default(), None), "x".repeat(length));
    let mut out = Vec::with_capacity(8_192);
    bencher.bench_local(|| {
        out.clear();
        chain.line(black_box(&asked(&command)), &mut out)
    });
}

#[divan::bench(args = [false, true])]
fn an_attempt_is_written_asked_and_done(bencher: Bencher, is_sealed: bool) {
    let directory = TempDir::new().unwrap();
    let settings =
        Settings { key: key(is_sealed), sync: Sync::Never, ..Settings::new(directory.path().join("audit")) };
    let (journal, _) = Journal::open(settings, None, AT).unwrap();
    bencher.bench_local(|| {
        let asked =
            journal.write(&asked("uuid_kill 2d1f6f0e-6c1c-4d3a-9a38-8fd1b7e0a001 NORMAL_CLEARING")).unwrap();
        journal
            .write(&Entry::Done(Done { at: AT, of: asked.sequence, result: "ok", bytes: 3, micros: 812 }))
            .unwrap()
    });
}

#[divan::bench(sample_count = 10, args = [false, true])]
fn a_hundred_thousand_lines_are_verified(bencher: Bencher, is_sealed: bool) {
    let directory = TempDir::new().unwrap();
    let settings =
        Settings { key: key(is_sealed), sync: Sync::Never, ..Settings::new(directory.path().join("audit")) };
    let (journal, _) = Journal::open(settings, None, AT).unwrap();
    for _ in 0..100_000 {
        journal.write(&asked("uuid_kill 2d1f6f0e-6c1c-4d3a-9a38-8fd1b7e0a001")).unwrap();
    }
    let (files, keys) = (files(journal.directory()).unwrap(), Vec::from_iter(key(is_sealed)));
    bencher.bench_local(|| assert!(verify(&files, &keys, None).unwrap().is_whole()));
}
