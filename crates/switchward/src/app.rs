//! What the parts of the running daemon share: the guard, its followers, the switches, the configuration in force.
//!
//! [`App`] is handed around as an `Arc`; it starts nothing. Orders of operators come in here, so that every door (HTTP, the
//! command line) gives the same answer: an order is answered when it is in the ledger, on the disk and in the kernel, or with
//! a warning that says what is not.

use crate::access::Access;
use crate::clock;
use crate::config::Config;
use crate::geo::Geo;
use crate::mirror::Mirror;
use crate::monitor::Monitor;
use crate::names::Names;
use crate::notify::Notifier;
use crate::own::Own;
use crate::policy;
use crate::report::Reports;
use crate::switch::Switch;
use crate::trail::Trail;
use arc_swap::ArcSwap;
use guard::engine::Terms;
use guard::{Allowed, Ban, Guard, Refusal, Scope, Target, Time};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the parts of the daemon share.
pub struct App {
    /// The engine and the ledger.
    pub guard: Arc<Guard>,
    /// What follows the ledger.
    pub mirror: Arc<Mirror>,
    /// Allow entries by name.
    pub names: Arc<Names>,
    /// The guarded switches, in the order of their numbers.
    pub switches: Vec<Arc<Switch>>,
    /// Who may come in.
    pub access: Access,
    /// The configuration in force.
    pub config: ArcSwap<Config>,
    /// Where it came from.
    pub config_path: Option<PathBuf>,
    /// The host's own addresses and its name servers.
    pub own: Own,
    /// Changes the level of the log.
    pub log: crate::logs::Level,
    /// Why bans are not enforced in the kernel, when they are not.
    pub unenforced: Option<String>,
    /// The audit of commands.
    pub trail: Arc<Trail>,
    /// Tells others what happens.
    pub notifier: Arc<Notifier>,
    /// Reports bans to a central repository.
    pub reports: Arc<Reports>,
    /// When the daemon started.
    pub started: Time,
    /// Makes and reads unban links.
    pub links: crate::access::links::Links,
    /// Answers of the HTTP interface that are kept.
    pub cache: crate::http::cache::Cache,
    /// Countries and autonomous systems of addresses.
    pub geo: Arc<Geo>,
    /// Prices of calls, and what the fraud rules are told.
    pub prices: Arc<crate::fraud::Prices>,
    /// What gives scanners away.
    pub suspects: crate::suspects::Suspects,
    /// Writes captures, when the configuration wants it.
    pub recorder: Option<Arc<crate::record::Recorder>>,
    /// The one door to the switches' commands and events.
    pub desk: Arc<broker::desk::Desk>,
    /// Directories beside the users file.
    pub logins: crate::broker::logins::Logins,
    /// The event socket door, when it is open.
    pub entrance: std::sync::OnceLock<Arc<broker::door::Door>>,
    /// Background jobs of callers of the HTTP interface.
    pub jobs: Arc<crate::broker::jobs::Jobs>,
    /// What the daemon knows about itself.
    pub monitor: Monitor,
}

/// An order that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Done<T> {
    /// The result.
    pub result: T,
    /// What did not go as it should have: not on the disk, not in the kernel.
    pub warnings: Vec<String>,
}

/// The longest that an order waits for the kernel.
const KERNEL_WAIT: Duration = Duration::from_secs(2);

impl App {
    /// Bans a target by order of `who`, for `ttl` or for good.
    ///
    /// # Errors
    /// When it would hit what must not be banned.
    pub async fn ban(
        self: &Arc<Self>,
        target: Target,
        ttl: Option<Duration>,
        scope: Scope,
        reason: &str,
        who: &str,
    ) -> Result<Done<Arc<Ban>>, Refusal> {
        let until = ttl.map(|ttl| clock::now() + ttl);
        self.ban_on(target, Terms { until, scope, text: reason, note: "" }, who).await
    }

    /// Bans a target on these terms by order of `who`.
    ///
    /// # Errors
    /// When it would hit what must not be banned.
    pub async fn ban_on(
        self: &Arc<Self>,
        target: Target,
        terms: Terms<'_>,
        who: &str,
    ) -> Result<Done<Arc<Ban>>, Refusal> {
        let ban = self.guard.order_ban_noted(target, terms, who, clock::now())?;
        tracing::info!(target = %ban.target, who, "banned by order");
        let mut warnings = self.settle().await;
        if self.is_dry() {
            warnings.push("dry run: the kernel drops nothing".into());
        }
        Ok(Done { result: ban, warnings })
    }

    /// Lifts the bans of a target and of all within it by order of `who`.
    pub async fn lift(self: &Arc<Self>, target: Target, who: &str) -> Done<Vec<Arc<Ban>>> {
        let now = clock::now();
        let lifted = self.guard.order_lift(target, who, now);
        if lifted.is_empty() {
            // What the ledger does not know the kernel may hold all the same.
            self.mirror.release(target);
        }
        for ban in &lifted {
            tracing::info!(target = %ban.target, who, "ban lifted by order");
        }
        let mut warnings = self.settle().await;
        if let Some(ban) = self.guard.ledger().covering(target, now) {
            warnings.push(format!("{target} is still covered by the ban of {}", ban.target));
        }
        Done { result: lifted, warnings }
    }

    /// Lifts one ban, known by its target and since when it stands; `None` when there is no such ban any more.
    pub async fn lift_one(
        self: &Arc<Self>,
        target: Target,
        since: Time,
        who: &str,
    ) -> Option<Done<Arc<Ban>>> {
        let ban = self.guard.order_lift_one(target, since, who, clock::now())?;
        tracing::info!(%target, who, "ban lifted by order");
        Some(Done { warnings: self.settle().await, result: ban })
    }

    /// Allows a target by order of `who`, for `ttl` or for good.
    ///
    /// # Errors
    /// When it is a port, or a banned network covers it.
    pub async fn allow(
        self: &Arc<Self>,
        target: Target,
        ttl: Option<Duration>,
        user: &str,
        domain: &str,
        who: &str,
    ) -> Result<Done<(Allowed, Vec<Arc<Ban>>)>, Refusal> {
        let result = self.guard.order_allow(target, ttl, user, domain, who, clock::now())?;
        tracing::info!(%target, who, lifted = result.1.len(), "allowed by order");
        Ok(Done { result, warnings: self.settle().await })
    }

    /// Removes an allow entry by order of `who`; tells whether there was one.
    pub async fn disallow(self: &Arc<Self>, target: Target, who: &str) -> Done<bool> {
        let result = self.guard.order_disallow(target, who);
        if result {
            tracing::info!(%target, who, "allow entry removed by order");
        }
        Done { result, warnings: self.settle().await }
    }

    /// Waits until the disk and the kernel have all that was ordered so far; tells what they have not.
    pub async fn settle(self: &Arc<Self>) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(store) = self.mirror.store()
            && let Err(reason) = store.settle().await
        {
            warnings.push(format!("not on the disk, so it would not survive a restart: {reason}"));
        }
        let Some(writer) = self.mirror.firewall().cloned() else {
            warnings.extend(self.unenforced.clone());
            return warnings;
        };
        let asked = writer.clone();
        let flushed = tokio::task::spawn_blocking(move || asked.flush(KERNEL_WAIT)).await.unwrap_or(false);
        if !flushed {
            let reason = writer.stats().degraded.unwrap_or_else(|| "it has not answered yet".into());
            warnings.push(format!("the kernel does not hold everything: {reason}"));
        }
        warnings
    }

    /// Whether bans are only logged.
    pub fn is_dry(&self) -> bool {
        self.config.load().security.dry_run
    }

    /// Whether anything is there to drop a packet.
    pub fn is_enforcing(&self) -> bool {
        self.mirror.firewall().is_some() && !self.is_dry()
    }

    /// Puts a new configuration in force, and says what of it needs a restart.
    pub fn reload(&self, new: Config) {
        self.read_own();
        let order = self.own.order.lock();
        let running = self.config.load_full();
        let (live, restart) = running.diff_reload(&new);
        let mut new = new.without_restart(&running);
        if self.mirror.firewall().is_none()
            && new.security.auto_block_enabled
            && !running.security.auto_block_enabled
        {
            tracing::error!(
                "security.auto_block_enabled stays off: there is no firewall; restart to open it"
            );
            new.security.auto_block_enabled = false;
        }
        self.guard.set_policy(policy::policy(&new, &self.own.all()));
        lift_out_of_reach(&self.guard);
        if new.log.level != running.log.level {
            self.log.set(new.log.level);
        }
        self.names.apply(self, &new);
        self.notifier.apply(&new);
        self.reports.apply(&new);
        match crate::broker::wiring::rules(&new) {
            Ok(rules) => self.desk.apply(rules),
            Err(error) => tracing::error!(%error, "the broker's rules stay as they were"),
        }
        if let Err(error) = self.logins.apply(&new, &self.desk) {
            tracing::error!(%error, "the broker's directories stay as they were");
        }
        self.config.store(Arc::new(new));
        drop(order);
        crate::reach::publish(self);
        if live.iter().any(|key| *key == "firewall.learn_sip_ports") {
            crate::ports::publish(self);
        }
        if live.iter().any(|key| *key == "guard.learn_acl") {
            self.switches.iter().for_each(|switch| switch.learnt.again.notify_one());
        }
        self.access.distrust();
        crate::access::changes::look(self);
        self.geo.look_soon();
        self.prices.look_soon();
        self.suspects.look_soon();
        match (live.is_empty(), restart.is_empty()) {
            (true, true) => tracing::info!("the configuration is read anew; nothing has changed"),
            _ => tracing::info!(changed = live.join(" "), "the configuration is read anew"),
        }
        if !restart.is_empty() {
            tracing::warn!(keys = restart.join(" "), "these keys have changed and need a restart");
        }
    }
}

/// Lifts bans of what is trusted or protected by now, and says so.
pub(crate) fn lift_out_of_reach(guard: &Guard) {
    for (ban, net) in guard.lift_out_of_reach(clock::now()) {
        tracing::warn!(target = %ban.target, %net, "ban lifted: it overlaps a network that is trusted or protected now");
    }
}
