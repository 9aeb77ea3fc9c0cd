//! The tasks of a switch: [`accept`], one per client, and [`heartbeat`].

use super::{
    client::Client,
    command::{self, After},
    shared::Shared,
};
use crate::world::LogLine;
use esl::server::{Incoming, Server};
use std::{sync::Arc, time::Duration};
use tokio::{select, time::sleep};

/// Takes clients until it is aborted.
pub(super) async fn accept(shared: Arc<Shared>, server: Server) {
    loop {
        match server.accept().await {
            Ok(incoming) => {
                tokio::spawn(serve(Arc::clone(&shared), incoming));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client; trying again");
                sleep(AFTER_FAILED_ACCEPT).await;
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, incoming: Incoming) {
    let refusing = shared.knobs().refusing;
    if refusing {
        let address = incoming.peer().address();
        incoming.refuse().await;
        if let Some(address) = address {
            shared.log(&LogLine::rejected_client(address.ip(), "loopback.auto"));
        }
        return;
    }
    // It listens on TCP only.
    let Some(peer) = incoming.peer().address() else { return };
    let mut session = incoming.welcome();
    let client = Client::new(shared.next_client(), peer, session.outbox());
    shared.fanout.add(Arc::clone(&client));
    shared.changed();
    loop {
        match session.next().await {
            Ok(request) => {
                shared.record(client.id, client.peer, &request);
                let after = command::answer(&shared, &client, &mut session, &request).await;
                // Somebody may wait for its effect, such as a subscription.
                shared.changed();
                if after == After::Close {
                    client.listener().clear();
                    session.finish().await;
                    break;
                }
            }
            Err(ended) => {
                tracing::debug!(client = client.id, ?ended, "the connection ended");
                break;
            }
        }
    }
    shared.fanout.remove(client.id);
    shared.changed();
}

/// Sends HEARTBEAT events for as long as the switch runs.
pub(super) async fn heartbeat(shared: Arc<Shared>) {
    loop {
        let every = shared.knobs().heartbeat;
        let due = async {
            match every {
                Some(every) => sleep(every).await,
                None => std::future::pending().await,
            }
        };
        select! {
            () = due => {}
            () = shared.heartbeat_changed.notified() => continue,
        }
        shared.beat();
    }
}

const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);
