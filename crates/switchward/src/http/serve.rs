//! The listener: how many connections there may be, how long one may dawdle, and a stop that lets answers finish.
//!
//! A peer has a share of the connections, so that one that opens many and says nothing keeps nobody else out; some are
//! kept for the peers that may change state, so that an operator gets in whatever the others do.

use super::refused::Refused;
use crate::app::App;
use axum::extract::ConnectInfo;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Answers on `listener` until `stop`, then lets the answers that have begun finish for a few seconds.
///
/// # Errors
/// When the listener is broken for good.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let service = TowerToHyperService::new(super::router(app.clone()));
    let (stopping, stopped) = watch::channel(());
    let seats = Arc::new(Seats::default());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // A connection that was gone again, or no file descriptor left: both pass.
                tracing::warn!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let ip = fold(peer.ip());
        let is_permitted = app.config.load().api_allowed().iter().any(|net| net.contains(&ip));
        let Some(seat) = Seats::take(&seats, ip, is_permitted) else {
            tracing::debug!(%ip, "too many HTTP connections; one closed unanswered");
            continue;
        };
        let (service, stopped) = (service.clone(), stopped.clone());
        let cut = Cut::default();
        let cut_by_answer = cut.clone();
        let answer = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(cut_by_answer.clone());
            service.call(request)
        });
        connections.spawn(async move {
            let _seat = seat;
            tokio::select! {
                () = converse(stream, answer, stopped) => {}
                () = cut.0.notified() => {}
            }
        });
    }
    app.monitor.streams.close();
    drop(listener);
    drop(stopping);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_ANSWERS, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "HTTP connections were cut off at the stop");
    }
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

/// Serves one connection; after the stop it ends with the answer that has begun.
async fn converse<S, B>(stream: TcpStream, service: S, mut stopped: watch::Receiver<()>)
where
    S: Service<hyper::Request<hyper::body::Incoming>, Response = hyper::Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    _ = stream.set_nodelay(true);
    // A peer that takes nothing of its answer is cut off (tcp(7), TCP_USER_TIMEOUT).
    _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(SLOWEST_READER));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST_HEADER)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEADER)
        .serve_connection(Refused::new(TokioIo::new(stream)), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        // An error: the sender is gone, which is the sign.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection ended badly");
    }
}

/// How many connections each peer has, and all together.
#[derive(Default)]
struct Seats(Mutex<(usize, HashMap<IpAddr, usize>)>);

/// One connection's place; given back when dropped.
struct Seat {
    seats: Arc<Seats>,
    ip: IpAddr,
}

impl Seats {
    /// A place for a connection from `ip`, unless there are too many.
    fn take(seats: &Arc<Seats>, ip: IpAddr, is_permitted: bool) -> Option<Seat> {
        let mut taken = seats.0.lock();
        let (all, by_peer) = &mut *taken;
        let own = by_peer.get(&ip).copied().unwrap_or(0);
        let (most, most_own) = match is_permitted {
            true => (MOST, MOST / 2),
            false => (MOST - KEPT, MOST_OF_ONE),
        };
        if *all >= most || own >= most_own {
            return None;
        }
        *all += 1;
        by_peer.insert(ip, own + 1);
        Some(Seat { seats: seats.clone(), ip })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock();
        let (all, by_peer) = &mut *taken;
        *all -= 1;
        match by_peer.get_mut(&self.ip) {
            Some(own) if *own > 1 => *own -= 1,
            _ => _ = by_peer.remove(&self.ip),
        }
    }
}

/// Most connections at a time.
const MOST: usize = 512;
/// Of these, kept for peers that may change state.
const KEPT: usize = 64;
/// Most connections of one peer that may not.
const MOST_OF_ONE: usize = 32;
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
        let ip = |n: usize| IpAddr::from([192, 0, (n / 256) as u8, (n % 256) as u8]);
        let one: Vec<Seat> = std::iter::from_fn(|| Seats::take(&seats, ip(1), false)).collect();
        assert_eq!(one.len(), MOST_OF_ONE);
        assert!(Seats::take(&seats, ip(2), false).is_some());
        let many: Vec<Seat> = (2..2000).filter_map(|n| Seats::take(&seats, ip(n), false)).collect();
        assert_eq!(one.len() + many.len(), MOST - KEPT);
        assert!(Seats::take(&seats, ip(5000), false).is_none());
        assert!(Seats::take(&seats, ip(5000), true).is_some());
        drop((one, many));
        assert_eq!(seats.0.lock().0, 0);
        assert!(seats.0.lock().1.is_empty());
    }
}
