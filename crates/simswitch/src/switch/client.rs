//! The clients that are connected: [`Client`], and [`Fanout`], which sends one event to all who want it.

use super::{control::Control, listener::Listener, user::Rights};
use crate::{event::Event, world::LogLine};
use esl::{
    Format,
    server::{Outbox, Pushed},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) outbox: Outbox,
    listener: Mutex<Listener>,
    /// `None` before the login.
    rights: Mutex<Option<Rights>>,
    control: Mutex<Control>,
}

impl Client {
    pub(super) fn new(id: u64, peer: SocketAddr, outbox: Outbox) -> Arc<Self> {
        let (listener, rights, control) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { id, peer, outbox, listener, rights, control })
    }

    pub(super) fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rights(&self) -> Option<Rights> {
        self.rights.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn log_in(&self, rights: Rights) {
        *self.rights.lock().unwrap_or_else(PoisonError::into_inner) = Some(rights);
    }
}

/// All clients.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    clients: RwLock<Vec<Arc<Client>>>,
}

impl Fanout {
    pub(super) fn add(&self, client: Arc<Client>) {
        self.clients.write().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    pub(super) fn remove(&self, id: u64) {
        self.clients.write().unwrap_or_else(PoisonError::into_inner).retain(|client| client.id != id);
    }

    pub(super) fn all(&self) -> Vec<Arc<Client>> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends an event to every client that wants it; it is encoded once per format. Gives how many queues took it.
    pub(super) fn send(&self, event: &Event) -> usize {
        let view = event.view();
        let name = view.name();
        let subclass = view.subclass().map(|subclass| subclass.decoded());
        let mut frames: [Option<Arc<[u8]>>; 3] = [None, None, None];
        let mut taken = 0;
        for client in self.clients.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let format = {
                let listener = client.listener();
                if !listener.wants(name, subclass.as_deref(), &view) {
                    continue;
                }
                listener.format
            };
            let frame = frames[format as usize].get_or_insert_with(|| event.frame(format));
            taken += usize::from(client.outbox.push(Arc::clone(frame)) == Pushed::Queued);
        }
        taken
    }

    /// Sends a log line to those who want its level. FreeSWITCH 1.10.9 and later write the `idle` CPU into it.
    pub(super) fn log(&self, now: u64, log: &LogLine, idle: bool) {
        let mut frame: Option<Arc<[u8]>> = None;
        for client in self.clients.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if client.listener().log.is_some_and(|level| level >= log.level) {
                let frame = frame.get_or_insert_with(|| log_frame(now, log, idle));
                client.outbox.push(Arc::clone(frame));
            }
        }
    }

    /// Waits until no client that listens has this many events waiting.
    pub(super) async fn room(&self, events: usize) {
        let listening: Vec<_> = self.all().into_iter().filter(|client| client.listener().listening).collect();
        for client in listening {
            client.outbox.room(events).await;
        }
    }
}

/// The idle CPU in it is made up: 99 %.
fn log_frame(now: u64, log: &LogLine, idle: bool) -> Arc<[u8]> {
    let LogLine { level, file, function, line, text } = log;
    let idle = if idle { " 99.00%" } else { "" };
    let word = LEVELS.get(usize::from(*level)).unwrap_or(&"DEBUG");
    let text =
        format!("{}.{:06}{idle} [{word}] {file}:{line} {text}", crate::clock::stamp(now), now % 1_000_000);
    let frame = format!(
        "Content-Type: log/data\nContent-Length: {}\nLog-Level: {level}\nText-Channel: 0\nLog-File: {file}\n\
         Log-Func: {function}\nLog-Line: {line}\nUser-Data: \n\n{text}\n",
        text.len() + 1,
    );
    frame.into_bytes().into()
}

/// As they stand in a line, by their numbers.
const LEVELS: [&str; 8] = ["CONSOLE", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"];
const _: () = assert!(Format::Plain as usize == 0 && Format::Xml as usize == 2);
