//! The forms of texts in the description: what counts as a target, a duration, a pattern.
//!
//! Each type here stands for a string of one form, in `#[schema(value_type = ...)]` and in `params(...)`; nothing is ever
//! made of it. The code that reads such a text decides; these say the same in JSON Schema. Some texts beyond what is
//! described are read, too (`1.5h`, blanks around an address), but all that is described is read.

use serde_json::{Value, json};
use std::borrow::Cow;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Object, RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::answer::LARGEST_BATCH;
use super::extract::Place;

/// Declares a form: its name in the description and its JSON Schema, which is filled in by `openapi`.
macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    RefOr::T(Schema::Object(Object::new()))
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*

        /// The JSON Schema of each form, by its name.
        pub(super) fn forms() -> Vec<(&'static str, Value)> {
            vec![$((stringify!($name), $schema)),*]
        }
    };
}

forms! {
    /// An address, a CIDR, or an address and port.
    Target = json!({
        "type": "string",
        "description": "An IPv4 or IPv6 address, a CIDR, or an address and port (\"[...]:port\" for IPv6). An IPv6 \
            address stands for its /64. In a path the slash of a CIDR is written %2F.",
        "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"pattern": CIDR4}, {"pattern": CIDR6}, {"pattern": PORT4}],
        "examples": ["203.0.113.5", "198.51.100.0/24", "2001:db8:1::/48", "203.0.113.5:5060"],
    });
    /// A target to look for, or nothing.
    TargetIfAny = json!({
        "description": "An IPv4 or IPv6 address, a CIDR, or an address and port; nothing for all.",
        "anyOf": [{"$ref": "#/components/schemas/Target"}, {"type": "string", "maxLength": 0}],
    });
    /// A country to look for, or nothing.
    CountryIfAny = json!({
        "type": "string",
        "description": "Two letters of a country (ISO 3166-1); nothing for all.",
        "pattern": "^([A-Za-z]{2})?$",
        "examples": ["DE"],
    });
    /// A full host name.
    FullName = json!({
        "type": "string",
        "description": "A full host name: letters, digits and hyphens, at least two labels, the last of letters alone. Other \
            letters as punycode.",
        "pattern": NAME,
        "maxLength": 253,
        "examples": ["sip.carrier.example"],
    });
    /// What an allow entry is for.
    Allowable = json!({
        "description": "An IPv4 or IPv6 address, a CIDR, or a full host name, which is followed as DNS tells its \
            addresses. An IPv6 address stands for its /64.",
        "anyOf": [
            {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"pattern": CIDR4}, {"pattern": CIDR6}]},
            {"$ref": "#/components/schemas/FullName"},
        ],
        "examples": ["203.0.113.5", "198.51.100.0/24", "2001:db8:1::/48", "sip.carrier.example"],
    });
    /// What is asked of the allow-list.
    TargetOrName = json!({
        "description": "An address, a CIDR (its slash written %2F), an address and port, or a full host name.",
        "anyOf": [{"$ref": "#/components/schemas/Target"}, {"$ref": "#/components/schemas/FullName"}],
    });
    /// One address, perhaps with a port.
    Address = json!({
        "type": "string",
        "description": "An IPv4 or IPv6 address, perhaps with a port (\"[...]:port\" for IPv6).",
        "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"pattern": PORT4}],
        "examples": ["203.0.113.5", "2001:db8:1::7", "203.0.113.5:5060"],
    });
    /// A duration as Go writes it.
    GoDuration = json!({
        "type": "string",
        "description": "A duration as Go writes it, more than zero and less than 292 years. Fractions, ms, us and ns \
            are read, too.",
        "pattern": "^([1-9][0-9]{0,5}h)?([1-9][0-9]{0,6}m)?([1-9][0-9]{0,8}s)?$",
        "minLength": 2,
        "examples": ["90s", "5m", "1h30m", "24h"],
    });
    /// What of a source is dropped.
    BanScope = json!({
        "type": "string",
        "description": "What is dropped: packets to the ports of SIP and media, or all.",
        "enum": ["sip", "all"],
    });
    /// Several bans.
    BanOrders = json!({
        "type": "array",
        "maxItems": LARGEST_BATCH,
        "items": {"$ref": "#/components/schemas/BanOrderOfMany"},
    });
    /// Several allow entries.
    AllowOrders = json!({
        "type": "array",
        "maxItems": LARGEST_BATCH,
        "items": {"$ref": "#/components/schemas/AllowOrderOfMany"},
    });
    /// A list to import.
    ImportLines = json!({
        "type": "array",
        "description": "What GET /security/export writes.",
        "items": {"description": "An object of that form; what does not fit is told in the errors of the answer."},
    });
    /// A list to import, as text.
    ImportText = json!({
        "description": "What GET /security/export writes, as text; what does not fit is told in the errors of the answer.",
    });
    /// A pattern of domains.
    Pattern = json!({
        "type": "string",
        "description": "A domain, \"*.suffix\" or a glob of * and ?, of 253 bytes at most; not one that matches all. Blanks \
            around it are passed over.",
        "pattern": r"^\s*[^\s\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f*?.][^\s\u0000-\u001f\u007f-\u009f]*\s*$",
        "maxLength": 253,
        "examples": ["evil.example", "*.evil.example"],
    });
    /// Names of events of the stream.
    EventNames = json!({
        "type": "string",
        "description": "Names of events, separated by commas.",
        "pattern": format!("^(({})(,|$))*$", super::stream::NAMES.join("|")),
        "examples": ["ban,unban", "counters"],
    });
    /// How often the stream has counters.
    StreamInterval = json!({
        "type": "string",
        "description": "A duration as Go writes it, from 100ms to 1h.",
        "pattern": "^([1-9][0-9]{2,5}ms|[1-9][0-9]{0,2}s|[1-5]?[1-9]m|1h)$",
        "examples": ["1s", "250ms"],
    });
    /// A number of an event of the stream.
    EventNumber = json!({
        "type": "string",
        "description": "The `id` of an event; nothing for none.",
        "pattern": "^[0-9]{0,19}$",
    });
    /// A command for a switch.
    SwitchCommand = json!({
        "type": "string",
        "description": "A command as for `api`, without control characters.",
        "pattern": "^[A-Za-z0-9_.-]{1,128}( [ -:<-~]{0,15000})?$",
        "examples": ["status", "uptime"],
    });
    /// Names of events of a switch.
    SwitchEventNames = json!({
        "type": "string",
        "description": "Names of events, separated by commas; subclasses of CUSTOM after a blank.",
        "pattern": "^(CHANNEL_(CREATE|ANSWER|HANGUP)|HEARTBEAT|CUSTOM sofia::(register|expire)|ALL)(,(CHANNEL_DESTROY|DTMF)){0,2}$",
        "examples": ["CHANNEL_CREATE,CHANNEL_HANGUP", "CUSTOM sofia::register", "ALL"],
    });
    /// A header of an event, and its value.
    EventFilter = json!({
        "type": "string",
        "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,60}:[!-~]{1,100}$",
        "examples": ["Caller-Destination-Number:1000"],
    });
    /// How events are written.
    EventFormat = json!({
        "type": "string",
        "enum": ["json", "plain"],
    });
    /// The id of a background job.
    JobId = json!({
        "type": "string",
        "description": "A UUID.",
        "format": "uuid",
    });
    /// How long to wait for a background job.
    JobWait = json!({
        "type": "string",
        "description": "A duration as Go writes it, at most 60s.",
        "pattern": "^([1-9][0-9]{1,3}ms|[1-5]?[1-9]s|60s|1m)$",
        "examples": ["10s"],
    });
    /// A level of the log.
    LevelName = json!({
        "type": "string",
        "description": "A level of the log, in letters of any case.",
        "enum": ["error", "warn", "info", "debug", "trace"],
    });
}

const CIDR4: &str = r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])/(3[0-2]|[12]?[0-9])$";
const CIDR6: &str = r"^([0-9a-f]{1,4}:){1,4}:/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$";
const PORT4: &str = r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]):[1-9][0-9]{0,3}$";

const NAME: &str = r"^([A-Za-z]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,30}$";

impl IntoParams for Place {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("ip")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("What is asked about; the slash of a CIDR is written %2F"))
            .schema(Some(utoipa::openapi::Ref::from_schema_name("Target")));
        vec![parameter.build()]
    }
}
