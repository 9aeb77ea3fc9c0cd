//! The listener: how many connections there may be, how long one may dawdle, and a stop that lets answers finish.
//!
//! A peer has a share of the connections, so that one that opens many and says nothing keeps nobody else out; some are
//! kept for the peers that may change state, so that an operator gets in whatever the others do.

use super::refused::Refused;
use crate::access::changes;
use crate::access::socket::SocketFile;
use crate::access::{Arrival, Certificate, Door};
use crate::app::App;
use crate::doors::{Kind, Place};
use guard::Source;
use guard::source::fold;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The ways in.
pub struct Doors {
    tcp: TcpListener,
    socket: Option<(UnixListener, SocketFile)>,
}

impl From<TcpListener> for Doors {
    fn from(tcp: TcpListener) -> Doors {
        Doors { tcp, socket: None }
    }
}

impl Doors {
    /// The Unix socket beside the port.
    #[must_use]
    pub fn with_socket(self, socket: Option<(UnixListener, SocketFile)>) -> Doors {
        Doors { socket, ..self }
    }

    /// Says where they are.
    fn tell(&self, app: &App) {
        if let Ok(address) = self.tcp.local_addr() {
            let is_tls = app.config.load().server.tls_cert.is_some();
            app.monitor.listening.opened(Kind::Http, Place::Tcp(address, is_tls));
        }
        if let Some((_, file)) = &self.socket {
            app.monitor.listening.opened(Kind::HttpSocket, Place::Unix(file.path().into()));
        }
    }

    async fn accept(&self) -> std::io::Result<Stream> {
        let socket = async {
            match &self.socket {
                Some((listener, _)) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = self.tcp.accept() => accepted.map(|(stream, peer)| Stream::Tcp(stream, fold(peer.ip()))),
            accepted = socket => accepted.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

/// A connection that has come.
enum Stream {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

/// Answers at the `doors` until `stop`, then lets the answers that have begun finish for a few seconds. The port speaks TLS when the
/// configuration has a certificate.
///
/// # Errors
/// When a listener is broken for good.
pub async fn serve(
    app: Arc<App>,
    doors: impl Into<Doors>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let doors = doors.into();
    doors.tell(&app);
    let service = TowerToHyperService::new(super::router(app.clone()));
    let (stopping, stopped) = watch::channel(());
    let seats = Arc::new(Seats::default());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    let mut every = tokio::time::interval(HOUSEKEEPING);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut housekeeping: Option<JoinHandle<()>> = None;
    loop {
        let accepted = tokio::select! {
            accepted = doors.accept() => accepted,
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            _ = every.tick() => {
                if housekeeping.as_ref().is_none_or(JoinHandle::is_finished) {
                    let app = app.clone();
                    housekeeping = Some(tokio::task::spawn_blocking(move || changes::look(&app)));
                }
                continue;
            }
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // A connection that was gone again, or no file descriptor left: both pass.
                tracing::warn!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let peer = if let Stream::Tcp(_, peer) = stream { Some(peer) } else { None };
        // Whoever may open the socket may do everything.
        let is_permitted =
            peer.is_none_or(|peer| app.config.load().api_allowed().iter().any(|net| net.contains(&peer)));
        let Some(seat) = Seats::take(&seats, peer, is_permitted) else {
            tracing::debug!(?peer, "too many HTTP connections; one closed unanswered");
            continue;
        };
        let talk = Talk { service: service.clone(), stopped: stopped.clone() };
        let app = app.clone();
        connections.spawn(async move {
            let _seat = seat;
            greet(&app, stream, talk).await;
        });
    }
    app.monitor.streams.close();
    drop(doors);
    drop(stopping);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_ANSWERS, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "HTTP connections were cut off at the stop");
    }
    _ = tokio::task::spawn_blocking(move || app.access.finish()).await;
    Ok(())
}

/// Cuts a connection off in the middle of an answer; in the extensions of each request.
#[derive(Clone, Default)]
pub(super) struct Cut(Arc<Notify>);

impl Cut {
    /// The connection is closed, whatever is on its way.
    pub(super) fn off(&self) {
        self.0.notify_one();
    }
}

/// What answers, and the sign to stop.
struct Talk {
    service: TowerToHyperService<axum::Router>,
    stopped: watch::Receiver<()>,
}

/// Finds out who is there, and serves the connection.
async fn greet(app: &App, stream: Stream, talk: Talk) {
    match stream {
        Stream::Unix(stream) => {
            let uid = stream.peer_cred().ok().map(|peer| peer.uid());
            let Some(uid) = uid else { return };
            talk.converse(stream, Arrival { door: Door::Socket, uid: Some(uid), ..Arrival::default() }).await;
        }
        Stream::Tcp(stream, peer) => {
            _ = stream.set_nodelay(true);
            // A peer that takes nothing of its answer is cut off (tcp(7), TCP_USER_TIMEOUT).
            _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(SLOWEST_READER));
            let arrival = Arrival { peer: Some(peer), ..Arrival::default() };
            let Some(tls) = app.access.tls() else { return talk.converse(stream, arrival).await };
            match tokio::time::timeout(SLOWEST_HANDSHAKE, shake_hands(stream, tls.config())).await {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(|all| all.first());
                    let certificate = shown.and_then(|shown| Certificate::of(shown)).map(Arc::new);
                    talk.converse(stream, Arrival { door: Door::Https, certificate, ..arrival }).await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        }
    }
}

/// The TLS handshake; plain HTTP is told in its own words where it has come to.
async fn shake_hands(
    mut stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    // The first byte of a handshake record (RFC 8446 section 5.1); a method begins with a letter.
    if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
        _ = stream.write_all(PLAIN).await;
        _ = stream.shutdown().await;
        return Err(std::io::Error::other("plain HTTP where TLS is spoken"));
    }
    TlsAcceptor::from(config).accept(stream).await
}

impl Talk {
    /// Serves one connection; after the stop it ends with the answer that has begun.
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, arrival: Arrival) {
        let Talk { service, mut stopped } = self;
        let cut = Cut::default();
        let cut_by_answer = cut.clone();
        let answer = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(arrival.clone());
            request.extensions_mut().insert(cut_by_answer.clone());
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(SLOWEST_HEADER)
            .max_headers(MOST_HEADERS)
            .max_buf_size(LARGEST_HEADER)
            .serve_connection(Refused::new(TokioIo::new(stream)), answer)
            .with_upgrades();
        let mut connection = pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = cut.0.notified() => return,
            // An error: the sender is gone, which is the sign.
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    result = connection.as_mut() => result,
                    () = cut.0.notified() => return,
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "an HTTP connection ended badly");
        }
    }
}

/// How many connections each peer has, and all together.
#[derive(Default)]
struct Seats(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// On the port.
    all: usize,
    /// An IPv6 peer has a whole /64, so that is what counts.
    by_peer: HashMap<Source, usize>,
    /// On the Unix socket; they take no place from the port, nor the port from them.
    on_socket: usize,
}

/// One connection's place; given back when dropped.
struct Seat {
    seats: Arc<Seats>,
    /// None on the Unix socket.
    peer: Option<Source>,
}

impl Seats {
    /// A place for a connection from `ip`, unless there are too many.
    fn take(seats: &Arc<Seats>, ip: Option<IpAddr>, is_permitted: bool) -> Option<Seat> {
        let mut taken = seats.0.lock();
        let peer = ip.map(Source::of);
        match peer {
            None if taken.on_socket >= MOST_ON_SOCKET => return None,
            None => taken.on_socket += 1,
            Some(peer) => {
                let own = taken.by_peer.get(&peer).copied().unwrap_or(0);
                let (most, most_own) = match is_permitted {
                    true => (MOST, MOST / 2),
                    false => (MOST - KEPT, MOST_OF_ONE),
                };
                if taken.all >= most || own >= most_own {
                    return None;
                }
                taken.all += 1;
                taken.by_peer.insert(peer, own + 1);
            }
        }
        Some(Seat { seats: seats.clone(), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
        let Some(peer) = self.peer else {
            taken.on_socket -= 1;
            return;
        };
        taken.all -= 1;
        match taken.by_peer.get_mut(&peer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => _ = taken.by_peer.remove(&peer),
        }
    }
}

/// Most connections on the Unix socket at a time.
const MOST_ON_SOCKET: usize = 64;
/// Most connections at a time.
const MOST: usize = 512;
/// Of these, kept for peers that may change state.
const KEPT: usize = 64;
/// Most connections of one peer that may not.
const MOST_OF_ONE: usize = 32;
/// The longest that a TLS handshake may take.
const SLOWEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files of `access` are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// What plain HTTP is told on the port that speaks TLS.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\
    Connection: close\r\n\r\n{\"error\":\"this port speaks TLS: write https:// for it\"}";
/// The longest that a header may take to arrive, and that a connection may be idle.
const SLOWEST_HEADER: Duration = Duration::from_secs(15);
/// The longest that a peer may take nothing of its answer.
const SLOWEST_READER: Duration = Duration::from_secs(30);
/// The largest header, in bytes.
const LARGEST_HEADER: usize = 32 * 1024;
const MOST_HEADERS: usize = 64;
/// The longest that a stop waits for answers that have begun.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
const AFTER_ERROR: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_take_every_place_and_operators_always_get_in() {
        let seats = Arc::new(Seats::default());
        let ip = |n: usize| Some(IpAddr::from([192, 0, (n / 256) as u8, (n % 256) as u8]));
        let one: Vec<Seat> = std::iter::from_fn(|| Seats::take(&seats, ip(1), false)).collect();
        assert_eq!(one.len(), MOST_OF_ONE);
        assert!(Seats::take(&seats, ip(2), false).is_some());
        let many: Vec<Seat> = (2..2000).filter_map(|n| Seats::take(&seats, ip(n), false)).collect();
        assert_eq!(one.len() + many.len(), MOST - KEPT);
        assert!(Seats::take(&seats, ip(5000), false).is_none());
        assert!(Seats::take(&seats, ip(5000), true).is_some());
        let full: Vec<Seat> = (6000..7000).filter_map(|n| Seats::take(&seats, ip(n), true)).collect();
        assert!(Seats::take(&seats, ip(5000), true).is_none());
        let socket: Vec<Seat> = std::iter::from_fn(|| Seats::take(&seats, None, true)).collect();
        assert_eq!(socket.len(), MOST_ON_SOCKET);
        drop((one, many, full, socket));
        let taken = seats.0.lock();
        assert_eq!((taken.all, taken.by_peer.len(), taken.on_socket), (0, 0, 0));
    }

    #[test]
    fn a_64_has_the_share_of_one_peer() {
        let seats = Arc::new(Seats::default());
        let ip = |n: u128| Some(IpAddr::from((0x2001_0db8u128 << 96 | n).to_be_bytes()));
        let one: Vec<Seat> = (0..500).filter_map(|n| Seats::take(&seats, ip(n), false)).collect();
        assert_eq!(one.len(), MOST_OF_ONE);
        assert!(Seats::take(&seats, ip(1 << 64), false).is_some());
    }
}
