//! What is known beside the events, for recordings: of a running daemon, and of switches that the command alone listens to.
//!
//! Start with [`of_daemon`] and [`follow`], or with [`of_switches`] and [`ask`].

use super::{Knows, Recorder, State};
use crate::app::App;
use crate::config::Config;
use crate::news::Event;
use crate::own;
use crate::switch::Switch;
use crate::watch::reach::Looks;
use crate::watch::registrations;
use esl::Pool;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch as signal;

/// Tells what each file of the daemon's recording begins with: the allow-list, and of each switch its gateways and registrations.
pub(crate) fn of_daemon(app: &Arc<App>) -> Knows {
    let (app, runtime) = (Arc::downgrade(app), Handle::current());
    Box::new(move |may_ask| {
        let Some(app) = app.upgrade() else { return Vec::new() };
        let mut all = vec![of_ledger(&app)];
        for switch in &app.switches {
            all.push(State::learnt(&switch.name, &switch.learnt.all()));
            if may_ask && switch.is_connected() {
                all.extend(runtime.block_on(registered(&switch.name, &switch.commands)));
            }
        }
        all
    })
}

/// Writes changes of the allow-list by operators into the recording, until the daemon stops. Those by a success a replay makes itself.
pub(crate) async fn follow(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let Some(recorder) = &app.recorder else { return };
    let mut news = app.mirror.news().follow();
    loop {
        let item = tokio::select! {
            item = news.next() => item,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Ok(item) = item else {
            recorder.tell(of_ledger(&app));
            continue;
        };
        match &item.event {
            Event::Allowed(entry) if entry.origin.is_operator() => {
                recorder.tell(State { allowed: Some(vec![(**entry).clone()]), ..State::default() });
            }
            Event::Disallowed(entry, Some(by)) if by.is_operator() => {
                recorder.tell(State { disallowed: vec![entry.target], ..State::default() });
            }
            _ => {}
        }
    }
}

fn of_ledger(app: &App) -> State {
    let (ledger, now) = (app.guard.ledger(), crate::clock::now());
    let mut allowed = ledger.allows(now);
    // The operators' before those that a success made.
    allowed.sort_by_key(|entry| !entry.origin.is_operator());
    allowed.truncate(MOST_ALLOWED);
    let patterns = ledger.patterns().iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let operators = app.guard.operators(now).into_iter();
    State {
        own: Some(app.own.all().to_vec()),
        operators: operators.map(|operator| (operator.ip, operator.name.to_string())).collect(),
        allowed: Some(allowed),
        patterns: Some(patterns),
        ..State::default()
    }
}

async fn registered(switch: &str, commands: &Pool) -> Option<State> {
    let listed = registrations::listed(commands, ASK_WITHIN).await.ok()?;
    Some(State::registered(switch, listed))
}

/// Asks a switch that the command listens to whenever `up` says that its events are heard, and now and then, and tells the recorder.
pub(crate) async fn ask(
    switch: Arc<Switch>,
    recorder: Arc<Recorder>,
    config: Arc<Config>,
    mut up: signal::Receiver<bool>,
) {
    let (mut looks, host) = (Looks::default(), own::now());
    while up.wait_for(|up| *up).await.is_ok() {
        if let Some(state) = registered(&switch.name, &switch.commands).await {
            recorder.tell(state);
        }
        while *up.borrow() {
            if looks.look(&switch, &host, &config).await {
                recorder.tell(State::learnt(&switch.name, &switch.learnt.all()));
            }
            tokio::select! {
                () = tokio::time::sleep(ASK_AGAIN) => {}
                down = up.wait_for(|up| !*up) => if down.is_err() { return },
            }
        }
    }
}

/// Tells what each file of the command's recording begins with.
pub(crate) fn of_switches(asked: Vec<Arc<Switch>>) -> Knows {
    let (own, runtime) = (own::now(), Handle::current());
    Box::new(move |may_ask| {
        let mut all = vec![State { own: Some(own.clone()), ..State::default() }];
        for switch in &asked {
            let learnt = switch.learnt.all();
            if !learnt.is_empty() {
                all.push(State::learnt(&switch.name, &learnt));
            }
            if may_ask {
                all.extend(runtime.block_on(registered(&switch.name, &switch.commands)));
            }
        }
        all
    })
}

/// Tells the recording what a switch of the daemon told to be out of reach.
pub(crate) fn learnt(app: &App, switch: &Switch) {
    if let Some(recorder) = &app.recorder {
        recorder.tell(State::learnt(&switch.name, &switch.learnt.all()));
    }
}

/// How long a switch may take to list its registrations while a file waits for them.
const ASK_WITHIN: Duration = Duration::from_secs(3);
/// How often the command asks a switch for its gateways.
const ASK_AGAIN: Duration = Duration::from_secs(300);
/// Allow entries that a file begins with.
const MOST_ALLOWED: usize = 20_000;
