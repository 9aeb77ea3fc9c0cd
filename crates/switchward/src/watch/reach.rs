//! Learns from a switch what is out of reach: its gateways and trunks, whom its access lists let in, and its own addresses; and which
//! ports its profiles listen on.
//!
//! It asks when events begin to be read, when a gateway comes, goes or changes, when the switch has another address, and now and
//! then; names are asked of DNS again when their time to live is over, and a look that fails keeps what was there. Start with
//! [`follow`].

use crate::app::App;
use crate::config::Config;
use crate::names::HostName;
use crate::names::lookup::{self, Answer, Family, parse_server};
use crate::ports;
use crate::reach;
use crate::record::known;
use crate::switch::Switch;
use extract::freeswitch::acl::{self, Admitted};
use extract::freeswitch::gateways::{Host, Kind, Place, gateways, status};
use extract::freeswitch::profiles;
use guard::engine::{Learnt, MOST_LEARNT};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Learns whenever `up` says that events are read, until its sender is gone.
pub(super) async fn follow(app: Arc<App>, switch: Arc<Switch>, mut up: watch::Receiver<bool>) {
    let mut told = Said::default();
    let mut names = Names::default();
    loop {
        if up.wait_for(|up| *up).await.is_err() {
            return;
        }
        match ask(&switch).await {
            Ok((places, listens)) => {
                told.places = places;
                if switch.learnt.listens(listens) {
                    ports::publish(&app);
                }
            }
            Err(why) => tracing::warn!(
                switch = switch.name,
                %why,
                "the switch did not list its gateways; firewall.never_ban keeps them out of reach"
            ),
        }
        let is_wanted = app.config.load().guard.learn_acl;
        match is_wanted {
            true => ask_lists(&switch, &mut told).await,
            false => told.admitted.clear(),
        }
        // What is known is in force before the names are asked, which takes its time.
        put_in_force(&app, &switch, &told, &names);
        let next = names.look(&app.config.load_full(), &told.places).await;
        put_in_force(&app, &switch, &told, &names);
        let wait = async {
            tokio::select! {
                () = switch.learnt.again.notified() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep(next) => {}
            }
        };
        tokio::select! {
            () = wait => {}
            down = up.wait_for(|up| !*up) => if down.is_err() { return },
        }
        // A ban may have been decided while its target was being learnt.
        reach::sweep(&app);
    }
}

/// What the switch said last.
#[derive(Default)]
struct Said {
    places: Vec<Place>,
    admitted: Vec<Admitted>,
    /// Whether it was said that the access lists cannot be read.
    has_complained: bool,
}

/// Learns what is out of reach where no daemon is.
#[derive(Default)]
pub(crate) struct Looks {
    said: Said,
    names: Names,
}

impl Looks {
    /// Asks a switch; tells whether it said something new. `host` are the addresses of this host.
    pub(crate) async fn look(&mut self, switch: &Switch, host: &[IpNet], config: &Config) -> bool {
        let Ok((places, _)) = ask(switch).await else { return false };
        self.said.places = places;
        if config.guard.learn_acl {
            ask_lists(switch, &mut self.said).await;
        }
        self.names.look(config, &self.said.places).await;
        switch.learnt.replace(learnt(host, switch, &self.said, &self.names))
    }
}

/// The ports of the profiles, and whose each is.
type Listens = BTreeMap<u16, Arc<str>>;

async fn api(switch: &Switch, command: &str) -> Result<Vec<u8>, String> {
    let answer = switch.commands.api(command, Duration::from_secs(30)).await;
    answer.map(|answer| answer.to_vec()).map_err(|error| error.to_string())
}

/// Gateways and profiles, as the switch lists them.
async fn ask(switch: &Switch) -> Result<(Vec<Place>, Listens), String> {
    let listed = gateways(&api(switch, "sofia xmlstatus gateway").await?, MOST_LEARNT);
    let table = api(switch, "sofia status").await?;
    let mut listens = Listens::new();
    for profile in profiles::running(&table, MOST_PROFILES) {
        let mut found = profile.ports.clone();
        if profile.is_plain() {
            // Those for WebSocket are told here alone; without an answer the others count.
            let told = api(switch, &format!("sofia status profile {}", profile.name)).await;
            found.extend(told.map(|told| profiles::ports(&told)).unwrap_or_default());
        }
        let of: Arc<str> = format!("profile {} of {}", profile.name, switch.name).into();
        for port in found {
            listens.entry(port).or_insert_with(|| of.clone());
        }
    }
    let mut places = status(&table, MOST_LEARNT);
    let proxies: BTreeSet<&str> = listed.iter().map(|place| &*place.name).collect();
    places.retain(|place| place.kind != Kind::Gateway || !proxies.contains(&*place.name));
    places.extend(listed);
    Ok((places, listens))
}

/// Whom the switch's access lists let in. What was known is kept when it does not tell.
async fn ask_lists(switch: &Switch, said: &mut Said) {
    let why = match api(switch, LISTS).await {
        Ok(answer) if acl::is_answer(&answer) => {
            said.admitted = acl::admitted(&answer, MOST_ADMITTED);
            if said.admitted.len() == MOST_ADMITTED {
                tracing::warn!(
                    switch = switch.name,
                    most = MOST_ADMITTED,
                    "the switch's access lists let in more networks than are kept out of reach; firewall.never_ban takes the rest"
                );
            }
            said.has_complained = false;
            return;
        }
        Ok(answer) => guard::printable(answer[..answer.len().min(200)].trim_ascii()),
        Err(why) => why,
    };
    if !std::mem::replace(&mut said.has_complained, true) {
        tracing::warn!(
            switch = switch.name,
            why,
            "the switch did not tell its access lists; firewall.never_ban keeps trunks that they let in out of reach"
        );
    }
}

fn put_in_force(app: &App, switch: &Switch, said: &Said, names: &Names) {
    if switch.learnt.replace(learnt(&app.own.all(), switch, said, names)) {
        reach::publish(app);
        known::learnt(app, switch);
        let gateways = said.places.iter().filter(|place| place.kind == Kind::Gateway).count();
        let admitted = said.admitted.len();
        tracing::info!(switch = switch.name, gateways, admitted, "learnt which addresses are out of reach");
    }
}

/// `host` are the addresses of this host.
fn learnt(host: &[IpNet], switch: &Switch, said: &Said, names: &Names) -> Vec<Learnt> {
    let mut all = Vec::new();
    for place in &said.places {
        let label: Arc<str> = match place.kind {
            Kind::Gateway => format!("gateway {}", place.name),
            Kind::Profile => format!("switch {} (profile {})", switch.name, place.name),
        }
        .into();
        let mut add = |ip: IpAddr| {
            if !ip.is_unspecified() && !ip.is_multicast() {
                all.push(Learnt::address(ip, label.clone()));
            }
        };
        match &place.host {
            Host::Address(ip) => add(*ip),
            name => names.addresses(name).for_each(add),
        }
    }
    let own: Arc<str> = format!("switch {}", switch.name).into();
    let own =
        switch.learnt.own().filter(|ip| !ip.is_unspecified()).map(|ip| Learnt::address(ip, own.clone()));
    all.extend(own);
    for Admitted { list, net } in &said.admitted {
        let is_ours = NOBODYS.iter().any(|ip| net.contains(ip)) || host.contains(net);
        if !is_ours && !net.addr().is_loopback() && !net.addr().is_multicast() {
            all.push(Learnt { net: *net, label: format!("access list {list}").into() });
        }
    }
    all
}

/// The addresses of the names that stand for gateways.
#[derive(Default)]
struct Names {
    known: BTreeMap<Host, BTreeSet<IpAddr>>,
}

impl Names {
    fn addresses(&self, host: &Host) -> impl Iterator<Item = IpAddr> {
        self.known.get(host).into_iter().flatten().copied()
    }

    /// Asks DNS for all names; tells when to ask again.
    async fn look(&mut self, config: &Config, places: &[Place]) -> Duration {
        let hosts = places.iter().map(|place| &place.host);
        let wanted: BTreeSet<&Host> =
            hosts.filter(|host| matches!(host, Host::Name { .. })).take(MOST_NAMES).collect();
        self.known.retain(|host, _| wanted.contains(host));
        if wanted.is_empty() {
            return ASK_AGAIN;
        }
        let servers: Vec<_> =
            config.security.name_servers.iter().filter_map(|text| parse_server(text)).collect();
        let resolver = match lookup::resolver(&servers) {
            Ok(resolver) => resolver,
            Err(why) => {
                tracing::warn!(%why, "no name server to ask for the addresses of gateways");
                return ASK_AGAIN;
            }
        };
        let mut next = ASK_AGAIN;
        let mut wanted = wanted.into_iter().cloned();
        let mut looks = JoinSet::new();
        loop {
            while looks.len() < AT_ONCE
                && let Some(host) = wanted.next()
            {
                let resolver = resolver.clone();
                looks.spawn(async move {
                    let (found, ttl) = resolve(&resolver, &host).await;
                    (host, found, ttl)
                });
            }
            let Some(over) = looks.join_next().await else { return next };
            let Ok((host, found, ttl)) = over else { continue };
            next = next.min(ttl.max(SHORTEST_TTL));
            if found.is_empty() {
                tracing::warn!(
                    ?host,
                    "the name of a gateway has no address now; what was known of it is kept"
                );
            } else {
                self.known.insert(host, found);
            }
        }
    }
}

/// The addresses of a name and, where SIP asks for them (RFC 3263 section 4.2), of the hosts that its SRV records name.
async fn resolve(resolver: &TokioResolver, host: &Host) -> (BTreeSet<IpAddr>, Duration) {
    let Host::Name { name, port } = host else { return (BTreeSet::new(), ASK_AGAIN) };
    let mut names = vec![name.clone()];
    if !port {
        let of = async |service: &str| targets(resolver, &format!("{service}.{name}.")).await;
        let (udp, tcp, tls) = tokio::join!(of("_sip._udp"), of("_sip._tcp"), of("_sips._tcp"));
        names.extend(udp.into_iter().chain(tcp).chain(tls));
        names[1..].sort();
        names.dedup();
    }
    let (mut found, mut shortest) = (BTreeSet::new(), ASK_AGAIN);
    for name in names.iter().take(1 + MOST_TARGETS) {
        let Ok(name) = name.parse::<HostName>() else { continue };
        let Answer { v4, v6 } = lookup::look(resolver, &name, LONGEST_LOOK).await;
        for family in [v4, v6] {
            match family {
                Family::Found(answer) => {
                    shortest = shortest.min(answer.ttl);
                    found.extend(answer.addresses);
                }
                Family::None { .. } => {}
                Family::Failed(_) => shortest = shortest.min(SHORTEST_TTL),
            }
        }
    }
    (found, shortest)
}

/// The hosts of a service.
async fn targets(resolver: &TokioResolver, service: &str) -> Vec<String> {
    let Ok(name) = Name::from_ascii(service) else { return Vec::new() };
    let asked = tokio::time::timeout(LONGEST_LOOK, resolver.lookup(name, RecordType::SRV)).await;
    let Ok(Ok(answer)) = asked else { return Vec::new() };
    let targets = answer.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(record) => Some(record.target.to_ascii().trim_end_matches('.').to_owned()),
        _ => None,
    });
    targets.filter(|target| !target.is_empty()).take(MOST_TARGETS).collect()
}

/// Without any sign that something changed the switch is asked so often.
const ASK_AGAIN: Duration = Duration::from_secs(300);
/// A name is not asked more often, whatever its time to live.
const SHORTEST_TTL: Duration = Duration::from_secs(30);
/// After the first sign, so that a rescan of a hundred gateways is one question.
const SETTLE: Duration = Duration::from_millis(250);
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// Where the switch's access lists are.
const LISTS: &str = "xml_locate configuration configuration name acl.conf";
/// No trunk has these.
const NOBODYS: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];
/// Networks of access lists of a switch.
const MOST_ADMITTED: usize = 512;
/// Profiles of a switch that are asked for their ports.
const MOST_PROFILES: usize = 64;
const MOST_NAMES: usize = 256;
/// Names that are asked at a time.
const AT_ONCE: usize = 16;
const MOST_TARGETS: usize = 16;
