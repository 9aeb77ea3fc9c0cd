//! The keys of the event socket door.

use super::{DAY, GIB, HOUR, KIB, SECOND, Setting};
use crate::config::keys::{Field, MILLION, Section, count};
use crate::config::text::Shape;

pub(in super::super) const DOOR: Section = Section {
    name: "broker.door",
    intro: "The event socket protocol on a port of our own, for fs_cli and programs; off without port and socket.",
    keys: &[
        Setting::new(
            "broker.door.host",
            "",
            Field::Text(Shape::BindHost, |c| &mut c.broker.door.host),
            "Address or host name to listen on; empty for every address.",
        )
        .restart(),
        Setting::new(
            "broker.door.port",
            "",
            Field::OptionalPort(|c| &mut c.broker.door.port),
            "TCP port to listen on.",
        )
        .restart()
        .sample(&["8022"]),
        Setting::new(
            "broker.door.socket",
            "",
            Field::Text(Shape::SocketPath, |c| &mut c.broker.door.socket),
            "Path of a Unix socket that speaks the same.",
        )
        .restart()
        .sample(&["/run/switchward/esl.sock"]),
        Setting::new(
            "broker.door.tls_cert",
            "",
            Field::OptionalPath(|c| &mut c.broker.door.tls_cert),
            "The certificate chain (PEM), which makes the port speak TLS; server.tls_cert when absent.",
        )
        .restart(),
        Setting::new(
            "broker.door.tls_key",
            "",
            Field::OptionalPath(|c| &mut c.broker.door.tls_key),
            "Its private key (PEM); server.tls_key when absent.",
        )
        .restart(),
        Setting::new(
            "broker.door.max_clients",
            "",
            count(|c| &mut c.broker.door.max_clients, 100_000),
            "Clients at once.",
        )
        .restart(),
        Setting::new(
            "broker.door.max_clients_of_one",
            "",
            count(|c| &mut c.broker.door.max_clients_of_one, 100_000),
            "Clients of one user at once.",
        )
        .restart(),
        Setting::new(
            "broker.door.queue",
            "",
            count(|c| &mut c.broker.door.queue, MILLION),
            "Events that wait for a client; further ones are lost to it, counted and told.",
        )
        .restart(),
        Setting::new(
            "broker.door.queue_bytes",
            "",
            Field::Size { at: |c| &mut c.broker.door.queue_bytes, min: 64 * KIB, max: GIB },
            "Bytes of the events that wait for a client.",
        )
        .restart(),
        Setting::new(
            "broker.door.plain",
            "",
            Field::Bool(|c| &mut c.broker.door.plain),
            "Without TLS even where there is a certificate, and beyond loopback, where passwords can then be read on \
             their way.",
        )
        .restart(),
        Setting::new(
            "broker.door.login_time",
            "",
            Field::Span { at: |c| &mut c.broker.door.login_time, min: SECOND, max: HOUR },
            "How long somebody may take to log in.",
        )
        .restart(),
        Setting::new(
            "broker.door.stuck_time",
            "",
            Field::Span { at: |c| &mut c.broker.door.stuck_time, min: SECOND, max: HOUR },
            "A client that reads nothing for so long, while something waits for it, is cut off.",
        )
        .restart(),
        Setting::new(
            "broker.door.recheck_time",
            "",
            Field::Span { at: |c| &mut c.broker.door.recheck_time, min: SECOND, max: DAY },
            "How often directories other than the users file are asked again about a client that is in; whom they no \
             longer let in is sent away.",
        )
        .restart(),
    ],
};
