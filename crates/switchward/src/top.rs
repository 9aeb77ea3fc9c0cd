//! `switchward top`: the guard live on a terminal.
//!
//! [`run`] wires three parts: [`feed`] asks the daemon and follows its stream, [`View`] is all that is known and
//! chosen (pure: news and keys in, wishes out), [`draw`] paints it. The terminal is put back in every case: by [`Screen`] when
//! the function ends, however it ends, and by ratatui's panic hook before a panic is told.

use crate::ask::{Client, Daemon, Failure};
use crate::clock;
use crate::exit;
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

mod draw;
mod feed;
mod view;

#[cfg(test)]
mod tests;

use view::{View, Wish};

/// Watch the guard live, full screen.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = "Examples:\n  switchward top\n  switchward top --url http://192.0.2.1:8088\n\n\
    Keys: q quit, Tab other list, arrows and PgUp/PgDn select, s sort, p pause, Enter why, b ban, u unban, ? help")]
pub struct Top {
    #[command(flatten)]
    daemon: Daemon,
}

/// Shows the daemon at `url` until the user has seen enough. Returns the exit code.
///
/// # Errors
/// When the terminal cannot be written.
pub async fn run(top: Top, url: &str) -> anyhow::Result<u8> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        _ = writeln!(
            std::io::stderr(),
            "switchward: top needs a terminal; for a pipe there is `switchward stream`"
        );
        return Ok(exit::USAGE);
    }
    let client = match Client::new(&top.daemon, url) {
        Ok(client) => Arc::new(client),
        Err(failure) => {
            _ = writeln!(std::io::stderr(), "switchward: {failure}");
            return Ok(failure.exit_code());
        }
    };
    let mut ends = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
    let (updates, mut news) = mpsc::channel(256);
    feed::start(client.clone(), updates.clone());
    let mut view =
        View::new(client.where_it_is(), std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let mut screen = Screen::open()?;
    let mut keys = keyboard();
    let mut tick = tokio::time::interval(REDRAW);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_stale = true;
    loop {
        let [terminate, hangup, interrupt] = &mut ends;
        tokio::select! {
            Some(update) = news.recv() => {
                view.take(update);
                is_stale = true;
            }
            key = keys.recv() => match key {
                // The keyboard is gone, and with it the terminal.
                None => return Ok(0),
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    match view.press(key.code, key.modifiers) {
                        Some(Wish::Quit) => return Ok(0),
                        Some(wish) => feed::carry_out(client.clone(), wish, updates.clone()),
                        None => {}
                    }
                    screen.draw(&view)?;
                }
                Some(_) => screen.draw(&view)?,
            },
            _ = tick.tick() => {
                // Times that are left go down by themselves.
                is_stale |= view.is_moving();
                if is_stale {
                    screen.draw(&view)?;
                    is_stale = false;
                }
            }
            () = ended(terminate) => return Ok(0),
            () = ended(hangup) => return Ok(0),
            () = ended(interrupt) => return Ok(0),
        }
    }
}

async fn ended(signal: &mut std::io::Result<tokio::signal::unix::Signal>) {
    match signal {
        Ok(signal) => _ = signal.recv().await,
        Err(_) => std::future::pending().await,
    }
}

/// The terminal in our hands; given back when dropped.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> std::io::Result<Screen> {
        ratatui::try_init().map(Screen).inspect_err(|_| ratatui::restore())
    }

    fn draw(&mut self, view: &View) -> std::io::Result<()> {
        self.0.draw(|frame| draw::draw(view, clock::now(), frame)).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where it cannot be written any more there is nothing to put back.
        _ = ratatui::try_restore();
    }
}

/// Keys and changes of the terminal's size, read on a thread of its own.
fn keyboard() -> mpsc::Receiver<Event> {
    let (keys, pressed) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !keys.is_closed() {
            match event::poll(LOOK) {
                Ok(false) => {}
                Ok(true) => match event::read() {
                    Ok(event) => {
                        if keys.blocking_send(event).is_err() {
                            return;
                        }
                    }
                    Err(_) => return,
                },
                Err(_) => return,
            }
        }
    });
    pressed
}

/// How often the picture is painted at most, when nobody presses a key.
const REDRAW: Duration = Duration::from_millis(250);
/// How often it is seen that nobody wants keys any more.
const LOOK: Duration = Duration::from_millis(200);

/// What an order or a question came to, in words.
fn words(failure: &Failure) -> String {
    failure.to_string().lines().next().unwrap_or_default().to_owned()
}
