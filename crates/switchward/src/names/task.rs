//! The one task that asks DNS: a few names at a time, each when its time to live is over.

use super::lookup::{self, Answer, parse_server};
use super::{HostName, Pace};
use crate::app::App;
use hickory_resolver::TokioResolver;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;

/// Follows the names until `stopped`; looks that are under way are dropped then.
pub async fn follow(app: Arc<App>, pace: Pace, mut stopped: signal::Receiver<bool>) {
    let mut servers = Servers::default();
    let mut looks: JoinSet<(HostName, Answer)> = JoinSet::new();
    let mut sweep = tokio::time::interval(pace.sweep);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while looks.len() < AT_ONCE
            && let Some(name) = app.names.take_due()
        {
            let (resolver, most) = (servers.resolver(&app), pace.most);
            looks.spawn(async move {
                let answer = match resolver {
                    Ok(resolver) => lookup::look(&resolver, &name, most).await,
                    Err(reason) => Answer::failed(&reason),
                };
                (name, answer)
            });
        }
        // While all are busy, the end of one is waited for.
        let due = app.names.next_due().filter(|_| looks.len() < AT_ONCE);
        let due = due.unwrap_or_else(|| Instant::now() + pace.sweep);
        tokio::select! {
            Some(over) = looks.join_next(), if !looks.is_empty() => match over {
                Ok((name, answer)) => app.names.heard(&app, &name, answer, &pace),
                Err(error) => {
                    tracing::error!(%error, "a look at a name failed");
                    app.names.none_is_asked();
                }
            },
            () = app.names.wake.notified() => {}
            () = tokio::time::sleep_until(due.into()) => {}
            _ = sweep.tick() => app.names.sweep(&app).await,
            () = async { _ = stopped.wait_for(|stopped| *stopped).await } => return,
        }
    }
}

/// A resolver, made anew now and then because the host's name servers may have changed.
#[derive(Default)]
struct Servers {
    named: Vec<SocketAddr>,
    made: Option<(Instant, TokioResolver)>,
}

impl Servers {
    fn resolver(&mut self, app: &App) -> Result<TokioResolver, String> {
        let config = app.config.load();
        let named: Vec<SocketAddr> =
            config.security.name_servers.iter().filter_map(|text| parse_server(text)).collect();
        if let Some((made, resolver)) = &self.made
            && made.elapsed() < MADE_ANEW
            && self.named == named
        {
            return Ok(resolver.clone());
        }
        let resolver = lookup::resolver(&named)?;
        (self.named, self.made) = (named, Some((Instant::now(), resolver.clone())));
        Ok(resolver)
    }
}

/// Names that are asked at a time.
const AT_ONCE: usize = 4;
const MADE_ANEW: Duration = Duration::from_secs(30);
