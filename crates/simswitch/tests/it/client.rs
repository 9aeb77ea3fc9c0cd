//! A client that knows nothing but framing, so that it shares no mistake with the codec: [`RawClient`].

use simswitch::SimSwitch;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Nothing in these tests takes longer on purpose.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct RawClient {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

/// A frame as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawFrame {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawFrame {
    pub(crate) fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header of a plain event.
    pub(crate) fn event_header(&self, name: &str) -> Option<String> {
        let text = self.body_text();
        let prefix = format!("{name}: ");
        text.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    }
}

impl RawClient {
    pub(crate) async fn connect(switch: &SimSwitch) -> Self {
        let stream = TcpStream::connect(switch.addr()).await.unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Connected, logged in, and subscribed.
    pub(crate) async fn subscribed(switch: &SimSwitch, subscription: &str) -> Self {
        let mut client = Self::logged_in(switch).await;
        let reply = client.command(&format!("event {subscription}")).await;
        assert!(reply.head.contains("+OK event listener enabled"), "{reply:?}");
        client
    }

    pub(crate) async fn logged_in(switch: &SimSwitch) -> Self {
        let mut client = Self::connect(switch).await;
        assert_eq!(client.frame().await.head, "Content-Type: auth/request\n");
        let reply = client.command("auth ClueCon").await;
        assert!(reply.head.contains("+OK accepted"), "{reply:?}");
        client
    }

    pub(crate) async fn command(&mut self, command: &str) -> RawFrame {
        self.send(format!("{command}\n\n").as_bytes()).await;
        self.frame().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame, which must come.
    pub(crate) async fn frame(&mut self) -> RawFrame {
        self.next().await.expect("a frame and not the end")
    }

    /// The next frame, or the end.
    pub(crate) async fn next(&mut self) -> Option<RawFrame> {
        loop {
            if let Some((frame, length)) = split(&self.buffer) {
                self.buffer.drain(..length);
                return Some(frame);
            }
            if self.read().await == 0 {
                assert!(self.buffer.is_empty(), "cut off: {:?}", String::from_utf8_lossy(&self.buffer));
                return None;
            }
        }
    }

    /// Everything up to the end of the stream.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.read().await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    pub(crate) async fn read(&mut self) -> usize {
        let read = timeout(SOON, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("bytes in time").unwrap_or(0)
    }

    /// Asserts that the server has nothing more to say: the answer to a command comes next.
    pub(crate) async fn assert_quiet(&mut self) {
        let frame = self.command("api echo quiet?").await;
        assert_eq!(frame.body_text(), "quiet?", "something came before it: {frame:?}");
    }
}

/// The first frame of these bytes and its length.
pub(crate) fn split(bytes: &[u8]) -> Option<(RawFrame, usize)> {
    let blank = bytes.iter().take_while(|&&b| b == b'\n').count();
    let rest = &bytes[blank..];
    let head_end = rest.windows(2).position(|two| two == b"\n\n")? + 1;
    let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let body = rest.get(head_end + 1..head_end + 1 + length)?.to_vec();
    Some((RawFrame { head, body }, blank + head_end + 1 + length))
}
