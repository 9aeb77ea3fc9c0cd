//! A daemon's interface on a free port, and a client that shows everything of an answer.

use arc_swap::ArcSwap;
use guard::{Evidence, Guard, Method, Observation, Time, Transport, What};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use netfilter::Writer;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use switchward::access::Access;
use switchward::app::App;
use switchward::config::{Config, LogLevel};
use switchward::logs::Level;
use switchward::mirror::Mirror;
use switchward::store::Store;
use switchward::switch::Switch;
use switchward::{clock, policy};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// What stands behind the ledger.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Nothing: no firewall could be opened.
    None,
    /// A writer that only logs.
    Dry,
    /// nftables, in a network namespace of its own.
    Real,
}

/// The interface of a daemon, and its insides.
pub(crate) struct Daemon {
    pub(crate) app: Arc<App>,
    pub(crate) address: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: JoinHandle<anyhow::Result<()>>,
    _store: TempDir,
    /// Dropping it ends what keeps the audit of commands going.
    _trail: watch::Sender<bool>,
}

impl Daemon {
    /// One with the defaults and without a firewall.
    pub(crate) async fn start() -> Daemon {
        Daemon::with(Kernel::None, |_| {}).await
    }

    pub(crate) async fn with(kernel: Kernel, change: impl FnOnce(&mut Config)) -> Daemon {
        Daemon::at("127.0.0.1:0", kernel, change).await
    }

    pub(crate) async fn at(address: &str, kernel: Kernel, change: impl FnOnce(&mut Config)) -> Daemon {
        let mut config = Config::default();
        config.security.dry_run = kernel == Kernel::Dry;
        // What is counted is asked at once after it was; `cached.rs` has it on.
        config.cache.enabled = false;
        let store = tempfile::tempdir().unwrap();
        config.store.path = store.path().join("test.db");
        change(&mut config);
        let app = Arc::new(app(config, kernel, store.path()));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        app.access.listens_on(address.ip(), &app.config.load()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let until = async { _ = stopped.await };
        let served = tokio::spawn(switchward::http::serve(app.clone(), listener, until));
        let (trail, ended) = watch::channel(false);
        tokio::spawn(switchward::trail::follow(app.clone(), ended));
        Daemon { app, address, stop: Some(stop), served, _store: store, _trail: trail }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path).body(body.to_string()).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask("PATCH", path).body(body.to_string()).send().await
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        let request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        Ask { to: self.address, from: None, request, body: Bytes::new() }
    }

    /// The guard sees an account refused `times` times from `ip`.
    pub(crate) fn refuse(&self, ip: &str, user: &str, times: u32) {
        for _ in 0..times {
            let seen = Observation {
                ip: Some(ip.parse().unwrap()),
                port: 5062,
                transport: Transport::Udp,
                evidence: Evidence::Likely,
                user: user.as_bytes(),
                domain: b"pbx.example",
                agent: b"Yealink SIP-T46U",
                ..Observation::of(0, What::AuthFailed(Method::Register))
            };
            self.app.guard.observe(&seen, clock::now());
        }
    }

    /// Puts a ban into the ledger of which the kernel hears nothing.
    pub(crate) fn restore_ban(&self, ip: &str) {
        let now = clock::now();
        let ban = guard::Ban {
            target: ip.parse().unwrap(),
            scope: guard::Scope::All,
            since: now,
            until: None,
            origin: guard::Origin::Guard,
            reason: guard::Reason::operator("test", now),
            note: String::new(),
        };
        self.app.guard.ledger().restore(vec![ban], Vec::new(), Vec::new(), now);
    }

    /// The guard sees something from `ip`.
    pub(crate) fn observe(&self, ip: &str, what: What<'_>) {
        let seen = Observation {
            ip: Some(ip.parse().unwrap()),
            port: 5062,
            transport: Transport::Tcp,
            evidence: Evidence::Proven,
            user: b"1000",
            domain: b"pbx.example",
            agent: b"phone",
            ..Observation::of(0, what)
        };
        self.app.guard.observe(&seen, clock::now());
    }
}

fn app(config: Config, kernel: Kernel, store: &std::path::Path) -> App {
    let mirror = Arc::new(Mirror::new(config.security.dry_run));
    let policy = policy::policy(&config, &[]);
    let guard = Arc::new(Guard::new(policy, policy::limits(&config), [1, 2, 3, 4], mirror.journal()));
    let (opened, _) = Store::open(&store.join("test.db")).unwrap();
    let trail = switchward::trail::open(&config, Some(&opened)).unwrap();
    mirror.follow_with_store(opened);
    if kernel != Kernel::None {
        mirror.follow_with_firewall(writer(&config, kernel));
    }
    let switches = config.switches.iter().enumerate().map(|(number, switch)| {
        let address = esl::client::Config::new(switch.host.clone(), switch.port, switch.password.expose());
        Arc::new(Switch::new(number as u16, switch, esl::Pool::new(address, 2), clock::now()))
    });
    let desk = switchward::broker::wiring::open(&config, Some(trail.journal.clone())).unwrap();
    App {
        desk,
        logins: Default::default(),
        entrance: Default::default(),
        jobs: switchward::broker::jobs::Jobs::new(config.broker.jobs),
        switches: switches.collect(),
        guard,
        mirror,
        names: Arc::default(),
        access: Access::open(&config).unwrap(),
        config: ArcSwap::from_pointee(config),
        config_path: None,
        own: Default::default(),
        log: Level::detached(LogLevel::Info),
        trail: Arc::new(trail),
        unenforced: (kernel == Kernel::None).then(|| "no firewall in this test".to_owned()),
        notifier: Arc::default(),
        reports: Arc::default(),
        started: clock::now(),
        cache: Default::default(),
        geo: Arc::default(),
        links: switchward::access::links::Links::open(None),
        prices: Default::default(),
        suspects: Default::default(),
        recorder: None,
        monitor: switchward::monitor::Monitor::default(),
    }
}

/// A writer; the real one in a network namespace that ends with its thread.
fn writer(config: &Config, kernel: Kernel) -> Writer {
    let config = policy::firewall(config, &[]);
    let spawned = std::thread::spawn(move || {
        if kernel == Kernel::Real {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        }
        Writer::spawn(config, Box::new(Vec::new)).unwrap().0
    });
    spawned.join().unwrap()
}

/// A request in the making.
pub(crate) struct Ask {
    to: SocketAddr,
    from: Option<IpAddr>,
    request: hyper::http::request::Builder,
    body: Bytes,
}

impl Ask {
    /// One without a Host header.
    pub(crate) fn raw(to: SocketAddr, method: &str, path: &str) -> Ask {
        Ask { to, from: None, request: Request::builder().method(method).uri(path), body: Bytes::new() }
    }

    pub(crate) fn from(mut self, ip: [u8; 4]) -> Ask {
        self.from = Some(IpAddr::V4(Ipv4Addr::from(ip)));
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Ask {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self) -> Ask {
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Ask {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let socket = if self.to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
        if let Some(from) = self.from {
            socket.bind((from, 0).into()).unwrap();
        }
        let stream = socket.connect(self.to).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = self.request.body(Full::new(self.body)).unwrap();
        let response = within(sender.send_request(request)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = within(body.collect()).await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

/// All of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The words of an error with this status.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let body = self.json();
        assert_eq!(fields(&body), ["error"]);
        body["error"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The names of an object's members, in order.
#[track_caller]
pub(crate) fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A time as answers print it.
#[track_caller]
pub(crate) fn time(value: &Value) -> Time {
    let stamp: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
    Time::from_secs(stamp.as_second() as u64)
}

/// How long from one time of an answer to another.
#[track_caller]
pub(crate) fn apart(from: &Value, to: &Value) -> Duration {
    time(to).since(time(from))
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it took more than a minute")
}
