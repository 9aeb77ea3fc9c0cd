//! FreeSWITCH events as observations.
//!
//! What each event means, and who chose which of its fields, was learnt from captures of FreeSWITCH 1.11
//! (`testdata/captures/freeswitch/README.md`). The traps, all handled here: `from-*` are the To header and `to-*` the From
//! header; `sofia::wrong_call_state` writes its fields with underscores; a stale nonce is no failure; an outbound leg carries
//! the address of somebody else; any client of the event socket can forge any event with `sendevent`; one failed attempt
//! makes two events, of which `sofia::register_failure` counts and the other names the account.
//! Start with [`Extractor::read`]; subscribe to [`EVENTS`] and [`SUBCLASSES`].

use esl::event::Headers;
use esl::{EventView, Value};
use guard::source::parse_ip;
use guard::{Evidence, Method, Observation, Transport, What};
use memchr::memmem::Finder;
use std::net::IpAddr;

pub mod acl;
mod cores;
mod fields;
pub mod gateways;
pub mod log;
pub mod profiles;
mod recent;
mod running;
#[cfg(test)]
mod tests;

use cores::Cores;
use fields::{FORGER, Fields, GATEWAY, Scratch, TRANSPORT};
use recent::Recent;
pub use running::Running;

/// Standard events to subscribe to.
pub const EVENTS: &[&str] =
    &["HEARTBEAT", "STARTUP", "SHUTDOWN", "CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"];

/// CUSTOM subclasses to subscribe to.
pub const SUBCLASSES: &[&str] = &[
    "sofia::pre_register",
    "sofia::register_attempt",
    "sofia::register_failure",
    "sofia::register",
    "sofia::unregister",
    "sofia::expire",
    "sofia::wrong_call_state",
    "sofia::gateway_state",
    "sofia::gateway_add",
    "sofia::gateway_delete",
];

/// The kinds of events that are wanted, by their names on the switch.
pub const KINDS: [&str; 16] = [
    "sofia::pre_register",
    "sofia::register_attempt",
    "sofia::register_failure",
    "sofia::register",
    "sofia::unregister",
    "sofia::expire",
    "sofia::wrong_call_state",
    "CHANNEL_CREATE",
    "CHANNEL_ANSWER",
    "CHANNEL_HANGUP_COMPLETE",
    "HEARTBEAT",
    "STARTUP",
    "SHUTDOWN",
    "sofia::gateway_state",
    "sofia::gateway_add",
    "sofia::gateway_delete",
];

impl Counts {
    /// Events that say that the gateways of the switch are no longer as they were.
    pub fn gateways(&self) -> u64 {
        self.kinds[Kind::GatewayState as usize..=Kind::GatewayDelete as usize].iter().sum()
    }
}

/// What was counted while reading events.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Events read.
    pub events: u64,
    /// Of those that are wanted, how many of each of [`KINDS`].
    pub kinds: [u64; KINDS.len()],
    /// Events that tell nothing the guard wants.
    pub unwanted: u64,
    /// Events that a client of the event socket made with `sendevent`; ignored.
    pub forged: u64,
    /// Outbound legs of which nothing is told: to phones, once they have begun, or made for no other leg.
    pub outbound: u64,
    /// Events that should name a source and hold something that is no address.
    pub bad_address: u64,
    /// `sofia::register_attempt` with an auth-result that is not known here; ignored.
    pub unknown_result: u64,
}

/// Reads the events of one switch.
#[derive(Debug)]
pub struct Extractor {
    switch: u16,
    default_domain: Vec<u8>,
    counts: Counts,
    scratch: Scratch,
    destination: Vec<u8>,
    account_domain: Vec<u8>,
    recent: Recent,
    cores: Cores,
    finders: Finders,
}

/// Searches made ready once.
#[derive(Debug)]
struct Finders {
    sequence: Finder<'static>,
    forger: Finder<'static>,
    transport: Finder<'static>,
    gateway: Finder<'static>,
}

/// Which event it is; in the order of [`KINDS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    PreRegister,
    Attempt,
    Failure,
    Register,
    Unregister,
    Expire,
    WrongCallState,
    Create,
    Answer,
    Hangup,
    Heartbeat,
    Startup,
    Shutdown,
    GatewayState,
    GatewayAdd,
    GatewayDelete,
}

impl Kind {
    /// Reads headers up to the name; they stand in front, or a forger wrote the event.
    fn read(headers: &mut Headers<'_>) -> Option<Kind> {
        let mut subclass: &[u8] = b"";
        for (name, value) in headers {
            match name {
                b"Event-Subclass" => subclass = value.raw(),
                b"Event-Name" => return Kind::of(value.raw(), subclass),
                _ => {}
            }
        }
        None
    }

    fn of(name: &[u8], subclass: &[u8]) -> Option<Kind> {
        Some(match name {
            b"CUSTOM" => match subclass {
                b"sofia%3A%3Aregister_attempt" | b"sofia::register_attempt" => Kind::Attempt,
                b"sofia%3A%3Aregister_failure" | b"sofia::register_failure" => Kind::Failure,
                b"sofia%3A%3Aregister" | b"sofia::register" => Kind::Register,
                b"sofia%3A%3Apre_register" | b"sofia::pre_register" => Kind::PreRegister,
                b"sofia%3A%3Aunregister" | b"sofia::unregister" => Kind::Unregister,
                b"sofia%3A%3Aexpire" | b"sofia::expire" => Kind::Expire,
                b"sofia%3A%3Awrong_call_state" | b"sofia::wrong_call_state" => Kind::WrongCallState,
                b"sofia%3A%3Agateway_state" | b"sofia::gateway_state" => Kind::GatewayState,
                b"sofia%3A%3Agateway_add" | b"sofia::gateway_add" => Kind::GatewayAdd,
                b"sofia%3A%3Agateway_delete" | b"sofia::gateway_delete" => Kind::GatewayDelete,
                _ => return None,
            },
            b"CHANNEL_CREATE" => Kind::Create,
            b"CHANNEL_ANSWER" => Kind::Answer,
            b"CHANNEL_HANGUP_COMPLETE" => Kind::Hangup,
            b"HEARTBEAT" => Kind::Heartbeat,
            b"STARTUP" => Kind::Startup,
            b"SHUTDOWN" => Kind::Shutdown,
            _ => return None,
        })
    }

    /// Whether it says that the switch's gateways are no longer as they were, and nothing of a source.
    fn is_gateway(self) -> bool {
        matches!(self, Kind::GatewayState | Kind::GatewayAdd | Kind::GatewayDelete)
    }

    fn is_channel(self) -> bool {
        matches!(self, Kind::Create | Kind::Answer | Kind::Hangup)
    }

    /// Whether the event is of no use without a source address.
    fn needs_address(self) -> bool {
        !matches!(self, Kind::Hangup | Kind::Heartbeat | Kind::Startup | Kind::Shutdown)
    }
}

impl Extractor {
    /// For the switch of this number; `default_domain` is the domain of an account when an event carries none.
    pub fn new(switch: u16, default_domain: &str) -> Extractor {
        Extractor {
            switch,
            default_domain: default_domain.as_bytes().to_vec(),
            counts: Counts::default(),
            scratch: Scratch::default(),
            destination: Vec::new(),
            account_domain: Vec::new(),
            recent: Recent::default(),
            cores: Cores::default(),
            finders: Finders {
                sequence: Finder::new(b"\nEvent-Sequence: "),
                forger: Finder::new(FORGER),
                transport: Finder::new(TRANSPORT),
                gateway: Finder::new(GATEWAY),
            },
        }
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What an event says; `None` when it says nothing that the guard wants.
    pub fn read<'a>(&'a mut self, event: EventView<'a>) -> Option<Observation<'a>> {
        self.counts.events += 1;
        let mut headers = event.headers();
        let Some(kind) = Kind::read(&mut headers) else {
            self.counts.unwanted += 1;
            return None;
        };
        self.counts.kinds[kind as usize] += 1;
        if kind.is_gateway() {
            return None;
        }
        // What stands between the name and the sequence is of use in a HEARTBEAT alone, but for the mark of a forger.
        let skipped = if kind == Kind::Heartbeat { b"" } else { headers.skip_to(&self.finders.sequence) };
        let fields = match kind.is_channel() {
            true => Fields::of_channel(kind, event, headers, &self.finders.gateway),
            false => Fields::of_event(headers),
        };
        if fields.forged || (!skipped.is_empty() && self.finders.forger.find(skipped).is_some()) {
            self.counts.forged += 1;
            return None;
        }
        self.told(kind, &fields)
    }

    /// What the fields of an event that nobody forged say.
    fn told<'a>(&'a mut self, kind: Kind, fields: &Fields<'a>) -> Option<Observation<'a>> {
        if fields.outbound {
            return self.leg(kind, fields);
        }
        let ip = self.address(kind, fields);
        if ip.is_none() && kind.needs_address() {
            return None;
        }
        self.observe(kind, fields, ip)
    }

    /// An outbound leg. Its address is somebody else's, and so is the user that it names.
    fn leg<'a>(&'a mut self, kind: Kind, fields: &Fields<'a>) -> Option<Observation<'a>> {
        let Fields { call, origin, gateway, .. } = *fields;
        let is_told = !call.is_empty()
            && match kind {
                Kind::Create => !gateway.is_empty() || !origin.is_empty(),
                _ => !gateway.is_empty(),
            };
        if !is_told {
            self.counts.outbound += 1;
            return None;
        }
        let what = match kind {
            Kind::Create => {
                let destination = cut(fields.destination, &mut self.destination);
                What::LegStarted { call, origin, gateway, destination }
            }
            Kind::Answer => What::LegAnswered { call },
            _ => What::LegEnded { call, billed: seconds(fields.billed) },
        };
        let domain = cut(fields.account_domain, &mut self.account_domain);
        let domain = if domain.is_empty() { &self.default_domain } else { domain };
        Some(Observation { evidence: Evidence::Proven, domain, ..Observation::of(self.switch, what) })
    }

    fn address(&mut self, kind: Kind, fields: &Fields<'_>) -> Option<IpAddr> {
        let text = fields.address.filter(|value| !value.raw().is_empty());
        // An IPv6 address is percent-encoded, and at most 45 characters long.
        let ip = text.and_then(|value| match value.is_plain() {
            true => parse_ip(value.raw()),
            false if value.raw().len() <= 135 => parse_ip(value.decode_into(&mut self.scratch.address)),
            false => None,
        });
        if ip.is_none() && (text.is_some() || kind.needs_address()) {
            self.counts.bad_address += 1;
        }
        ip
    }

    fn observe<'a>(
        &'a mut self,
        kind: Kind,
        fields: &Fields<'a>,
        ip: Option<IpAddr>,
    ) -> Option<Observation<'a>> {
        let port = fields
            .port
            .and_then(|value| value.number())
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(0);
        let transport = fields.transport(&self.finders.transport);
        let what = match kind {
            Kind::PreRegister => What::Challenged,
            Kind::Attempt => self.attempt(fields, ip, port)?,
            Kind::Failure => What::AuthFailed(match fields.registration_type {
                Some(b"REGISTER") => Method::Register,
                Some(b"INVITE") => Method::Invite,
                _ => Method::Other,
            }),
            Kind::Register => What::Registered { expires: seconds(fields.expires) },
            Kind::Unregister => What::Unregistered,
            Kind::Expire => What::Expired,
            Kind::WrongCallState => What::CallAbandoned,
            Kind::Create => What::CallStarted {
                call: fields.call,
                destination: cut(fields.destination, &mut self.destination),
                authenticated: fields.is_authenticated(),
                admitted: fields.authorized,
            },
            Kind::Answer => What::CallAnswered { call: fields.call },
            Kind::Hangup => What::CallEnded {
                call: fields.call,
                cause: fields.cause,
                billed: seconds(fields.billed),
                refused: fields.refused && !fields.tried && !fields.is_authenticated(),
            },
            Kind::Heartbeat => self.heartbeat(fields),
            Kind::Startup => What::SwitchStarted { up: up(fields) },
            Kind::Shutdown => What::SwitchStopping,
            Kind::GatewayState | Kind::GatewayAdd | Kind::GatewayDelete => return None,
        };
        let evidence = grade(kind, what, transport, fields);
        let refused = ip.filter(|_| kind == Kind::Failure).and_then(|ip| self.recent.attempt(ip, port));
        let account_domain = match (refused, kind.is_channel() && fields.is_authenticated()) {
            (Some(refused), _) => refused.domain.as_slice(),
            (None, true) => cut(fields.account_domain, &mut self.account_domain),
            (None, false) => b"",
        };
        let refused = refused.map(|refused| refused.user.as_slice()).filter(|user| !user.is_empty());
        let profile = fields.profile;
        let Scratch { user, domain, agent, .. } = &mut self.scratch;
        let (user, domain) = fields::account(kind, fields, refused, user, domain);
        let domain = if domain.is_empty() && ip.is_some() { &self.default_domain } else { domain };
        let agent = cut(fields.agent.filter(|value| value.raw() != b"unknown"), agent);
        Some(Observation {
            switch: self.switch,
            what,
            ip,
            port,
            transport,
            evidence,
            user,
            domain,
            account_domain,
            agent,
            profile,
        })
    }

    /// `sofia::register_attempt` by its auth-result.
    fn attempt<'a>(&mut self, fields: &Fields<'a>, ip: Option<IpAddr>, port: u16) -> Option<What<'a>> {
        match fields.auth_result {
            b"RENEWED" | b"SUCCESS" => Some(What::AuthSucceeded),
            b"STALE" => Some(What::StaleNonce),
            b"FORBIDDEN" => {
                if let Some(ip) = ip {
                    self.recent.refused(ip, port, fields.credentials(), fields.from_host);
                }
                Some(What::Refused)
            }
            _ => {
                self.counts.unknown_result += 1;
                None
            }
        }
    }

    /// A HEARTBEAT of a core that was not heard of before comes from a switch that was started anew.
    fn heartbeat(&mut self, fields: &Fields<'_>) -> What<'static> {
        match self.cores.is_restart(fields.core) {
            true => What::SwitchStarted { up: up(fields) },
            false => What::Heartbeat,
        }
    }
}

/// Seconds that the switch has been up, rounded up; 0 when it does not say.
fn up(fields: &Fields<'_>) -> u32 {
    let millis = fields.uptime.and_then(|value| value.number()).unwrap_or(0);
    u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX)
}

/// How hard an event is to forge.
///
/// The transport in a contact is the client's own claim and raises no grade; the protocol of the Via is checked by sofia-sip
/// against the socket that the request came in on (nta.c, agent_check_request_via).
fn grade(kind: Kind, what: What<'_>, transport: Transport, fields: &Fields<'_>) -> Evidence {
    match (kind, what) {
        (Kind::Attempt, What::AuthSucceeded) | (Kind::Register | Kind::Unregister | Kind::Expire, _) => {
            Evidence::Proven
        }
        (Kind::Attempt, What::Refused) | (Kind::Failure, _) => Evidence::Likely,
        // FreeSWITCH answers before the caller's ACK, so an answer alone proves no way back.
        (Kind::Create | Kind::Answer | Kind::Hangup, _) => match transport.is_connected() {
            true => Evidence::Proven,
            false if fields.has_credentials() => Evidence::Likely,
            false => Evidence::Forgeable,
        },
        (Kind::Heartbeat | Kind::Startup | Kind::Shutdown, _) => Evidence::Proven,
        _ => Evidence::Forgeable,
    }
}

/// A number of seconds; 0 when there is none.
fn seconds(value: Option<Value<'_>>) -> u32 {
    value.and_then(|value| value.number()).map_or(0, |seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// Longest text taken from an event, in bytes: a domain name fits (RFC 1035 section 2.3.4).
const LONGEST: usize = 255;

/// A text decoded, without what FreeSWITCH writes for nothing, and not longer than 255 bytes.
fn cut<'a>(value: Option<Value<'a>>, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    let Some(value) = value.filter(|value| !value.is_undef()) else { return b"" };
    let text = if value.is_plain() {
        value.raw()
    } else if value.raw().len() <= LONGEST {
        value.decode_into(buffer)
    } else {
        buffer.clear();
        buffer.extend(value.bytes().take(LONGEST));
        buffer
    };
    &text[..text.len().min(LONGEST)]
}
