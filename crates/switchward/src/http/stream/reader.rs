//! The reader of one live stream over server-sent events, whatever the stream tells.
//!
//! It holds one item, the connection what TCP takes. A reader that takes nothing for [`SLOWEST`] is cut off; nobody waits for it. A
//! stream ends when its reader's credential does, or what is known of it changes. Start with [`Reader::open`].

use crate::access::{Pass, Who};
use crate::app::App;
use crate::http::Error;
use crate::http::serve::Cut;
use crate::monitor::streams::Seat;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// See the module.
pub(in crate::http) struct Reader {
    app: Arc<App>,
    /// By what the reader came in.
    pass: Pass,
    frames: mpsc::Sender<Bytes>,
    cut: Cut,
    closing: watch::Receiver<bool>,
    _seat: Seat,
}

/// Why a stream ends.
pub(in crate::http) enum End {
    /// The reader has gone or may not read any more, or the daemon stops.
    Over,
    /// The reader is too slow.
    TooSlow,
}

impl Reader {
    /// One more reader, and the answer that brings what it is sent; when there is a place.
    ///
    /// # Errors
    /// 503 when there are too many.
    pub(in crate::http) fn open(
        app: &Arc<App>,
        who: &Who,
        cut: Option<Cut>,
    ) -> Result<(Reader, Response), Error> {
        let Some(seat) = app.monitor.streams.enter(who.peer) else { return Err(too_many()) };
        let (frames, body) = mpsc::channel(1);
        let reader = Reader {
            closing: app.monitor.streams.closing(),
            app: app.clone(),
            pass: app.access.pass(who, &app.config.load_full()),
            frames,
            cut: cut.unwrap_or_default(),
            _seat: seat,
        };
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        Ok((reader, (headers, Body::new(Frames(body))).into_response()))
    }

    /// Whether the reader would still be let in.
    pub(in crate::http) fn may_stay(&self) -> bool {
        self.app.access.still_lets(&self.pass, &self.app.config.load())
    }

    /// Waits until the reader has gone, or all must end.
    pub(in crate::http) async fn gone(&self) {
        let mut closing = self.closing.clone();
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            () = self.frames.closed() => {}
        }
    }

    /// Hands one item over, as soon as the connection has taken the one before.
    pub(in crate::http) async fn send(&mut self, text: impl Into<Bytes>) -> Result<(), End> {
        tokio::select! {
            biased;
            _ = self.closing.wait_for(|closing| *closing) => Err(End::Over),
            sent = timeout(SLOWEST, self.frames.send(text.into())) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Over),
                Err(_) => Err(End::TooSlow),
            },
        }
    }

    /// The stream ends.
    pub(in crate::http) async fn finish(self, end: End) {
        match end {
            End::Over if self.frames.is_closed() => {}
            End::Over => {
                // What is on its way gets a moment; a reader that takes nothing holds no stop up.
                drop(self.frames);
                tokio::time::sleep(LAST_ITEM).await;
                self.cut.off();
            }
            End::TooSlow => {
                self.app.monitor.streams.cut_off.up();
                self.cut.off();
            }
        }
    }
}

/// What is answered when there is no place.
pub(in crate::http) fn too_many() -> Error {
    let text = "too many live streams are open; close one, or try again later";
    Error::new(StatusCode::SERVICE_UNAVAILABLE, text).later(COME_AGAIN)
}

/// The body of a stream.
struct Frames(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// How often it is looked whether the reader would still be let in.
pub(in crate::http) const CHECKED: Duration = Duration::from_secs(1);
/// The longest silence on a stream.
pub(in crate::http) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The longest that a reader may take to make room for one item.
pub(in crate::http) const SLOWEST: Duration = Duration::from_secs(10);
/// When whoever found no place should come again.
const COME_AGAIN: Duration = Duration::from_secs(5);
/// The longest that the last item may take at a stop.
const LAST_ITEM: Duration = Duration::from_millis(200);
