//! The roles that are built in, from the least to the most.

use crate::events::{EventRules, Rows};
use crate::grant::LogLevel;
use crate::policy::Policy;

/// A role: what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Its name in a configuration.
    pub name: &'static str,
    /// For whom, in a sentence.
    pub purpose: &'static str,
    /// Patterns that allow.
    pub allow: &'static [&'static str],
    /// Patterns that deny.
    pub deny: &'static [&'static str],
    /// Events that may be seen, and which of them.
    pub events: &'static [(&'static str, Rows)],
    /// The most talkative level of the switch's log that may be read.
    pub log: Option<LogLevel>,
}

/// All of them.
pub const ROLES: [Role; 5] = [
    Role {
        name: "monitor",
        purpose: "Looks at the state of the switch and changes nothing.",
        allow: &["@read", "bgapi"],
        deny: &["@read-secret"],
        events: &[("*", Rows::All), ("CUSTOM", Rows::All)],
        log: None,
    },
    Role {
        name: "agent",
        purpose: "Acts on channels of the own account, and calls within the own domain.",
        allow: &[
            "uuid_kill {own}",
            "uuid_hold {own}",
            "uuid_hold off {own}",
            "uuid_hold toggle {own}",
            "uuid_park {own}",
            "uuid_answer {own}",
            "uuid_pre_answer {own}",
            "uuid_ring_ready {own}",
            "uuid_send_dtmf {own}",
            "uuid_exists {own}",
            "uuid_bridge {own} {own} $",
            "originate user/{user}@{domain} $",
            "$origination_caller_id_number {user} $",
            "$sip_auto_answer true $",
            "&park $",
            "bgapi",
            "sendmsg {own}",
            "divert_events {own}",
        ],
        deny: &["@dangerous", "@system", "@script", "@read-secret"],
        events: &[("*", Rows::OwnChannels), ("CUSTOM", Rows::OwnChannels)],
        log: None,
    },
    Role {
        name: "dialer",
        purpose: "Makes calls to accounts of the own domain and puts them through to a queue or a prompt.",
        allow: &[
            "originate user/*@{domain} $",
            "&park $",
            "&playback",
            "&callcenter *@{domain} $",
            "uuid_kill {own}",
            "uuid_exists",
            "show channels",
            "show calls",
            "bgapi",
            "sendmsg {own}",
        ],
        // Other people's messages and recordings are files, too.
        deny: &[
            "@dangerous",
            "@system",
            "@script",
            "@read-secret",
            "&playback /*",
            "&playback *..*",
            "&playback *file_string*",
        ],
        events: &[
            ("CHANNEL_*", Rows::OwnDomain),
            ("CALL_*", Rows::OwnDomain),
            ("CUSTOM callcenter::*", Rows::OwnDomain),
            ("HEARTBEAT", Rows::All),
        ],
        log: None,
    },
    Role {
        name: "operator",
        purpose: "Runs the switch from day to day.",
        allow: &[
            "@read",
            "@call-control",
            "@media",
            "@registration",
            "@originate",
            "originate *",
            "bgapi",
            "!NOTIFY",
            "!MESSAGE_WAITING",
            "!PHONE_FEATURE",
            "!PRESENCE_*",
            "&playback",
            // What a night wants: to look at a call, to trace, to let a corrected file in. Secrets are taken out of what is told.
            "uuid_dump",
            "uuid_getvar",
            "callcenter_config agent list",
            "callcenter_config queue list agents",
            "callcenter_config queue load",
            "callcenter_config queue reload",
            "conference * xml_list",
            "fifo list_verbose",
            "console loglevel",
            "fsctl loglevel",
            "fsctl resume",
            "reloadacl",
            "reloadxml",
            "sofia global siptrace",
            "sofia loglevel",
            "sofia profile * rescan",
            "sofia profile * siptrace",
            "sofia profile * start",
            "sofia profile * startgw",
            "uuid_loglevel",
            "xml_flush_cache",
        ],
        deny: &[
            "@dangerous",
            "@system",
            "@script",
            "&playback /*",
            "&playback *..*",
            "&playback *file_string*",
        ],
        events: &[("*", Rows::All), ("CUSTOM", Rows::All)],
        log: LogLevel::new(6),
    },
    Role {
        name: "admin",
        purpose: "Everything that can be decided.",
        allow: &[
            "@read",
            "@read-secret",
            "@call-control",
            "@originate",
            "@media",
            "@registration",
            "@config",
            "@data",
            "@network",
            "@file",
            "@runs-commands",
            "@script",
            "@system",
            "@dangerous",
        ],
        deny: &[],
        events: &[("ALL", Rows::All)],
        log: LogLevel::new(7),
    },
];

/// A role by its name.
pub fn role(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

impl Role {
    /// The events that it may see.
    pub fn events(&self) -> EventRules {
        let mut rules = EventRules::default();
        for (name, rows) in self.events {
            // A test reads all of them: what names no events never ships, and would show nothing.
            _ = rules.add([*name], *rows);
        }
        rules
    }

    /// Its rules.
    ///
    /// # Errors
    /// Never; a test reads all of them.
    pub fn policy(&self) -> Result<Policy, String> {
        let mut policy = Policy::default();
        let added = policy.add(self.name, self.allow.iter().copied(), self.deny.iter().copied());
        added.map(|()| policy).map_err(|(text, error)| format!("{text}: {error}"))
    }
}
