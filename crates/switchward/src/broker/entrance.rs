//! The event socket door of the daemon: its listeners, and its end.

use super::porter::Gate;
use crate::access::socket::{self, SocketFile};
use crate::app::App;
use crate::config::Config;
use crate::doors::{Kind, Place};
use broker::desk;
use broker::door::{Door, Settings, Tls};
use esl::server::Server;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch as signal;

/// Listeners that are there and serve nobody yet.
#[derive(Default)]
pub struct Listeners {
    tcp: Option<TcpListener>,
    unix: Option<(tokio::net::UnixListener, SocketFile)>,
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum EntranceError {
    /// The port.
    #[error(
        "cannot listen for the event socket protocol at {0}: {1}; set broker.door.host and broker.door.port"
    )]
    Port(String, io::Error),
    /// The Unix socket.
    #[error("cannot listen on broker.door.socket {0}: {1}; name another path, or \"\" for none")]
    Socket(String, io::Error),
    /// Passwords could be read on their way.
    #[error(
        "the event socket door would be reachable at {0} without TLS: tokens and passwords could be read on their way; set server.tls_cert and \
         server.tls_key (or those of broker.door), listen at 127.0.0.1, or set broker.door.plain = true"
    )]
    Plain(std::net::SocketAddr),
}

impl Listeners {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// See [`EntranceError`].
    pub async fn open(config: &Config, has_tls: bool) -> Result<Listeners, EntranceError> {
        let door = &config.broker.door;
        let mut listeners = Listeners::default();
        if let Some(port) = door.port {
            let wrong = |error| EntranceError::Port(format!("{}:{port}", door.host), error);
            let host = if door.host.is_empty() { "::" } else { &door.host };
            let listener = TcpListener::bind((host, port)).await.map_err(wrong)?;
            let address = listener.local_addr().map_err(wrong)?;
            if !guard::source::fold(address.ip()).is_loopback() && !has_tls && !door.plain {
                return Err(EntranceError::Plain(address));
            }
            listeners.tcp = Some(listener);
        }
        if !door.socket.is_empty() {
            let wrong = |error| EntranceError::Socket(door.socket.clone(), error);
            listeners.unix = Some(socket::bind(Path::new(&door.socket)).map_err(wrong)?);
        }
        Ok(listeners)
    }

    /// Where the port is.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.tcp.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves them until the daemon stops. `None` when there are none.
    pub fn serve(self, app: &Arc<App>, stopped: &signal::Receiver<bool>) -> Option<Arc<Door>> {
        if self.tcp.is_none() && self.unix.is_none() {
            return None;
        }
        let door = Door::new(app.desk.clone(), Arc::new(Gate::new(app)), settings(&app.config.load()));
        if let Some(listener) = self.tcp {
            let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
            let is_plain = app.config.load().broker.door.plain;
            let tls = app.access.door_tls().filter(|_| !is_plain).map(|first| {
                let app = app.clone();
                // The certificate of the moment; it may have been renewed.
                Arc::new(move || app.access.door_tls().unwrap_or_else(|| first.clone())) as Tls
            });
            let way = if tls.is_some() { desk::Door::EslTls } else { desk::Door::Esl };
            if let Ok(address) = listener.local_addr() {
                app.monitor.listening.opened(Kind::Esl, Place::Tcp(address, tls.is_some()));
            }
            tracing::info!(%address, tls = tls.is_some(), "the event socket door is open");
            let server = Server::over_tcp(listener, door.server_config());
            tokio::spawn(attend(door.clone(), server, way, tls, None, stopped.clone()));
        }
        if let Some((listener, file)) = self.unix {
            app.monitor.listening.opened(Kind::EslSocket, Place::Unix(file.path().into()));
            tracing::info!(path = %file.path().display(), "the event socket door is open");
            let server = Server::over_unix(listener, door.server_config());
            tokio::spawn(attend(
                door.clone(),
                server,
                desk::Door::EslSocket,
                None,
                Some(file),
                stopped.clone(),
            ));
        }
        Some(door)
    }
}

async fn attend(
    door: Arc<Door>,
    server: Server,
    way: desk::Door,
    tls: Option<Tls>,
    _file: Option<SocketFile>,
    mut stopped: signal::Receiver<bool>,
) {
    tokio::select! {
        ended = door.clone().serve(&server, way, tls) => {
            if let Err(error) = ended {
                tracing::error!(%error, door = way.word(), "the event socket door takes no more clients; restart");
            }
        }
        _ = stopped.wait_for(|stopped| *stopped) => door.close(),
    }
}

fn settings(config: &Config) -> Settings {
    let door = &config.broker.door;
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Settings {
        clients: count(door.max_clients),
        clients_of_one: count(door.max_clients_of_one),
        queue: count(door.queue),
        queue_bytes: usize::try_from(door.queue_bytes).unwrap_or(usize::MAX),
        login: door.login_time,
        stuck: door.stuck_time,
        ..Settings::default()
    }
}
