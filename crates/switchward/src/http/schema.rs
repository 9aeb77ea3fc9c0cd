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
    /// A pattern of domains.
    Pattern = json!({
        "type": "string",
        "description": "A domain, \"*.suffix\" or a glob of * and ?; not one that matches all.",
        "pattern": "^[!-~]*[!-)+,\\-/->@-~][!-~]*$",
        "maxLength": 253,
        "examples": ["evil.example", "*.evil.example"],
    });
    /// A command for a switch.
    Command = json!({
        "type": "string",
        "description": "A command as for `api`, without control characters.",
        "pattern": "^[!-~][ -~]*$",
        "examples": ["status", "uptime"],
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
