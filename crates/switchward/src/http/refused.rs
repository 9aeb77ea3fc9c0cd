//! A body for what hyper refuses by itself: a request that is no HTTP, a path or headers that are too long.
//!
//! hyper answers these with an empty 400, 414 or 431, before any of our code hears of the request. [`Refused`] stands between
//! hyper and the connection and puts the error in words, in JSON like every other, in the place of that answer. It is known
//! by being all that hyper writes at a time: a head of ours has a content type, and so is never taken for it.

use super::error::ErrorBody;
use super::headers::HEADERS;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A connection whose peer reads why it was refused.
pub(super) struct Refused<T> {
    connection: T,
    /// What goes out in the place of hyper's words, and how much of it has gone.
    instead: Option<(Vec<u8>, usize)>,
}

impl<T> Refused<T> {
    pub(super) fn new(connection: T) -> Refused<T> {
        Refused { connection, instead: None }
    }
}

/// The answer in words for an empty one of hyper's; `None` for everything else.
fn in_words(written: &[u8]) -> Option<Vec<u8>> {
    if written.len() > LONGEST {
        return None;
    }
    let head = std::str::from_utf8(written).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let first = lines.next()?;
    let (_, why) = REFUSALS.iter().find(|(status, _)| first.strip_prefix("HTTP/1.1 ") == Some(status))?;
    let is_empty = lines.clone().any(|line| line == "content-length: 0");
    if !is_empty || lines.any(|line| line.is_empty() || line.starts_with("content-type:")) {
        return None;
    }
    let body = serde_json::to_string(&ErrorBody { error: (*why).into() }).ok()?;
    let headers: String =
        HEADERS.iter().map(|(name, value)| format!("{}: {value}\r\n", name.as_str())).collect();
    let length = body.len();
    let answer = format!(
        "{first}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    Some(answer.into_bytes())
}

impl<T: Write + Unpin> Refused<T> {
    /// Writes what goes out in the place of `written`, if anything does; ready with `false` when nothing does.
    fn poll_instead(&mut self, cx: &mut Context<'_>, written: &[u8]) -> Poll<Result<bool>> {
        if self.instead.is_none() {
            self.instead = in_words(written).map(|words| (words, 0));
        }
        let Some((words, gone)) = &mut self.instead else { return Poll::Ready(Ok(false)) };
        while *gone < words.len() {
            match ready!(Pin::new(&mut self.connection).poll_write(cx, &words[*gone..]))? {
                0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                more => *gone += more,
            }
        }
        self.instead = None;
        Poll::Ready(Ok(true))
    }
}

impl<T: Write + Unpin> Write for Refused<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        match ready!(self.poll_instead(cx, buf))? {
            true => Poll::Ready(Ok(buf.len())),
            false => Pin::new(&mut self.connection).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        if let [only] = bufs
            && ready!(self.poll_instead(cx, only))?
        {
            return Poll::Ready(Ok(only.len()));
        }
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
    }
}

impl<T: Read + Unpin> Read for Refused<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

/// hyper's empty answers, and what they mean.
const REFUSALS: [(&str, &str); 3] = [
    ("400 Bad Request", "this is not a request of HTTP/1.1, or a header of it is malformed"),
    ("414 URI Too Long", "the path is too long"),
    ("431 Request Header Fields Too Large", "there are too many headers, or they are too long"),
];
/// More than any of them has bytes.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_answers_of_hyper_are_put_in_words() {
        let empty = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert!(in_words(empty.as_bytes()).is_some());
        for other in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 400 Bad Request",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n",
            "xHTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(in_words(other.as_bytes()), None, "{other:?}");
        }
    }
}
