//! The simulated switch as a program: `simswitch serve` acts a scenario out, `simswitch play` plays captures, and
//! `simswitch evaluate` lets two judges judge both.

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use simswitch::evaluate;
use simswitch::{Capture, Config, Pace, Part, RunOptions, Scenario, SimSwitch, Stamps};
use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

/// A FreeSWITCH that speaks the real event socket, for demonstrations and tests.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Acts out phones and attackers until it is interrupted.
    Serve {
        #[command(flatten)]
        socket: Socket,
        /// What is acted out: mix, phones, office, cracker, enumerator, distributed, sprayer, fraud, public, forged,
        /// ipv6 or slow.
        #[arg(long, default_value = "mix")]
        scenario: String,
        /// The same seed gives the same scenario.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Multiplies the attackers' rates.
        #[arg(long, default_value_t = 1.0)]
        rate: f64,
        /// How much faster than real time.
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
    },
    /// Plays captures to every client, once one has subscribed.
    Play {
        #[command(flatten)]
        socket: Socket,
        /// Captures, perhaps compressed (.zst).
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// `original`, a factor such as 10, or `max`: as fast as the clients read.
        #[arg(long, default_value = "original", value_parser = pace)]
        pace: Pace,
        /// What becomes of the dates in the events.
        #[arg(long, value_enum, default_value_t = Dates::Recorded)]
        dates: Dates,
        /// Writes the files' bytes as they are, whatever the clients have subscribed to.
        #[arg(long, conflicts_with_all = ["pace", "dates"])]
        raw: bool,
        /// Plays again and again.
        #[arg(long)]
        again: bool,
    },
    /// Judges scenarios and captures by the guard's default rules and by a plain judge, side by side, in virtual time.
    ///
    /// The exit code is 1 when the guard locked somebody healthy out or missed an attacker.
    Evaluate {
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds, one after the other; the table shows the sums.
        #[arg(long, default_value_t = 5)]
        seeds: u64,
        /// Only this one.
        #[arg(long)]
        scenario: Option<String>,
        /// Where the captures and their labels are.
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/captures/freeswitch"))]
        captures: PathBuf,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Socket {
    /// Where the event socket listens.
    #[arg(long, default_value = "127.0.0.1:8021")]
    listen: SocketAddr,
    /// Its password.
    #[arg(long, default_value = "ClueCon")]
    password: String,
    /// Seconds between HEARTBEAT events; 0 for none.
    #[arg(long, default_value_t = 20)]
    heartbeat: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dates {
    /// They stay as recorded.
    Recorded,
    /// They become the time of playing.
    Now,
}

fn pace(text: &str) -> Result<Pace, String> {
    match text {
        "original" => Ok(Pace::ORIGINAL),
        "max" => Ok(Pace::Max),
        _ => match text.parse() {
            Ok(factor) if factor > 0.0 => Ok(Pace::Times(factor)),
            _ => Err("expected `original`, `max` or a positive number".into()),
        },
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve { socket, scenario, seed, rate, speed } => {
            if !(rate > 0.0 && speed > 0.0) {
                bail!("rate and speed must be positive");
            }
            let scenario = Scenario::new(seed, &Part::named(&scenario, rate)?);
            serve(&start(socket, seed).await?, scenario, speed).await?;
        }
        Command::Play { socket, files, pace, dates, raw, again } => {
            let switch = start(socket, 1).await?;
            play(&switch, &files, pace, dates, raw, again).await?;
        }
        Command::Evaluate { seed, seeds, scenario, captures, json } => {
            let options = evaluate::Options { seed, seeds, scenario, captures: Some(captures) };
            let rows = evaluate::run(&options)?;
            match json {
                true => say(&serde_json::to_string_pretty(&evaluate::json(&rows))?)?,
                false => say(evaluate::text(&rows).trim_end())?,
            }
            let is_right = rows.iter().all(|row| row.scores[0].is_right());
            return Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn start(socket: Socket, seed: u64) -> anyhow::Result<SimSwitch> {
    let listen = socket.listen;
    let config = Config {
        listen,
        password: socket.password,
        heartbeat: (socket.heartbeat > 0).then(|| Duration::from_secs(socket.heartbeat)),
        seed,
        ..Config::default()
    };
    let switch = SimSwitch::bind(config).await.with_context(|| format!("cannot listen on {listen}"))?;
    say(&format!("the event socket listens on {}", switch.addr()))?;
    Ok(switch)
}

async fn serve(switch: &SimSwitch, scenario: Scenario, speed: f64) -> anyhow::Result<()> {
    for truth in scenario.ground_truth().entries() {
        let sources: Vec<_> = truth.sources.iter().take(3).map(|s| s.address.to_string()).collect();
        say(&format!("{:>13?}  {:<20} {}", truth.label, truth.role, sources.join(" ")))?;
    }
    let run = switch.run_scenario(scenario, RunOptions { speed, ..RunOptions::default() });
    tokio::signal::ctrl_c().await.context("cannot wait for an interrupt")?;
    let stats = run.stats();
    switch.stop().await;
    say(&format!("{} steps made {} events", stats.steps, stats.events))
}

async fn play(
    switch: &SimSwitch,
    files: &[PathBuf],
    pace: Pace,
    dates: Dates,
    raw: bool,
    again: bool,
) -> anyhow::Result<()> {
    let stamps = match dates {
        Dates::Recorded => Stamps::Recorded,
        Dates::Now => Stamps::Now,
    };
    let captures: Vec<_> = files.iter().map(Capture::load).collect::<Result<_, _>>()?;
    while !switch.wait_for_subscribers(1, Duration::from_secs(3600)).await {}
    loop {
        for (capture, file) in captures.iter().zip(files) {
            let name = file.display();
            if raw {
                let took = switch.play_raw(capture.bytes()).await;
                say(&format!("{name}: {} bytes in {took:.1?}", capture.bytes().len()))?;
            } else {
                let played = switch.play(capture.events(), pace, stamps).await;
                say(&format!("{name}: {} events in {:.1?}", played.events, played.took))?;
            }
        }
        if !again {
            break;
        }
    }
    switch.stop().await;
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to the standard output")
}
