//! What `top` knows comes from here: the live stream, and what only a question tells, asked every few seconds.
//!
//! Each task takes its connection up again by itself and says so; none waits for the screen for ever.

use super::view::Wish;
use super::words;
use crate::ask::{Client, Failure, in_path};
use crate::http::ErrorBody;
use crate::http::alarms::{AlarmState, Alarms};
use crate::http::answer::Ordered;
use crate::http::counted::{Failed, WrongCallStates};
use crate::http::lists::bans::{BanItem, BanPage};
use crate::http::overview::Overview;
use crate::http::status::Channel;
use crate::http::stream::StreamItem;
use crate::http::why::Why;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Something new for the view.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a few at a time, and each is used up at once")]
pub(super) enum Update {
    /// The whole state, and the queues.
    State(Box<Overview>, BTreeMap<String, Channel>),
    /// The newest bans.
    Bans(Vec<BanItem>),
    /// Who was counted: refused credentials and abandoned calls.
    Counted(BTreeMap<String, Failed>, BTreeMap<String, WrongCallStates>),
    /// An event of the stream.
    Item(String, StreamItem),
    /// The stream is there.
    Live,
    /// The alarms that were on when the stream began.
    Alarms(Vec<AlarmState>),
    /// The stream is gone, and why.
    Lost(String),
    /// The answer to a wish.
    Answer(String),
    /// Why an address is banned or is not.
    Why(String),
}

/// Starts to ask and to follow; ends when nobody listens any more.
pub(super) fn start(client: Arc<Client>, updates: Sender<Update>) {
    tokio::spawn(follow(client.clone(), updates.clone()));
    tokio::spawn(async move {
        while !updates.is_closed() {
            // What fails here the stream tells.
            if let Ok(update) = state(&client).await {
                _ = updates.send(update).await;
            }
            if let Ok(update) = counted(&client).await {
                _ = updates.send(update).await;
            }
            if let Ok(page) = read::<BanPage>(&client, NEWEST).await {
                _ = updates.send(Update::Bans(page.bans)).await;
            }
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
    });
}

async fn follow(client: Arc<Client>, updates: Sender<Update>) {
    let mut last = String::new();
    while !updates.is_closed() {
        let failure = match client.open("/stream", Some(last.as_str()).filter(|last| !last.is_empty())).await
        {
            Ok(mut events) => {
                _ = updates.send(Update::Live).await;
                // What was raised before is not told again; what changes meanwhile stands in the stream.
                if let Ok(Alarms { active, .. }) = read(&client, "/security/alarms").await {
                    _ = updates.send(Update::Alarms(active)).await;
                }
                let failure = loop {
                    let told = match events.next().await {
                        Ok(told) => told,
                        Err(failure) => break failure,
                    };
                    // What a later daemon may tell is passed by.
                    if let Ok(item) = StreamItem::parse(&told.name, &told.data)
                        && updates.send(Update::Item(told.name, item)).await.is_err()
                    {
                        return;
                    }
                };
                events.last().clone_into(&mut last);
                failure
            }
            Err(failure) => {
                // A number of an earlier run, or of another daemon.
                last.clear();
                failure
            }
        };
        _ = updates.send(Update::Lost(words(&failure))).await;
        tokio::time::sleep(BEFORE_AGAIN).await;
    }
}

async fn state(client: &Client) -> Result<Update, Failure> {
    let overview = read(client, "/security/overview").await?;
    Ok(Update::State(Box::new(overview), read(client, "/security/channels").await?))
}

async fn counted(client: &Client) -> Result<Update, Failure> {
    let failed = read(client, "/security/failed?limit=1000").await?;
    Ok(Update::Counted(failed, read(client, "/security/wrong-call-states").await?))
}

async fn read<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, Failure> {
    client.parsed(&client.read(path).await?)
}

/// Carries a wish out; the answer comes as an update.
pub(super) fn carry_out(client: Arc<Client>, wish: Wish, updates: Sender<Update>) {
    tokio::spawn(async move {
        let update = match wish {
            Wish::Quit => return,
            Wish::Why(address) => match why(&client, &address).await {
                Ok(text) => Update::Why(text),
                Err(failure) => Update::Answer(words(&failure)),
            },
            Wish::Ban(target) => {
                let order = json!({"ip": target, "reason": "by hand, from top"});
                Update::Answer(told(client.post("/security/blacklist", &order).await))
            }
            Wish::Unban(target) => Update::Answer(told(
                client.delete(&format!("/security/blacklist/{}", in_path(&target))).await,
            )),
        };
        _ = updates.send(update).await;
    });
}

async fn why(client: &Client, address: &str) -> Result<String, Failure> {
    // Of a network one address tells as much as any.
    let one = address.split('/').next().unwrap_or(address);
    Ok(read::<Why>(client, &format!("/security/why/{}", in_path(one))).await?.text)
}

fn told(answer: Result<hyper::body::Bytes, Failure>) -> String {
    match answer {
        Err(failure) => words(&failure),
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(Ordered { message, warnings, .. }) => [vec![message], warnings].concat().join("; "),
            Err(_) => {
                serde_json::from_slice(&body).map_or_else(|_| "done".into(), |ErrorBody { error }| error)
            }
        },
    }
}

const NEWEST: &str = "/security/bans?limit=200&sort=since&order=desc";
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(2);
const BEFORE_AGAIN: Duration = Duration::from_secs(1);
