//! The templates that there are: [`Kind`]. Each is one event of the captures.

use super::Template;
use std::sync::OnceLock;

macro_rules! kinds {
    ($($variant:ident $file:literal,)*) => {
        /// A kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($variant,)* }

        impl Kind {
            /// Every kind, in the order of declaration.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../../templates/", $file, ".txt")),)*
                }
            }
        }
    };
}

kinds! {
    PreRegister "pre_register",
    RegisterAttempt "register_attempt",
    Register "register",
    Unregister "unregister",
    Expire "expire",
    RegisterFailure "register_failure",
    WrongCallState "wrong_call_state",
    MessageQuery "message_query",
    Heartbeat "heartbeat",
    ReSchedule "re_schedule",
    Shutdown "shutdown",
    EchoCreate "channel/echo_create",
    EchoAnswer "channel/echo_answer",
    EchoHangup "channel/echo_hangup",
    EchoHangupComplete "channel/echo_hangup_complete",
    EchoDestroy "channel/echo_destroy",
    RingCreate "channel/ring_create",
    RingProgress "channel/ring_progress",
    RingHangup "channel/ring_hangup",
    RingHangupComplete "channel/ring_hangup_complete",
    RingDestroy "channel/ring_destroy",
    BridgeACreate "channel/bridge_a_create",
    BridgeAAnswer "channel/bridge_a_answer",
    BridgeAHangup "channel/bridge_a_hangup",
    BridgeAHangupComplete "channel/bridge_a_hangup_complete",
    BridgeADestroy "channel/bridge_a_destroy",
    BridgeBCreate "channel/bridge_b_create",
    BridgeBAnswer "channel/bridge_b_answer",
    BridgeBHangup "channel/bridge_b_hangup",
    BridgeBHangupComplete "channel/bridge_b_hangup_complete",
    BridgeBDestroy "channel/bridge_b_destroy",
    TollACreate "channel/toll_a_create",
    TollAAnswer "channel/toll_a_answer",
    TollAHangup "channel/toll_a_hangup",
    TollAHangupComplete "channel/toll_a_hangup_complete",
    TollADestroy "channel/toll_a_destroy",
    TollBCreate "channel/toll_b_create",
    TollBAnswer "channel/toll_b_answer",
    TollBHangup "channel/toll_b_hangup",
    TollBHangupComplete "channel/toll_b_hangup_complete",
    TollBDestroy "channel/toll_b_destroy",
    PublicCreate "channel/public_create",
    PublicHangup "channel/public_hangup",
    PublicHangupComplete "channel/public_hangup_complete",
    PublicDestroy "channel/public_destroy",
    RefusedHangup "channel/refused_hangup",
    RefusedHangupComplete "channel/refused_hangup_complete",
    RefusedDestroy "channel/refused_destroy",
}

impl Kind {
    pub(crate) fn template(self) -> &'static Template {
        static TEMPLATES: OnceLock<Vec<Template>> = OnceLock::new();
        let all =
            TEMPLATES.get_or_init(|| Self::ALL.iter().map(|kind| Template::parse(kind.text())).collect());
        &all[self as usize]
    }
}
