//! What the door costs: `api status` straight to the simulated switch and through the door, by the same client, in turns in one run.
//!
//! `cargo bench -p broker --features tokio --bench door`. Everything shares the machine; every round is printed. The audit is written as in
//! production, one line before and one after each command.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use broker::desk::{self, Desk, Rules, Switch};
use broker::door::{Admission, Credential, Door, Identifying, Porter, Settings, Stays, Stranger};
use broker::journal::{Journal, Settings as JournalSettings};
use broker::redact::Redactor;
use broker::rulebook::{Rulebook, User};
use broker::{Grant, Identity, Proof, Terms, Upstream, freeswitch, upstream};
use esl::Command;
use esl::client::{Config, Connection};
use esl::server::Server;
use simswitch::SimSwitch;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everybody with the token is the monitor.
struct Gate;

impl Porter for Gate {
    fn admits(&self, _: &Stranger) -> bool {
        true
    }

    fn identify<'a>(&'a self, _: &'a Stranger, claim: Credential<'a>) -> Identifying<'a> {
        Box::pin(async move {
            match claim {
                Credential::Token("token") => {
                    Admission::Welcome(Identity::new("monitor", Proof::Token), Stays::while_true(|| true))
                }
                _ => Admission::Wrong("an unknown token".into()),
            }
        })
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.expect("a free port");
    switch.set_api("status", &"UP 0 years, 0 days\n".repeat(20));
    let direct = Config::new("127.0.0.1", switch.addr().port(), "ClueCon");
    let directory = tempfile::tempdir().expect("a directory");
    let (journal, _) = Journal::open(JournalSettings::new(directory.path()), None, 0).expect("an audit");
    let bare = open(&direct, None).await;
    let audited = open(&direct, Some(Arc::new(journal))).await;
    let mut clients = Vec::new();
    for (name, config) in
        [("straight", &direct), ("through the door, no audit", &bare), ("through the door", &audited)]
    {
        clients.push((
            name,
            Connection::open_without_events(config).await.expect("a connection"),
            Vec::new(),
        ));
    }
    println!("one after the other             median     p99  commands/s");
    for _ in 0..ROUNDS {
        for (name, client, medians) in &mut clients {
            let mut times = Vec::with_capacity(ROUND);
            for _ in 0..ROUND {
                let begin = Instant::now();
                client.ask(Command::Api("status")).await.expect("an answer");
                times.push(begin.elapsed());
            }
            medians.push(report(name, times));
        }
    }
    let median = |medians: &mut Vec<Duration>| {
        medians.sort();
        medians[medians.len() / 2]
    };
    let straight = median(&mut clients[0].2);
    for (name, _, medians) in &mut clients[1..] {
        let added = median(medians).saturating_sub(straight);
        println!("added by {name}: {} µs (median of the rounds' medians)", added.as_micros());
    }
    for count in [8, 64] {
        println!("{count} clients at once");
        for _ in 0..3 {
            let straight = rate(&direct, count).await;
            let through = rate(&audited, count).await;
            println!("  straight {straight:>8.0}/s   through the door {through:>8.0}/s");
        }
    }
}

/// A door before the switch, and how to get to it.
async fn open(switch: &Config, journal: Option<Arc<Journal>>) -> Config {
    let upstream = Upstream::start(switch.clone(), upstream::Settings::default());
    while !upstream.state().commands.is_up() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let monitor = User { name: "monitor".into(), roles: vec!["monitor".into()], ..User::default() };
    let terms = Terms::default();
    let rules = Rules {
        book: Rulebook::new(&[], &[monitor], terms).expect("rules"),
        nobody: Arc::new(Grant::default()),
        redactor: Redactor::new(freeswitch::catalogue(), &[]),
        allow_unaudited: false,
    };
    let desk = Desk::new(rules, vec![Switch { name: "pbx".into(), upstream }], journal);
    let door = Door::new(desk, Arc::new(Gate), Settings::default());
    let server =
        Server::bind((Ipv4Addr::LOCALHOST, 0).into(), door.server_config()).await.expect("a free port");
    let port = server.local_addr().expect("an address").port();
    tokio::spawn(async move { door.serve(&server, desk::Door::Esl, None).await });
    Config::new("127.0.0.1", port, "token")
}

async fn rate(config: &Config, clients: usize) -> f64 {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Connection::open_without_events(config).await.expect("a connection"));
    }
    let begin = Instant::now();
    let asking = |mut connection: Connection| async move {
        for _ in 0..ROUND * 2 / clients {
            connection.ask(Command::Api("status")).await.expect("an answer");
        }
    };
    let tasks: Vec<_> = connections.into_iter().map(|connection| tokio::spawn(asking(connection))).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    (ROUND * 2 / clients * clients) as f64 / begin.elapsed().as_secs_f64()
}

fn report(name: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let rate = times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64();
    let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("  {name:28} {:>5} µs {:>5} µs {rate:>8.0}", median.as_micros(), late.as_micros());
    median
}

const ROUNDS: usize = 5;
const ROUND: usize = 10_000;
