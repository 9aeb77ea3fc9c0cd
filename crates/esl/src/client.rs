//! A client that stays connected: [`Client`] receives events and reconnects, [`Handle`] stops it.
//!
//! The caller's handler is called inline, in the reading task, with views over the read buffer: no queue, no copy, no
//! allocation between the socket and the handler. It must not block. Commands go over other connections, see
//! [`crate::pool`]. What a connection is and how it fails is in [`Connection`] and [`Disconnect`].

use crate::{event::EventView, frame::Frame};
use std::{ops::ControlFlow, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

mod backoff;
mod config;
mod connection;
mod disconnect;

pub use backoff::Backoff;
pub use config::{Config, Password};
pub use connection::{Connection, Reply};
pub use disconnect::Disconnect;
pub(crate) use disconnect::quote;

/// What the handler is told.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// The state of the connection changed.
    State(State<'a>),
    /// Bytes were read from the socket; what they hold follows. The place for one clock read.
    Read {
        /// How many.
        bytes: usize,
    },
    /// An event.
    Event(EventView<'a>),
    /// Another frame: log data, a reply, or an event frame whose body is no event.
    Frame(Frame<'a>),
    /// All that was in the buffer has been told; the client is about to wait for the socket.
    Drained,
}

/// The state of the connection.
#[derive(Debug)]
pub enum State<'a> {
    /// About to connect.
    Connecting {
        /// 1 for the first try since the client was made or was connected.
        attempt: u32,
    },
    /// Logged in and subscribed.
    Connected {
        /// What `api version` answered, when it may be asked.
        version: Option<&'a str>,
    },
    /// Not connected, or not any more.
    Disconnected {
        /// Why.
        why: &'a Disconnect,
        /// When the next try begins.
        retry_in: Duration,
    },
}

/// Receives the events of one server. See the module.
#[derive(Debug)]
pub struct Client {
    config: Config,
    backoff: Backoff,
    /// Grows with each silence: perhaps the server's heart beats more slowly than we thought.
    silence: Option<Duration>,
    handle: Handle,
    orders: watch::Receiver<Orders>,
}

/// Stops a [`Client`] or makes it reconnect, from anywhere.
#[derive(Debug, Clone)]
pub struct Handle {
    orders: watch::Sender<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    stop: bool,
    /// Counts the orders to reconnect.
    reconnect: u64,
}

impl Handle {
    /// Lets [`Client::run`] say `exit` and return.
    pub fn stop(&self) {
        self.orders.send_modify(|orders| orders.stop = true);
    }

    /// Connects anew at once, whether connected or waiting.
    pub fn reconnect(&self) {
        self.orders.send_modify(|orders| orders.reconnect += 1);
    }
}

impl Client {
    /// A client that is not connected yet.
    pub fn new(config: Config) -> Self {
        let backoff = Backoff::new(config.backoff_base, config.backoff_cap);
        let (sender, orders) = watch::channel(Orders::default());
        let silence = config.silence_limit;
        Self { config, backoff, silence, handle: Handle { orders: sender }, orders }
    }

    /// Stops or reconnects this client.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Connects, receives, reconnects, until [`Handle::stop`]. It may be called again unless it was stopped.
    pub async fn run(&mut self, handler: &mut impl FnMut(Incoming<'_>)) {
        let mut attempt = 1;
        while !self.orders.borrow_and_update().stop {
            handler(Incoming::State(State::Connecting { attempt }));
            let opened = tokio::select! {
                biased;
                order = next_order(&mut self.orders) => Err(order),
                opened = Connection::open(&self.config) => Ok(opened),
            };
            let why = match opened {
                Err(Order::Stop) => return,
                Err(Order::Reconnect) => Disconnect::Requested,
                Ok(Err(why)) => why,
                Ok(Ok(mut connection)) => {
                    attempt = 0;
                    self.backoff.connected(Instant::now().into_std());
                    handler(Incoming::State(State::Connected { version: connection.version() }));
                    match self.receive(&mut connection, handler).await {
                        ControlFlow::Continue(why) => why,
                        ControlFlow::Break(()) => {
                            connection.exit().await;
                            return;
                        }
                    }
                }
            };
            attempt += 1;
            if let Disconnect::Silent(limit) = why {
                self.silence = Some((limit * 2).min(LONGEST_SILENCE.max(limit)));
            }
            let retry_in = match why {
                Disconnect::Requested => Duration::ZERO,
                _ => self.backoff.lost(Instant::now().into_std(), fastrand::f64()),
            };
            handler(Incoming::State(State::Disconnected { why: &why, retry_in }));
            tokio::select! {
                biased;
                order = next_order(&mut self.orders) => match order {
                    Order::Stop => return,
                    Order::Reconnect => self.backoff.reset(),
                },
                () = sleep(retry_in) => {}
            }
        }
    }

    /// Hands on what arrives until the connection ends (`Continue`) or the client is stopped (`Break`).
    async fn receive(
        &mut self,
        connection: &mut Connection,
        handler: &mut impl FnMut(Incoming<'_>),
    ) -> ControlFlow<(), Disconnect> {
        let silence = self.silence.filter(|_| self.config.expects_heartbeats());
        loop {
            if let Err(why) = hand_on(connection, handler) {
                return ControlFlow::Continue(why);
            }
            handler(Incoming::Drained);
            let read = tokio::select! {
                biased;
                order = next_order(&mut self.orders) => return match order {
                    Order::Stop => ControlFlow::Break(()),
                    Order::Reconnect => ControlFlow::Continue(Disconnect::Requested),
                },
                read = connection.read_within(silence) => read,
            };
            match read {
                Ok(bytes) => handler(Incoming::Read { bytes }),
                Err(why) => return ControlFlow::Continue(why),
            }
        }
    }
}

/// Hands on every whole frame in the buffer.
fn hand_on(connection: &mut Connection, handler: &mut impl FnMut(Incoming<'_>)) -> Result<(), Disconnect> {
    while let Some(frame) = connection.next()? {
        match frame.event() {
            Some(Ok(event)) => handler(Incoming::Event(event)),
            Some(Err(_)) | None => handler(Incoming::Frame(frame)),
        }
    }
    Ok(())
}

enum Order {
    Stop,
    Reconnect,
}

async fn next_order(orders: &mut watch::Receiver<Orders>) -> Order {
    // It fails only when every sender is gone, and the client holds one.
    let _ = orders.changed().await;
    if orders.borrow_and_update().stop { Order::Stop } else { Order::Reconnect }
}

/// FreeSWITCH's `event-heartbeat-interval` can be set; a connection that is given up for silence waits twice as long the
/// next time, up to this.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);
