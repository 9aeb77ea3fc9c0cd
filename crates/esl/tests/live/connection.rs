//! One connection that is written to while events come.

use crate::peer::{Peer, soon};
use esl::{
    Command,
    client::{Config, Connection},
};

#[tokio::test]
async fn turns_read_while_the_peer_does_not_and_send_what_was_queued_once() {
    let peer = Peer::new().await;
    let config = Config::new("127.0.0.1", peer.port(), "ClueCon");
    let body = vec![b'x'; 8 * 1024 * 1024];
    let other = async {
        let mut talk = peer.accept().await;
        talk.log_in().await;
        // More than any socket buffer: it gets through only when it is read, and nothing is read here before.
        for _ in 0..8 {
            talk.say(format!("Content-Type: log/data\nContent-Length: {}\n\n", 1024 * 1024)).await;
            talk.say(vec![b'l'; 1024 * 1024]).await;
        }
        let rest = talk.until_closed().await;
        assert!(rest.starts_with(b"sendevent CUSTOM\nContent-Length: 8388608\n\nxxx"));
        assert!(rest.ends_with(b"xxxnoevents\n\n"));
        assert_eq!(rest.iter().filter(|byte| **byte == b'x').count(), 8 * 1024 * 1024);
    };
    let client = async {
        let mut connection = Connection::open_without_events(&config).await.unwrap();
        connection.queue(Command::SendEvent { name: "CUSTOM", headers: &[], body: Some(&body) }).unwrap();
        connection.queue(Command::NoEvents).unwrap();
        assert!(connection.queue(Command::Api("a\nb")).is_err(), "and it leaves nothing behind");
        let mut lines = 0;
        while lines < 8 || connection.queued() > 0 {
            connection.turn().await.unwrap();
            while let Some(frame) = connection.next().unwrap() {
                assert_eq!(frame.body().len(), 1024 * 1024);
                lines += 1;
            }
        }
    };
    soon(async { tokio::join!(other, client) }).await;
}
