//! The simulated switch on a TCP port: [`SimSwitch`].
//!
//! It is a library's handle to tasks that run in the background: they accept clients, answer their commands and send
//! the HEARTBEAT. Everything else is asked of it: [`SimSwitch::emit`] an event, [`SimSwitch::play`] a capture,
//! [`SimSwitch::run_scenario`], break the connections, stop. It reads the clock and writes to sockets; what the
//! switch knows and which events follow from what is [`World`]'s.

use crate::{
    event::Event,
    identity::Identity,
    step::Step,
    world::{Effects, LogLine, World},
};
use client::Client;
use esl::server::{Pending, Server, ServerConfig};
use shared::Shared;
use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;

mod api;
mod client;
mod command;
mod control;
mod gateway;
mod journal;
mod listener;
mod names;
mod play;
mod serve;
mod shared;
mod stage;
mod user;

pub use gateway::Gateway;
pub use journal::Received;
pub use play::{Pace, Played, Stamps};
pub use stage::{Dropped, RunOptions, RunStats, ScenarioRun};
pub use user::EslUser;

/// How a [`SimSwitch`] is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The event socket's password.
    pub password: String,
    /// Who may log in with `userauth`.
    pub esl_users: Vec<EslUser>,
    /// The users of the SIP directory.
    pub users: BTreeSet<String>,
    /// The time between HEARTBEAT events; `None` for a switch that has fallen silent.
    pub heartbeat: Option<Duration>,
    /// Seeds the UUIDs.
    pub seed: u64,
    /// How connections are treated.
    pub server: ServerConfig,
}

impl Default for Config {
    /// A free port of 127.0.0.1, password `ClueCon`, the users of the captures, a HEARTBEAT every 20 s.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            password: "ClueCon".into(),
            esl_users: EslUser::of_the_captures(),
            users: (1000..1020).map(|n| n.to_string()).collect(),
            heartbeat: Some(Duration::from_secs(20)),
            seed: 1,
            server: ServerConfig { linger: Duration::from_secs(2), ..ServerConfig::default() },
        }
    }
}

/// A running switch. See the module. Dropping it closes everything.
#[derive(Debug)]
pub struct SimSwitch {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl SimSwitch {
    /// Starts a switch.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(config: Config) -> io::Result<Self> {
        let server = Server::bind(config.listen, config.server.clone()).await?;
        let address = server.local_addr()?;
        let shared = Arc::new(Shared::new(config));
        let switch = Self { shared, address, tasks: Mutex::default() };
        switch.start(server);
        Ok(switch)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Who it is.
    pub fn identity(&self) -> Arc<Identity> {
        self.shared.identity()
    }

    /// Sends an event to every client that has subscribed to it. Gives how many queues took it.
    pub fn emit(&self, event: &Event) -> usize {
        self.shared.send(event)
    }

    /// Gives a channel an event of its own, as recognised speech is: nobody gets it but who diverts the channel's events. Gives whether there
    /// is such a channel.
    pub fn queue_event(&self, uuid: &str, event: &Event) -> bool {
        control::queue(&self.shared, uuid, event.clone()).is_ok()
    }

    /// Writes a line into the log: every client gets it that asked for its level.
    pub fn log(&self, line: &LogLine) {
        self.shared.log(line);
    }

    /// How many clients have asked for the log.
    pub fn log_readers(&self) -> usize {
        self.shared.fanout.all().into_iter().filter(|client| client.listener().log.is_some()).count()
    }

    /// Waits until so many clients have asked for the log. Gives whether they have in time.
    pub async fn wait_for_log_readers(&self, count: usize, within: Duration) -> bool {
        self.shared.changed_until(within, || self.log_readers() >= count).await
    }

    /// Sends bytes as they are to every client that has subscribed to anything.
    pub fn write_raw(&self, bytes: &[u8]) -> usize {
        let bytes: Arc<[u8]> = bytes.into();
        let listening = self.listening();
        listening.iter().for_each(|client| {
            client.outbox.push(Arc::clone(&bytes));
        });
        listening.len()
    }

    /// Lets a SIP client do something now. What follows from it later happens in its time, if the switch still runs.
    pub fn act(&self, step: &Step) {
        let now = self.shared.now();
        let mut effects = Effects::default();
        self.shared.world().act(now, step, &mut effects);
        self.shared.publish(now, &effects);
        stage::follow(&self.shared, effects);
    }

    /// Sends a HEARTBEAT now, besides the regular ones.
    pub fn beat(&self) {
        self.shared.beat();
    }

    /// What the switch knows: registrations, channels. It must not be held across an await.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// How many clients are connected, logged in or not.
    pub fn connections(&self) -> usize {
        self.shared.fanout.all().len()
    }

    /// How many clients have subscribed to anything.
    pub fn subscribers(&self) -> usize {
        self.listening().len()
    }

    /// Waits until so many clients have subscribed. Gives whether they have in time.
    pub async fn wait_for_subscribers(&self, count: usize, within: Duration) -> bool {
        self.shared.changed_until(within, || self.subscribers() >= count).await
    }

    /// The commands that were received, in order of arrival: all, or the last 32,768 at least.
    pub fn commands_received(&self) -> Vec<Received> {
        self.shared.journal().clone()
    }

    /// Waits for a command that was or will be received. `None` when it does not come in time. Its effect may be still
    /// to come: for a subscription, wait with [`SimSwitch::wait_for_subscribers`].
    pub async fn wait_for_command(
        &self,
        within: Duration,
        mut wanted: impl FnMut(&Received) -> bool,
    ) -> Option<Received> {
        let mut found = None;
        let search = || {
            found = self.shared.journal().iter().find(|received| wanted(received)).cloned();
            found.is_some()
        };
        self.shared.changed_until(within, search).await;
        found
    }

    /// Sets the answer to an api command: a whole command with its arguments, or a verb.
    pub fn set_api(&self, command: &str, answer: &str) {
        self.shared.knobs().answers.insert(command.into(), answer.into());
    }

    /// Lets every api command take this long. As in FreeSWITCH, a connection waits for its own.
    pub fn set_api_delay(&self, delay: Duration) {
        self.shared.knobs().api_delay = delay;
    }

    /// Refuses new clients as an access list does, or takes them again.
    pub fn set_refusing(&self, refusing: bool) {
        self.shared.knobs().refusing = refusing;
    }

    /// Replaces the gateways, and sends what the switch sends when they are read anew.
    pub fn set_gateways(&self, gateways: Vec<Gateway>) {
        let old = std::mem::replace(&mut self.shared.knobs().gateways, gateways.clone());
        let gone = old.iter().filter(|gateway| !gateways.contains(gateway));
        gone.for_each(|gateway| self.shared.gateway_changed("sofia::gateway_delete", gateway));
        let new = gateways.iter().filter(|gateway| !old.contains(gateway));
        new.for_each(|gateway| self.shared.gateway_changed("sofia::gateway_add", gateway));
    }

    /// Writes the idle CPU into log lines, as FreeSWITCH 1.10.9 and later do, or not, as those before.
    pub fn set_idle_cpu(&self, idle: bool) {
        self.shared.knobs().idle = idle;
    }

    /// Refuses `log` to everybody, as to a user without esl-allowed-log.
    pub fn set_refusing_log(&self, refusing: bool) {
        self.shared.knobs().no_log = refusing;
    }

    /// Whether `log` is refused to everybody.
    pub fn is_refusing_log(&self) -> bool {
        self.shared.knobs().no_log
    }

    /// Changes the password for new logins.
    pub fn set_password(&self, password: &str) {
        self.shared.knobs().password = password.into();
    }

    /// Stops or restarts the HEARTBEAT: silence is what a watchdog must notice.
    pub fn set_heartbeat(&self, every: Option<Duration>) {
        self.shared.knobs().heartbeat = every;
        self.shared.heartbeat_changed.notify_one();
    }

    /// Closes every connection at once, without a notice.
    pub fn kill_connections(&self) {
        self.shared.fanout.all().iter().for_each(|client| client.outbox.abort());
    }

    /// Sends every subscribed client the first half of an event and closes its connection.
    pub fn cut_in_frame(&self, event: &Event) {
        for client in self.listening() {
            let frame = event.frame(client.listener().format);
            client.outbox.close(Pending::Send, &frame[..frame.len() / 2]);
        }
    }

    /// Stops the switch as `fsctl shutdown` does: SHUTDOWN events, the notice, then nobody listens any more.
    pub async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // Nobody new: the listener lives in one of the tasks.
        for task in tasks {
            task.abort();
            // It was aborted; that is what it says.
            let _ = task.await;
        }
        self.shared.say_shutdown();
        let linger = self.shared.config.server.linger;
        self.shared.changed_until(linger * 2, || self.connections() == 0).await;
    }

    /// Starts the switch again on the same port after [`SimSwitch::stop`], with a new Core-UUID and without
    /// registrations and calls.
    ///
    /// # Errors
    /// When the port was taken by somebody else.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        let server = Server::bind(self.address, self.shared.config.server.clone()).await?;
        self.shared.reset();
        self.start(server);
        Ok(())
    }

    fn start(&self, server: Server) {
        let accept = tokio::spawn(serve::accept(Arc::clone(&self.shared), server));
        let heartbeat = tokio::spawn(serve::heartbeat(Arc::clone(&self.shared)));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend([accept, heartbeat]);
    }

    fn listening(&self) -> Vec<Arc<Client>> {
        self.shared.fanout.all().into_iter().filter(|client| client.listener().listening).collect()
    }
}

impl Drop for SimSwitch {
    fn drop(&mut self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(JoinHandle::abort);
        self.kill_connections();
    }
}
