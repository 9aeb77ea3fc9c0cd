//! What a session reads from and writes to, whatever carries it: [`Stream`] and its halves.
//!
//! TCP and Unix sockets are split without a lock; anything else, such as TLS, comes as a [`Duplex`].

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, tcp, unix},
};

/// A stream of bytes both ways that is neither a plain TCP connection nor a Unix socket.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Duplex for S {}

pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Other(Box<dyn Duplex>),
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "tcp",
            Self::Unix(_) => "unix",
            Self::Other(_) => "other",
        })
    }
}

impl Stream {
    pub(super) fn split(self) -> (Reader, Writer) {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Tcp(reader), Writer::Tcp(writer))
            }
            Self::Unix(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Unix(reader), Writer::Unix(writer))
            }
            Self::Other(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                (Reader::Other(Box::new(reader)), Writer::Other(Box::new(writer)))
            }
        }
    }
}

pub(super) enum Reader {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Other(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

pub(super) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Other(Box<dyn AsyncWrite + Send + Sync + Unpin>),
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_read(cx, to),
            Self::Unix(half) => Pin::new(half).poll_read(cx, to),
            Self::Other(half) => Pin::new(half).poll_read(cx, to),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write(cx, bytes),
            Self::Unix(half) => Pin::new(half).poll_write(cx, bytes),
            Self::Other(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_flush(cx),
            Self::Unix(half) => Pin::new(half).poll_flush(cx),
            Self::Other(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
            Self::Other(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// A client that vanished without a word frees its place after some minutes.
pub(super) fn keepalive() -> socket2::TcpKeepalive {
    socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(20))
}
