//! A long map as a JSON object that is written while it is sent: a ledger of a million bans never stands in memory as text.

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A JSON object that is made of `items`, one member each.
pub(super) struct Entries<T, V> {
    items: std::vec::IntoIter<T>,
    member: fn(&T) -> (String, V),
    place: Place,
}

#[derive(PartialEq)]
enum Place {
    Start,
    Middle,
    End,
}

impl<T, V: Serialize> Entries<T, V> {
    /// `member` gives the name and the value of an item.
    pub(super) fn new(items: Vec<T>, member: fn(&T) -> (String, V)) -> Entries<T, V> {
        Entries { items: items.into_iter(), member, place: Place::Start }
    }

    /// The next part of the text, at least [`PART`] bytes unless it is the last.
    fn part(&mut self) -> Vec<u8> {
        let mut text = Vec::with_capacity(PART + PART / 4);
        if self.place == Place::Start {
            text.push(b'{');
        }
        while text.len() < PART {
            let Some(item) = self.items.next() else {
                text.push(b'}');
                self.place = Place::End;
                return text;
            };
            if self.place == Place::Middle {
                text.push(b',');
            }
            self.place = Place::Middle;
            let (name, value) = (self.member)(&item);
            // Into memory, of plain structs: neither can fail.
            _ = serde_json::to_writer(&mut text, &name);
            text.push(b':');
            _ = serde_json::to_writer(&mut text, &value);
        }
        text
    }
}

impl<T: Unpin, V: Serialize> hyper::body::Body for Entries<T, V> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready((!self.is_end_stream()).then(|| Ok(Frame::data(Bytes::from(self.part())))))
    }

    fn is_end_stream(&self) -> bool {
        self.place == Place::End
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<T: Send + Unpin + 'static, V: Serialize + 'static> IntoResponse for Entries<T, V> {
    fn into_response(mut self) -> Response {
        let body = match self.items.len() <= SHORT {
            true => {
                let mut text = Vec::new();
                while self.place != Place::End {
                    text.append(&mut self.part());
                }
                Body::from(text)
            }
            false => Body::new(self),
        };
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    }
}

/// Bytes of text that are made at a time.
const PART: usize = 32 * 1024;
/// Items that are written at once, so that the answer tells its length.
const SHORT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn every_length_is_one_json_object() {
        for count in [0u32, 1, 2, 99, 100, 101, 50_000] {
            let entries = Entries::new((0..count).collect(), |item| (format!("key \"{item}\""), *item));
            let body = entries.into_response().into_body().collect().await.unwrap().to_bytes();
            let read: BTreeMap<String, u32> = serde_json::from_slice(&body).unwrap();
            assert_eq!(read, (0..count).map(|item| (format!("key \"{item}\""), item)).collect());
        }
    }
}
