//! The names of what a template leaves open: [`Field`]. Times are not among them; see the parent module.

macro_rules! fields {
    ($($variant:ident $name:literal,)*) => {
        /// A place in a template.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Field { $($variant,)* }

        impl Field {
            pub(crate) const COUNT: usize = [$($name),*].len();

            /// # Panics
            /// When there is no such field.
            pub(super) fn named(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => panic!("a template names {name:?}, which is no field"),
                }
            }
        }
    };
}

fields! {
    CoreUuid "core_uuid",
    Hostname "hostname",
    Ipv4 "ipv4",
    Ipv6 "ipv6",
    Sequence "sequence",
    Domain "domain",
    Profile "profile",
    To "to",
    From "from",
    User "user",
    Realm "realm",
    Contact "contact",
    CallId "call_id",
    Transport "transport",
    Expires "expires",
    Ip "ip",
    Port "port",
    Agent "agent",
    Result "result",
    Method "method",
    AUser "a_user",
    AUuid "a_uuid",
    ACallId "a_call_id",
    AIp "a_ip",
    AHost "a_host",
    APort "a_port",
    ASession "a_session",
    BUuid "b_uuid",
    BCallId "b_call_id",
    BIp "b_ip",
    BHost "b_host",
    BPort "b_port",
    BSession "b_session",
    Number "number",
    Cause "cause",
    Q850 "q850",
    NextRun "next_s",
    UptimeText "uptime_text",
    UptimeMillis "uptime_ms",
    Sessions "sessions",
    SessionsMax "sessions_max",
    SessionsPeak "sessions_peak",
    SessionsPerSecond "sessions_per_second",
    SessionsTotal "sessions_total",
}
