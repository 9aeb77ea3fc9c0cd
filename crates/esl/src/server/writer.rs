//! The task that writes to one client: [`run`].
//!
//! It is the only writer of its socket. A client that is killed or aborted gets no more of what was being written,
//! even if that cuts an event in two: FreeSWITCH does the same, and clients must stand it.

use super::{
    outbox::{Outbox, Phase},
    stream::Writer,
};
use crate::reply;
use std::{io, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

/// Writes until the connection ends; then its phase is [`Phase::Done`].
pub(super) async fn run(mut socket: Writer, outbox: Outbox, linger: Duration, stall: Option<Duration>) {
    let mut phase = outbox.watch();
    let written = tokio::select! {
        written = write_queue(&mut socket, &outbox, stall) => written,
        () = cut_off(&mut phase, linger) => Ok(()),
    };
    if let Err(error) = written {
        outbox.failed(error);
    } else if outbox.phase() == Phase::Killed {
        let mut notice = Vec::new();
        reply::disconnect_notice(&mut notice, reply::KILLED_LISTENER);
        // The client may read on later, or never.
        let _ = timeout(linger, async {
            socket.write_all(&notice).await?;
            socket.flush().await
        })
        .await;
    }
    // A failed socket cannot be shut down any more than it is, and TLS would like to say goodbye to one who does not read.
    let _ = timeout(linger, socket.shutdown()).await;
    outbox.advance(Phase::Done);
}

async fn write_queue(socket: &mut Writer, outbox: &Outbox, stall: Option<Duration>) -> io::Result<()> {
    let mut batch = Vec::new();
    while outbox.take(&mut batch).await {
        if !write_batch(socket, &batch, stall).await? {
            outbox.kill();
            return Ok(());
        }
        batch.clear();
        batch.shrink_to(BATCH_AT_REST);
    }
    Ok(())
}

/// Gives false when the client took nothing for too long.
async fn write_batch(socket: &mut Writer, bytes: &[u8], stall: Option<Duration>) -> io::Result<bool> {
    let Some(stall) = stall else {
        socket.write_all(bytes).await?;
        return socket.flush().await.map(|()| true);
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let Ok(written) = timeout(stall, socket.write(rest)).await else { return Ok(false) };
        match written? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => rest = &rest[n..],
        }
    }
    match timeout(stall, socket.flush()).await {
        Ok(flushed) => flushed.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Returns when writing must stop in the middle.
async fn cut_off(phase: &mut watch::Receiver<Phase>, linger: Duration) {
    // The sender lives in the outbox that the caller holds, so waiting does not fail.
    let _ = phase.wait_for(|phase| *phase != Phase::Open).await;
    let deadline = Instant::now() + linger;
    tokio::select! {
        _ = phase.wait_for(|phase| *phase > Phase::Closing) => {}
        () = sleep_until(deadline) => {}
    }
}

/// What the write buffer keeps between batches: a little more than one.
const BATCH_AT_REST: usize = 128 * 1024;
