//! `switchward demo`: the guard against a simulated switch, for a look around without a telephone in sight.
//!
//! Phones and attackers are acted out in this process and the daemon guards against them as it would for real: over a TCP
//! event socket, with its own store (thrown away at the end) and HTTP interface. Bans are only logged, or with `netns` put into
//! real kernel sets in a network namespace that nobody else uses.

use crate::config::{Config, Secret};
use crate::daemon::{self, Options, Running};
use crate::logs;
use anyhow::Context;
use guard::Guard;
use simswitch::{RunOptions, RunStats, Scenario, SimSwitch};
use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What the demo is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Real kernel sets, in a network namespace of the demo's own.
    pub netns: bool,
    /// Seed of the scenario.
    pub seed: u64,
    /// Port of the HTTP interface; 0 takes a free one.
    pub port: u16,
    /// End after so long; `None` runs until a signal.
    pub seconds: Option<u64>,
}

/// Runs the demo until it is over.
///
/// # Errors
/// When the simulated switch cannot be started or the terminal is gone.
pub fn run(settings: Settings, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let runtime = daemon::runtime()?;
    runtime.block_on(act(settings, out))
}

async fn act(settings: Settings, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let sim = SimSwitch::bind(simswitch::Config::default()).await.context("starting the simulated switch")?;
    let folder = std::env::temp_dir().join(format!("switchward-demo-{}", std::process::id()));
    let mut config = config(settings, sim.addr().port());
    // Nothing of a real daemon's is touched.
    config.api.tokens_file = Some(folder.join("tokens.json"));
    config.api.users_file = Some(folder.join("users.json"));
    config.server.socket = folder.join("switchward.sock").display().to_string();
    let log = logs::init(config.log.level, config.log.format, false);
    let options = Options {
        store: Some(folder.join("switchward.db")),
        private_network: settings.netns,
        ..Options::default()
    };
    let running = match daemon::start(config, log, options).await {
        Ok(running) => running,
        Err(error) => {
            writeln!(std::io::stderr(), "switchward: {error}")?;
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    introduce(settings, &running, &sim, out)?;
    let scenario = Scenario::mix(settings.seed, 1.0);
    let guard = running.app.guard.clone();
    let dropped = move |ip: IpAddr, port: u16| is_dropped(&guard, ip, port);
    let run_options = RunOptions { dropped: Some(Arc::new(dropped)), ..RunOptions::default() };
    // The guard, and the broker twice: for events and for jobs.
    sim.wait_for_subscribers(3, Duration::from_secs(10)).await;
    let play = sim.run_scenario(scenario, run_options);
    tokio::select! {
        waited = wait(settings.seconds) => waited?,
        part = running.broken() => anyhow::bail!("{part} has died"),
    }
    let stats = play.stats();
    drop(play);
    conclude(&running, stats, out)?;
    running.stop().await;
    sim.stop().await;
    _ = std::fs::remove_dir_all(&folder);
    Ok(ExitCode::SUCCESS)
}

fn config(settings: Settings, event_socket: u16) -> Config {
    let mut config = Config::default();
    config.server.port = settings.port;
    config.server.log_requests = false;
    config.security.dry_run = !settings.netns;
    config.security.esl_port = event_socket;
    config.security.esl_password = Secret::from("ClueCon");
    config.switches[0].port = event_socket;
    config.switches[0].password = Secret::from("ClueCon");
    config
}

/// What the kernel would drop, or drops: the ledger knows.
fn is_dropped(guard: &Guard, ip: IpAddr, port: u16) -> bool {
    guard.ledger().banned(ip, port, crate::clock::now()).is_some()
}

fn introduce(
    settings: Settings,
    running: &Running,
    sim: &SimSwitch,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let url = format!("http://{}", running.address);
    writeln!(out, "A simulated FreeSWITCH at {} with healthy phones and attackers, guarded.", sim.addr())?;
    writeln!(
        out,
        "Bans {}.\n",
        if settings.netns {
            "are real, in a network namespace of their own"
        } else {
            "are only logged (dry run)"
        }
    )?;
    writeln!(out, "Look, in another terminal:")?;
    let flag = format!(" --url {url}");
    writeln!(out, "  switchward status{flag}")?;
    writeln!(out, "  switchward list bans{flag}")?;
    writeln!(out, "  switchward why 198.51.100.10{flag}")?;
    writeln!(out, "  curl {url}/security/blacklist")?;
    if let Some(path) = &running.namespace {
        writeln!(out, "  nsenter --net={path} nft list table inet switchward")?;
    }
    writeln!(out, "\nCtrl-C ends it.\n")?;
    out.flush()
}

async fn wait(seconds: Option<u64>) -> std::io::Result<()> {
    let over = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        () = over => Ok(()),
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}

fn conclude(running: &Running, stats: RunStats, out: &mut dyn Write) -> std::io::Result<()> {
    let counts = running.app.guard.counts();
    let [forgeable, likely, proven] = counts.bans.each_ref().map(guard::counts::Count::value);
    writeln!(out, "\n{} events, {} observations.", stats.events, counts.observations())?;
    writeln!(
        out,
        "{} bans: {proven} from proven, {likely} from likely, {forgeable} from forgeable evidence.",
        counts.all_bans()
    )?;
    writeln!(
        out,
        "{} steps of attackers were dropped, and {} of anybody else.",
        stats.blocked_attackers, stats.blocked_others
    )
}
