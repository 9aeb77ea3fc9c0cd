//! Reports of bans to a central ban repository (chanDaemon): what the kernel really took, posted beside the hot path.
//!
//! [`Reports`] is put beside the firewall: [`Reports::hears`] makes what the firewall's thread calls when the kernel has answered
//! for a ban. What it took waits in a bounded queue for one of a few connections; each ban that still stands is tried once, and counted. A ban
//! that the kernel refused is offered to it once more when it is well again, and reported then. Bans of ports, those found in
//! the kernel at the start and those that the repository itself ordered are not reported.

use crate::app::App;
use crate::clock;
use crate::config::Config;
use crate::outgoing::{self, Failure};
use arc_swap::ArcSwapOption;
use guard::{Ban, Guard, Origin, Target};
use netfilter::Done;
use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use serde::Serialize;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What waits to be reported, and what became of the rest.
#[derive(Default)]
pub struct Reports {
    repository: ArcSwapOption<Repository>,
    waiting: Mutex<Waiting>,
    /// Something waits.
    bell: Notify,
    /// A report is done.
    done: Notify,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// Figures since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Answered with less than 300.
    pub sent: u64,
    /// Not, those that were dropped included.
    pub failed: u64,
    /// Never tried, because too many waited or the daemon ended.
    pub dropped: u64,
    /// Waiting or under way.
    pub waiting: usize,
}

/// Where reports go.
struct Repository {
    url: Url,
    blocker: String,
    service: String,
    timeout: Duration,
    ca: Option<String>,
    client: Client,
}

#[derive(Default)]
struct Waiting {
    bans: VecDeque<Arc<Ban>>,
    under_way: usize,
    /// What the kernel refused.
    refused: VecDeque<Arc<Ban>>,
}

/// A report as the repository wants it.
#[derive(Serialize)]
struct Report<'a> {
    ip: String,
    reason: &'a str,
    /// Seconds; 0 is for good.
    ttl: u64,
    blocker: &'a str,
    service: &'a str,
    #[serde(rename = "fromUser", skip_serializing_if = "Option::is_none")]
    from_user: Option<&'a str>,
}

impl Reports {
    /// Takes a configuration over, at the start and at a reload.
    pub fn apply(&self, config: &Config) {
        let chandaemon = &config.security.chandaemon;
        // What is not enforced is not reported.
        let is_on = chandaemon.enabled && config.security.auto_block_enabled && !config.security.dry_run;
        let made = if is_on { self.repository(config).map(Some) } else { Ok(None) };
        match made {
            Ok(repository) => self.repository.store(repository.map(Arc::new)),
            Err(reason) => {
                tracing::error!(reason, "bans cannot be reported; see security.chandaemon");
                self.repository.store(None);
            }
        }
    }

    fn repository(&self, config: &Config) -> Result<Repository, String> {
        let chandaemon = &config.security.chandaemon;
        let url = Url::parse(&chandaemon.report_url).map_err(|error| format!("report_url: {error}"))?;
        let (timeout, ca) = (chandaemon.report_timeout, config.notify.ca.clone());
        let client = match self.repository.load_full() {
            Some(before) if (before.timeout, &before.ca) == (timeout, &ca) => before.client.clone(),
            _ => outgoing::client(timeout, ca.as_deref(), None)?,
        };
        Ok(Repository {
            url,
            blocker: chandaemon.blocker_url.clone(),
            service: chandaemon.service_name.clone(),
            timeout,
            ca,
            client,
        })
    }

    /// Who wants to hear what the kernel says to this ban, when it is one to be reported.
    pub(crate) fn hears(self: &Arc<Self>, ban: &Arc<Ban>) -> Option<Done> {
        let wanted = self.repository.load().is_some() && reported_as(ban.target).is_some();
        if !wanted || ban.reason.rule == crate::mirror::FOUND_IN_KERNEL {
            return None;
        }
        let (reports, ban) = (self.clone(), ban.clone());
        Some(Box::new(move |answer| match answer {
            Ok(()) => reports.queue(ban),
            Err(_) => reports.waiting.lock().refuse(ban),
        }))
    }

    fn queue(&self, ban: Arc<Ban>) {
        let mut waiting = self.waiting.lock();
        if waiting.bans.len() < MOST_WAITING {
            waiting.bans.push_back(ban);
            drop(waiting);
            self.bell.notify_one();
        } else {
            drop(waiting);
            self.drop_some(1);
        }
    }

    fn drop_some(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
        self.failed.fetch_add(count, Relaxed);
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        let waiting = self.waiting.lock();
        let waiting = waiting.bans.len() + waiting.under_way;
        Stats {
            sent: self.sent.load(Relaxed),
            failed: self.failed.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            waiting,
        }
    }

    /// Reports what comes until the answer is dropped.
    pub fn start(app: &Arc<App>) -> Reporting {
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let reports = app.reports.clone();
            let guard = app.guard.clone();
            tasks.spawn(async move { reports.work(&guard).await });
        }
        let app = app.clone();
        let reports = app.reports.clone();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(OFFER_EVERY).await;
                app.reports.offer_again(&app);
            }
        });
        Reporting { reports, _tasks: tasks }
    }

    async fn work(&self, guard: &Guard) {
        loop {
            let Some(ban) = self.next() else {
                self.bell.notified().await;
                continue;
            };
            // What was lifted while it waited is not told, and what replaced it has a report of its own.
            let standing = still_standing(guard, &ban);
            if let (Some(repository), Some(ban)) = (self.repository.load_full(), standing) {
                match repository.report(&ban).await {
                    Ok(true) => _ = self.sent.fetch_add(1, Relaxed),
                    Ok(false) => {}
                    Err(failure) => {
                        self.failed.fetch_add(1, Relaxed);
                        tracing::warn!(target = %ban.target, reason = failure.why, "the ban repository did not take a report");
                    }
                }
            }
            self.waiting.lock().under_way -= 1;
            self.done.notify_waiters();
        }
    }

    fn next(&self) -> Option<Arc<Ban>> {
        let mut waiting = self.waiting.lock();
        let ban = waiting.bans.pop_front()?;
        waiting.under_way += 1;
        Some(ban)
    }

    /// Offers what the kernel refused once more, when it is well again.
    fn offer_again(&self, app: &App) {
        let Some(writer) = app.mirror.firewall() else { return };
        if self.waiting.lock().refused.is_empty() || writer.stats().degraded.is_some() {
            return;
        }
        let refused = std::mem::take(&mut self.waiting.lock().refused);
        for ban in refused {
            let Some(ban) = still_standing(&app.guard, &ban) else { continue };
            let (reports, again) = (app.reports.clone(), ban.clone());
            let done: Done = Box::new(move |answer| {
                if answer.is_ok() {
                    reports.queue(again);
                }
            });
            app.mirror.enforce_and_tell(&ban, done);
        }
    }
}

impl Waiting {
    fn refuse(&mut self, ban: Arc<Ban>) {
        if self.refused.len() < MOST_WAITING {
            self.refused.push_back(ban);
        }
    }
}

impl Repository {
    /// Reports a ban; false when it is not to be reported.
    async fn report(&self, ban: &Ban) -> Result<bool, Failure> {
        let Some(ip) = reported_as(ban.target) else { return Ok(false) };
        if let Origin::Operator(who) = &ban.origin
            && ordered_from(who, &self.addresses().await)
        {
            return Ok(false);
        }
        let ttl = ban.remaining(clock::now()).map_or(0, |left| left.as_secs_f64().ceil().max(1.0) as u64);
        let report = Report {
            ip,
            reason: &ban.reason.text,
            ttl,
            blocker: &self.blocker,
            service: &self.service,
            from_user: ban.reason.users.first().map(String::as_str),
        };
        let body = serde_json::to_vec(&report).map_err(|error| Failure::lasting(error.to_string()))?;
        outgoing::post(&self.client, self.url.clone(), HeaderMap::new(), body).await.map(|()| true)
    }

    /// Where the repository is now.
    async fn addresses(&self) -> Vec<IpAddr> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let found = tokio::net::lookup_host((host, self.url.port_or_known_default().unwrap_or(443))).await;
        found.map(|all| all.map(|address| guard::source::fold(address.ip())).collect()).unwrap_or_default()
    }
}

/// The ban as it stands now, unless it was lifted or another has replaced it. A changed note makes no other.
fn still_standing(guard: &Guard, ban: &Ban) -> Option<Arc<Ban>> {
    let standing = guard.ledger().ban_of(ban.target, clock::now())?;
    let what = |ban: &Ban| (ban.since, ban.until, ban.scope);
    (what(&standing) == what(ban) && standing.origin == ban.origin).then_some(standing)
}

/// Whether an order came from one of these addresses. From loopback come the operators of this machine, too.
fn ordered_from(who: &str, addresses: &[IpAddr]) -> bool {
    let is_text = |c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':');
    who.split(is_text)
        .filter_map(|word| word.parse::<IpAddr>().ok())
        .any(|ip| !ip.is_loopback() && addresses.contains(&ip))
}

/// What a repository is told: an address (of an IPv6 /64 its first), or a network. A port means nothing to others.
fn reported_as(target: Target) -> Option<String> {
    match target {
        Target::Host(source) => Some(source.first().to_string()),
        Target::Net(net) => Some(net.to_string()),
        Target::Port(..) => None,
    }
}

/// Reports that are being sent.
pub struct Reporting {
    reports: Arc<Reports>,
    _tasks: JoinSet<()>,
}

impl Reporting {
    /// Ends, after what waits was sent, or time is up.
    pub async fn stop(self, within: Duration) {
        let end = Instant::now() + within;
        loop {
            let done = self.reports.done.notified();
            tokio::pin!(done);
            done.as_mut().enable();
            if self.reports.stats().waiting == 0 {
                return;
            }
            if tokio::time::timeout_at(end, done).await.is_err() {
                break;
            }
        }
        let left = self.reports.stats().waiting;
        self.reports.drop_some(left as u64);
        tracing::error!(left, "stopped before all bans were reported");
    }
}

/// Bans that may wait.
pub const MOST_WAITING: usize = 10_000;
/// Reports at a time.
const CONNECTIONS: usize = 4;
/// How often the kernel is offered what it refused.
const OFFER_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_told_addresses_and_networks_but_no_ports() {
        let told = |text: &str| reported_as(text.parse().unwrap());
        assert_eq!(told("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(told("192.0.2.0/24").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(told("2001:db8:0:1::7").as_deref(), Some("2001:db8:0:1::"));
        assert_eq!(told("192.0.2.7:5060"), None);
    }

    #[test]
    fn an_order_of_the_repository_itself_is_known_by_its_address() {
        let repository: Vec<IpAddr> = vec!["192.0.2.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
        for who in ["192.0.2.9", "token chandaemon@192.0.2.9", "ops (2001:db8::9)"] {
            assert!(ordered_from(who, &repository), "{who}");
        }
        for who in ["192.0.2.99", "alice@192.0.2.8", "bad cafe", ""] {
            assert!(!ordered_from(who, &repository), "{who}");
        }
        assert!(!ordered_from("127.0.0.1", &["127.0.0.1".parse().unwrap()]), "the operator on this machine");
    }
}
