//! What a command costs at the desk before it is sent: looking the grant up, judging, freeing of secrets.
//!
//! `cargo bench -p broker --features tokio --bench desk`.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run says why and ends")]

use broker::hours::Moment;
use broker::redact::Redactor;
use broker::rulebook::{Rulebook, Rules, User};
use broker::{Caller, Identity, Line, Proof, Terms, freeswitch};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const NOW: Moment = Moment { day: 0, minute: 720 };
const COMMANDS: [&str; 3] = [
    "status",
    "uuid_kill 11111111-2222-3333-4444-555555555555 NORMAL_CLEARING",
    "originate {origination_caller_id_number=1000,ignore_early_media=true}user/1000@pbx.example &park()",
];

fn book() -> Rulebook {
    let users = (0..100).map(|n| User {
        name: format!("user{n}@pbx.example"),
        roles: vec!["operator".into()],
        rules: Rules { deny: vec!["hupall".into()], ..Rules::default() },
        ..User::default()
    });
    Rulebook::new(&[], &users.collect::<Vec<_>>(), Terms::default()).unwrap()
}

fn who() -> Identity {
    Identity::new("user50@pbx.example", Proof::Token)
}

#[divan::bench]
fn grant(bencher: Bencher<'_, '_>) {
    let (book, who) = (book(), who());
    let source = Some("192.0.2.7".parse().unwrap());
    bencher.bench(|| book.grant(black_box(&who), source, NOW).is_ok());
}

#[divan::bench]
fn moment(bencher: Bencher<'_, '_>) {
    bencher.bench(broker::clock::moment);
}

#[divan::bench(args = COMMANDS)]
fn judge(bencher: Bencher<'_, '_>, command: &str) {
    let grant = book().grant(&who(), None, NOW).unwrap();
    let caller = Caller { user: "user50", domain: "pbx.example", owns: &|_| true };
    let catalogue = freeswitch::catalogue();
    bencher.bench_local(|| {
        grant.judge(&caller, None, Line::new(black_box(command)).unwrap(), catalogue).allowed
    });
}

#[divan::bench(args = COMMANDS)]
fn redact_command(bencher: Bencher<'_, '_>, command: &str) {
    let redactor = Redactor::new(freeswitch::catalogue(), &[]);
    bencher.bench(|| redactor.command(Line::new(black_box(command)).unwrap()).len());
}

#[divan::bench(args = [1, 100])]
fn redact_reply(bencher: Bencher<'_, '_>, rows: usize) {
    let redactor = Redactor::new(freeswitch::catalogue(), &[]);
    let row = "11111111-2222-3333-4444-555555555555,inbound,2026-11-21 14:00:00,1795267259,sofia/internal/1000@pbx.example,CS_EXECUTE,1000,192.0.2.10\n";
    let text = row.repeat(rows).into_bytes();
    let line = Line::new("show channels").unwrap();
    bencher.with_inputs(|| text.clone()).bench_values(|text| redactor.reply(line, text).len());
}
