//! The headers that matter, gathered in one pass over an event.
//!
//! Names are matched as FreeSWITCH writes them; of a header that is there twice the first one counts, save for the mark of a
//! forged event, which counts wherever it stands: `sendevent` puts the forger's own headers in front.

use super::{Kind, cut};
use esl::event::Headers;
use esl::{EventView, Format, Value};
use guard::Transport;
use memchr::memmem::Finder;

/// What one event says, still encoded.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'a> {
    pub(super) address: Option<Value<'a>>,
    pub(super) port: Option<Value<'a>>,
    /// Of the To header in `sofia::*`; the From user of a call.
    pub(super) from_user: Option<Value<'a>>,
    pub(super) from_host: Option<Value<'a>>,
    /// `to-user` and `to-host`; in `sofia::register_failure` those of the To header.
    pub(super) to_user: Option<Value<'a>>,
    pub(super) to_host: Option<Value<'a>>,
    /// The account of the Authorization header, or of an authenticated call.
    pub(super) username: Option<Value<'a>>,
    /// The account and the domain that the directory has for a call; the caller chooses `from_user` and `from_host`.
    pub(super) account: Option<Value<'a>>,
    pub(super) account_domain: Option<Value<'a>>,
    /// The switch let the call in, for credentials or for its address.
    pub(super) authorized: bool,
    pub(super) contact: Option<Value<'a>>,
    pub(super) via_protocol: &'a [u8],
    pub(super) agent: Option<Value<'a>>,
    pub(super) auth_result: &'a [u8],
    pub(super) registration_type: Option<&'a [u8]>,
    pub(super) expires: Option<Value<'a>>,
    pub(super) call: &'a [u8],
    pub(super) destination: Option<Value<'a>>,
    pub(super) cause: &'a [u8],
    pub(super) billed: Option<Value<'a>>,
    /// The switch ended the call with a final answer of its own.
    pub(super) refused: bool,
    /// It tried to reach somebody for it.
    pub(super) tried: bool,
    pub(super) core: &'a [u8],
    /// Milliseconds that the switch has been up.
    pub(super) uptime: Option<Value<'a>>,
    /// Of an outbound leg: the gateway that it leaves by.
    pub(super) gateway: &'a [u8],
    /// Of an outbound leg: the leg that it was made for.
    pub(super) origin: &'a [u8],
    /// The sofia profile, still encoded.
    pub(super) profile: &'a [u8],
    pub(super) outbound: bool,
    pub(super) forged: bool,
}

/// Keeps the first value.
fn first<'a>(slot: &mut Option<Value<'a>>, value: Value<'a>) {
    slot.get_or_insert(value);
}

/// Keeps the first text.
fn first_raw<'a>(slot: &mut &'a [u8], value: Value<'a>) {
    if slot.is_empty() {
        *slot = value.raw();
    }
}

impl<'a> Fields<'a> {
    /// Of a `sofia::*` event, or of one without a call.
    pub(super) fn of_event(headers: Headers<'a>) -> Fields<'a> {
        let mut fields = Fields::default();
        for (name, value) in headers {
            // By length first: most of the two dozen names differ in it.
            match name.len() {
                4 if matches!(name, b"user") => first(&mut fields.from_user, value),
                4 if matches!(name, b"host") => first(&mut fields.from_host, value),
                7 => match name {
                    b"to-user" => first(&mut fields.to_user, value),
                    b"to-host" => first(&mut fields.to_host, value),
                    b"contact" => first(&mut fields.contact, value),
                    b"expires" => first(&mut fields.expires, value),
                    _ => {}
                },
                8 if matches!(name, b"username") => first(&mut fields.username, value),
                9 => match name {
                    b"from-user" | b"from_user" => first(&mut fields.from_user, value),
                    b"from-host" => first(&mut fields.from_host, value),
                    b"Core-UUID" => first_raw(&mut fields.core, value),
                    _ => {}
                },
                10 => match name {
                    b"network-ip" | b"network_ip" => first(&mut fields.address, value),
                    b"user-agent" => first(&mut fields.agent, value),
                    _ => {}
                },
                11 => match name {
                    b"auth-result" => first_raw(&mut fields.auth_result, value),
                    b"Uptime-msec" => first(&mut fields.uptime, value),
                    _ => {}
                },
                12 => match name {
                    b"network-port" | b"network_port" => first(&mut fields.port, value),
                    b"profile-name" => first_raw(&mut fields.profile, value),
                    _ => {}
                },
                17 if matches!(name, b"registration-type") => {
                    _ = fields.registration_type.get_or_insert(value.raw());
                }
                18 if matches!(name, b"Event-Calling-File") => fields.forged |= value.raw() == FORGER,
                _ => {}
            }
        }
        fields
    }

    /// Of a CHANNEL event. An outbound leg that leaves by no gateway is read to its end only when it begins: `gateway` finds
    /// the header that names one.
    pub(super) fn of_channel(
        kind: Kind,
        event: EventView<'a>,
        mut headers: Headers<'a>,
        gateway: &Finder<'_>,
    ) -> Fields<'a> {
        let mut fields = Fields::default();
        let mut legs = Legs::default();
        while let Some((name, value)) = headers.next() {
            match name {
                b"Event-Calling-File" => fields.forged |= value.raw() == FORGER,
                b"Unique-ID" => first_raw(&mut fields.call, value),
                b"Hangup-Cause" => first_raw(&mut fields.cause, value),
                b"Call-Direction" => {
                    fields.outbound |= value.raw() != b"inbound";
                    let goes_on = !fields.outbound || kind == Kind::Create || event.format() != Format::Plain;
                    if !goes_on && headers.clone().skip_to(gateway).is_empty() {
                        break;
                    }
                }
                b"Channel-Call-UUID" => first_raw(&mut legs.call, value),
                b"Other-Type" => legs.is_made_for_other = value.raw() == b"originator",
                b"Other-Leg-Unique-ID" => first_raw(&mut legs.other, value),
                b"Caller-Network-Addr" => first(&mut fields.address, value),
                b"Caller-Destination-Number" => first(&mut fields.destination, value),
                _ => match name.strip_prefix(b"variable_") {
                    Some(b"sip_network_port") => first(&mut fields.port, value),
                    Some(b"sip_via_protocol") => first_raw(&mut fields.via_protocol, value),
                    Some(b"sip_auth_username") => first(&mut fields.username, value),
                    Some(b"user_name") => first(&mut fields.account, value),
                    Some(b"sip_authorized") => fields.authorized |= value.raw() == b"true",
                    Some(b"domain_name") => first(&mut fields.account_domain, value),
                    Some(b"sip_from_user") => first(&mut fields.from_user, value),
                    Some(b"sip_from_host") => first(&mut fields.from_host, value),
                    Some(b"sofia_profile_name") => first_raw(&mut fields.profile, value),
                    Some(b"sip_user_agent") => first(&mut fields.agent, value),
                    Some(b"billsec") => first(&mut fields.billed, value),
                    Some(b"sip_hangup_disposition") => fields.refused |= value.raw() == b"send_refuse",
                    Some(b"originate_disposition") => fields.tried = true,
                    Some(b"sip_gateway_name") => first_raw(&mut fields.gateway, value),
                    Some(b"originating_leg_uuid") => first_raw(&mut fields.origin, value),
                    _ => {}
                },
            }
        }
        if fields.origin.is_empty() {
            fields.origin = legs.origin(fields.call);
        }
        fields
    }

    /// Whether an account is known for the call: that of its credentials, or one that has the caller's address.
    pub(super) fn is_authenticated(&self) -> bool {
        self.has_credentials() || (self.authorized && is_something(self.account))
    }

    /// Whether a call came with credentials, which the switch has checked.
    pub(super) fn has_credentials(&self) -> bool {
        is_something(self.username)
    }

    /// The account that the Authorization header named: FreeSWITCH writes "unknown" for one that did not count.
    pub(super) fn credentials(&self) -> Option<Value<'a>> {
        self.username.filter(|value| !matches!(value.raw(), b"unknown" | b""))
    }

    pub(super) fn transport(&self, word: &Finder<'_>) -> Transport {
        if !self.via_protocol.is_empty() {
            return transport(self.via_protocol);
        }
        match self.contact {
            None => Transport::Unknown,
            Some(contact) => contact_transport(contact.raw(), word),
        }
    }
}

/// Other legs that an event of an outbound leg names.
#[derive(Default)]
struct Legs<'a> {
    call: &'a [u8],
    other: &'a [u8],
    is_made_for_other: bool,
}

impl<'a> Legs<'a> {
    /// The leg that this one was made for, when no variable says it.
    fn origin(&self, own: &[u8]) -> &'a [u8] {
        let other = if self.is_made_for_other { self.other } else { b"" };
        [other, self.call].into_iter().find(|leg| !leg.is_empty() && *leg != own).unwrap_or_default()
    }
}

/// The buffers for what needs decoding; used again for every event.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) address: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) domain: Vec<u8>,
    pub(super) agent: Vec<u8>,
}

/// The account and the domain that an event is about.
///
/// A binding is known by the user and host of its address of record, which is what `sofia::expire` names too; an attempt
/// by the account of its credentials.
pub(super) fn account<'a>(
    kind: Kind,
    fields: &Fields<'a>,
    refused: Option<&'a [u8]>,
    user: &'a mut Vec<u8>,
    domain: &'a mut Vec<u8>,
) -> (&'a [u8], &'a [u8]) {
    let who = match kind {
        Kind::Attempt => fields.credentials().or(fields.from_user),
        Kind::Failure if refused.is_some() => None,
        Kind::Failure => fields.to_user,
        Kind::Create | Kind::Answer | Kind::Hangup => {
            let known = if fields.has_credentials() { fields.username } else { fields.account };
            known.filter(|_| fields.is_authenticated()).or(fields.from_user)
        }
        _ => fields.from_user,
    };
    let host = if kind == Kind::Failure { fields.to_host } else { fields.from_host };
    (refused.unwrap_or_else(|| cut(who, user)), cut(host, domain))
}

fn is_something(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|value| !value.raw().is_empty() && !value.is_undef())
}

fn transport(word: &[u8]) -> Transport {
    match word {
        b"udp" | b"UDP" => Transport::Udp,
        b"tcp" | b"TCP" => Transport::Tcp,
        b"tls" | b"TLS" => Transport::Tls,
        b"ws" | b"WS" | b"wss" | b"WSS" => Transport::WebSocket,
        _ => Transport::Unknown,
    }
}

/// The transport parameter of a contact (RFC 3261 section 19.1.1), still encoded; UDP when there is none.
fn contact_transport(contact: &[u8], word: &Finder<'_>) -> Transport {
    let mut rest = contact;
    while let Some(at) = word.find(rest) {
        rest = &rest[at + TRANSPORT.len()..];
        if let Some(value) = rest.strip_prefix(b"%3D").or_else(|| rest.strip_prefix(b"=")) {
            let end = value.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(value.len());
            return transport(&value[..end]);
        }
    }
    Transport::Udp
}

/// What the parameter's name holds, whatever the case of its first letter.
pub(super) const TRANSPORT: &[u8] = b"ransport";

/// The header that names the gateway of a leg, as FreeSWITCH writes it.
pub(super) const GATEWAY: &[u8] = b"\nvariable_sip_gateway_name: ";

/// The source file that a `sendevent` names as the event's origin.
pub(super) const FORGER: &[u8] = b"mod_event_socket.c";
