//! The keys of the daemon itself: listener, cache, firewall, store, log, bounds, API.

use super::{Field, Key, MILLION, MOST_ELEMENTS, Section, count, count_or_none, span};
use crate::config::model::Config;
use crate::config::text::Shape;

type Setting = Key<Config>;

pub(super) const SERVER: Section = Section {
    name: "server",
    intro: "The HTTP listener.",
    keys: &[
        Setting::known(
            "server.host",
            "SERVER_HOST",
            Field::Text(Shape::BindHost, |c| &mut c.server.host),
            "Address or host name to listen on; \"::\" is every address, IPv4 included.",
        )
        .restart(),
        Setting::known(
            "server.port",
            "SERVER_PORT",
            Field::Port(|c| &mut c.server.port),
            "TCP port to listen on.",
        )
        .restart(),
        Setting::known(
            "server.log_requests",
            "SERVER_LOG_REQUESTS",
            Field::Bool(|c| &mut c.server.log_requests),
            "One log line for each request.",
        ),
        Setting::known(
            "server.log_responses",
            "SERVER_LOG_RESPONSES",
            Field::Bool(|c| &mut c.server.log_responses),
            "The bodies of the answers in the log, too.",
        ),
        Setting::known(
            "server.pprof_enabled",
            "SERVER_PPROF_ENABLED",
            Field::Bool(|c| &mut c.server.pprof_enabled),
            "The profiling listener.",
        )
        .restart(),
        Setting::known(
            "server.pprof_addr",
            "SERVER_PPROF_ADDR",
            Field::Socket(|c| &mut c.server.pprof_addr),
            "Where the profiling listener listens; loopback only.",
        )
        .restart(),
        Setting::new(
            "server.tls_cert",
            "SERVER_TLS_CERT",
            Field::OptionalPath(|c| &mut c.server.tls_cert),
            "The certificate chain (PEM); with it the port speaks TLS alone. A changed file is taken over by itself.",
        )
        .restart(),
        Setting::new(
            "server.tls_key",
            "SERVER_TLS_KEY",
            Field::OptionalPath(|c| &mut c.server.tls_key),
            "The private key of server.tls_cert (PEM).",
        )
        .restart(),
        Setting::new(
            "server.tls_client_ca",
            "SERVER_TLS_CLIENT_CA",
            Field::OptionalPath(|c| &mut c.server.tls_client_ca),
            "Authorities (PEM) whose client certificates are credentials; see api.certificate_roles.",
        )
        .restart(),
        Setting::new(
            "server.public_url",
            "",
            Field::Text(Shape::Url, |c| &mut c.server.public_url),
            "How customers reach this interface, such as \"https://guard.example\": what unban links begin with. Empty for the path alone.",
        ),
        Setting::new(
            "server.socket",
            "SERVER_SOCKET",
            Field::Text(Shape::SocketPath, |c| &mut c.server.socket),
            "The Unix socket that the command line uses; whoever may open it may do everything. Empty for none.",
        )
        .restart(),
    ],
};

pub(super) const FREESWITCH: Section = Section {
    name: "freeswitch",
    intro: "What holds for every FreeSWITCH.",
    keys: &[Setting::known(
        "freeswitch.default_domain",
        "FS_DEFAULT_DOMAIN",
        Field::Text(Shape::Domain, |c| &mut c.freeswitch.default_domain),
        "The domain of an account when the event carries none.",
    )
    .restart()],
};

pub(super) const CACHE: Section = Section {
    name: "cache",
    intro: "The cache of the answers to GET requests.",
    keys: &[
        Setting::known(
            "cache.enabled",
            "CACHE_ENABLED",
            Field::Bool(|c| &mut c.cache.enabled),
            "The cache is on.",
        ),
        Setting::known(
            "cache.security_ttl",
            "CACHE_SECURITY_TTL",
            span(|c| &mut c.cache.security_ttl),
            "How long an answer is served from the cache.",
        ),
        Setting::known(
            "cache.cleanup_interval",
            "CACHE_CLEANUP_INTERVAL",
            span(|c| &mut c.cache.cleanup_interval),
            "How often outdated answers are thrown away.",
        ),
    ],
};

pub(super) const FIREWALL: Section = Section {
    name: "firewall",
    intro: "How the kernel drops the packets of a banned source.",
    keys: &[
        Setting::new(
            "firewall.mode",
            "FIREWALL_MODE",
            Field::Word(|c| &mut c.firewall.mode),
            "\"nftables\": a table of our own. \"ipset\": the predecessor's set and one rule in \
             security.iptables_chain. \"auto\": nftables when the kernel has it.",
        )
        .restart(),
        Setting::new(
            "firewall.table",
            "",
            Field::Text(Shape::TableName, |c| &mut c.firewall.table),
            "Name of our nftables table.",
        )
        .restart(),
        Setting::new(
            "firewall.sip_ports",
            "",
            Field::Ports(|c| &mut c.firewall.sip_ports),
            "The ports that a ban from SIP alone closes: numbers, or ranges such as \"5060-5061\".",
        )
        .restart(),
        Setting::new(
            "firewall.learn_sip_ports",
            "",
            Field::Bool(|c| &mut c.firewall.learn_sip_ports),
            "Close the ports that the switches' SIP profiles listen on, too; off, one that is not in firewall.sip_ports raises an \
             alarm.",
        ),
        Setting::new(
            "firewall.max_elements",
            "",
            count(|c| &mut c.firewall.max_elements, MOST_ELEMENTS),
            "Most elements in one set of the kernel.",
        )
        .restart(),
        Setting::new(
            "firewall.conntrack",
            "",
            Field::Bool(|c| &mut c.firewall.conntrack),
            "Remove a banned source's connection-tracking entries, so that its streams end at once.",
        )
        .restart(),
        Setting::new(
            "firewall.on_exit",
            "FIREWALL_ON_EXIT",
            Field::Word(|c| &mut c.firewall.on_exit),
            "\"keep\": bans stay in the kernel when the daemon ends. \"flush\": they are removed.",
        ),
        Setting::new(
            "firewall.never_ban",
            "",
            Field::Networks(|c| &mut c.firewall.never_ban),
            "Never banned whatever asks for it; checked once more before the kernel is told.",
        ),
    ],
};

pub(super) const STORE: Section = Section {
    name: "store",
    intro: "The database that bans and lists survive a restart in.",
    keys: &[Setting::new(
        "store.path",
        "STORE_PATH",
        Field::Path(|c| &mut c.store.path),
        "The SQLite file; its directory must exist.",
    )
    .restart()],
};

pub(super) const LOG: Section = Section {
    name: "log",
    intro: "The daemon's own log.",
    keys: &[
        Setting::new(
            "log.level",
            "LOG_LEVEL",
            Field::Word(|c| &mut c.log.level),
            "The least important level that is written.",
        )
        .follows("security.esl_log_level", |c| c.log.level = c.security.esl_log_level),
        Setting::new(
            "log.format",
            "LOG_FORMAT",
            Field::Word(|c| &mut c.log.format),
            "\"auto\" is the journal's protocol under systemd and \"human\" otherwise.",
        )
        .restart(),
    ],
};

pub(super) const GUARD: Section = Section {
    name: "guard",
    intro: "Bounds of what the guard remembers, and durations of its own.",
    keys: &[
        Setting::new(
            "guard.max_sources",
            "",
            count(|c| &mut c.guard.max_sources, MOST_ELEMENTS),
            "Most sources tracked at a time; beyond it the cheapest is forgotten.",
        )
        .restart(),
        Setting::new(
            "guard.max_registrations",
            "",
            count(|c| &mut c.guard.max_registrations, MOST_ELEMENTS),
            "Most live registrations tracked at a time.",
        )
        .restart(),
        Setting::new(
            "guard.timeline",
            "",
            count(|c| &mut c.guard.timeline, MOST_ELEMENTS),
            "Records of what sources and accounts did lately, kept in memory at about 140 bytes each.",
        )
        .restart(),
        Setting::new(
            "guard.wrong_call_state_block_duration",
            "",
            span(|c| &mut c.guard.wrong_call_state_block_duration),
            "Ban for wrong call states; security.forgeable_ban_max caps it while the evidence is forgeable.",
        )
        .follows("security.block_duration", |c| {
            c.guard.wrong_call_state_block_duration = c.security.block_duration;
        }),
        Setting::new(
            "guard.untrusted_block_duration",
            "",
            span(|c| &mut c.guard.untrusted_block_duration),
            "Ban for calls from untrusted domains; security.forgeable_ban_max caps it while the evidence is \
             forgeable.",
        )
        .follows("security.block_duration", |c| c.guard.untrusted_block_duration = c.security.block_duration),
        Setting::new(
            "guard.log",
            "",
            Field::Bool(|c| &mut c.guard.log),
            "Read the switches' logs too, over a second connection to each event socket: accounts that do not exist, \
             refusals by access lists and calls over the limit have no event.",
        )
        .restart(),
        Setting::new(
            "guard.learn_acl",
            "",
            Field::Bool(|c| &mut c.guard.learn_acl),
            "Whom a switch's access lists (acl.conf) with the default \"deny\" let in is never banned, as its gateways are not.",
        ),
        Setting::new(
            "guard.silence_alarm",
            "",
            span(|c| &mut c.guard.silence_alarm),
            "A switch that sends nothing for so long raises an alarm.",
        ),
        Setting::new(
            "guard.max_remembered",
            "",
            count_or_none(|c| &mut c.guard.max_remembered, MOST_ELEMENTS),
            "Most sources, accounts and earlier bans remembered over weeks, each; at about 60 to 110 bytes; 0 remembers nothing.",
        )
        .restart(),
        Setting::new(
            "guard.ban_growth",
            "",
            count(|c| &mut c.guard.ban_growth, 10),
            "Each earlier ban of a target multiplies the time of the next by this; 1 lets all be as long as their rules say.",
        ),
        Setting::new(
            "guard.ban_longest",
            "",
            span(|c| &mut c.guard.ban_longest),
            "The longest that a ban grows to; a rule that says more keeps what it says.",
        ),
        Setting::new(
            "guard.priors_kept",
            "",
            span(|c| &mut c.guard.priors_kept),
            "How long after its end a ban makes the next one longer; one is forgotten each week anyway.",
        ),
        Setting::new(
            "guard.max_bans_per_minute",
            "",
            count(|c| &mut c.guard.max_bans_per_minute, MOST_ELEMENTS),
            "More bans of the guard in a minute are only told, with an alert; orders by hand do not count.",
        ),
        Setting::new(
            "guard.max_standing_bans_per_minute",
            "",
            count_or_none(|c| &mut c.guard.max_standing_bans_per_minute, 10_000),
            "Sources with registered phones or an allow entry that a minute's bans may hit, wholly or a port of them; 0 is none.",
        ),
        Setting::new(
            "guard.signatures_file",
            "",
            Field::OptionalPath(|c| &mut c.guard.signatures_file),
            "Further user agents of scanners, one a line; docs/signatures.md. A changed file is taken over by itself.",
        ),
        Setting::new(
            "guard.honeypots",
            "",
            Field::Texts(Shape::Honeypot, |c| &mut c.guard.honeypots),
            "Accounts and numbers that nobody uses, so that whoever tries one guesses; `*` for any characters.",
        )
        .sample(&["admin", "9999*", "test@pbx.example"]),
    ],
};

pub(super) const API: Section = Section {
    name: "api",
    intro: "Who may come in over HTTP, and with which rights.",
    keys: &[
        Setting::new(
            "api.allowed_ips",
            "",
            Field::Networks(|c| &mut c.api.allowed_ips),
            "May change state, beside security.chandaemon.allowed_api_ips; when both are empty only loopback may.",
        ),
        Setting::new(
            "api.authentication",
            "API_AUTHENTICATION",
            Field::Word(|c| &mut c.api.authentication),
            "\"auto\": addresses that may change state need no credential, and nobody does to read while the daemon \
             listens on loopback alone. \"required\": everybody needs one but for /health and the Unix socket.",
        ),
        Setting::new(
            "api.tokens_file",
            "API_TOKENS_FILE",
            Field::OptionalPath(|c| &mut c.api.tokens_file),
            "The tokens of `switchward token`; tokens.json beside the store when absent.",
        )
        .restart(),
        Setting::new(
            "api.users_file",
            "API_USERS_FILE",
            Field::OptionalPath(|c| &mut c.api.users_file),
            "The people of `switchward user`; users.json beside the store when absent.",
        )
        .restart(),
        Setting::new(
            "api.certificate_roles",
            "",
            Field::Texts(Shape::NamedRole, |c| &mut c.api.certificate_roles),
            "Roles of client certificates: \"NAME=ROLE\", NAME a common name or an alternative name; viewer for all others.",
        ),
        Setting::new(
            "api.hosts",
            "",
            Field::Texts(Shape::Host, |c| &mut c.api.hosts),
            "Names that browsers may call this machine by, beside server.host and its addresses.",
        ),
        Setting::new(
            "api.max_failed_logins",
            "",
            count(|c| &mut c.api.max_failed_logins, MILLION),
            "Wrong credentials of a peer within failed_logins_window that make a ban.",
        ),
        Setting::new(
            "api.failed_logins_window",
            "",
            span(|c| &mut c.api.failed_logins_window),
            "The sliding window of wrong credentials.",
        ),
    ],
};
