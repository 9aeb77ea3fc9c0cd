//! Who the simulated switch is: [`Identity`], the headers that every event begins with, and its sequence numbers.

use crate::{
    clock,
    event::Event,
    template::{Field, Times, Values},
};
use esl::percent;
use std::{
    io::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The names and addresses that the switch puts into its events.
#[derive(Debug)]
pub struct Identity {
    /// `Core-UUID`, new with every start of a real switch.
    pub core_uuid: String,
    /// `FreeSWITCH-Hostname`.
    pub hostname: String,
    /// `FreeSWITCH-IPv4`.
    pub ipv4: Ipv4Addr,
    /// `FreeSWITCH-IPv6`.
    pub ipv6: Ipv6Addr,
    /// The SIP domain of the directory.
    pub domain: String,
    sequence: AtomicU64,
    texts: [String; 2],
}

impl Identity {
    /// A switch named `vm` for `pbx.example`, as in the captures.
    pub fn new(core_uuid: impl Into<String>) -> Self {
        let (ipv4, ipv6) = (Ipv4Addr::new(192, 0, 2, 2), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
        Self {
            core_uuid: core_uuid.into(),
            hostname: "vm".into(),
            ipv4,
            ipv6,
            domain: "pbx.example".into(),
            sequence: AtomicU64::new(1),
            texts: [ipv4.to_string(), ipv6.to_string()],
        }
    }

    /// The next `Event-Sequence`.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Relaxed)
    }

    /// Fills in what every template has, but for the sequence.
    pub(crate) fn values(&self, times: Times) -> Values<'_> {
        let mut values = Values::new(times);
        values
            .set(Field::CoreUuid, &self.core_uuid)
            .set(Field::Hostname, &self.hostname)
            .set(Field::Ipv4, &self.texts[0])
            .set(Field::Ipv6, &self.texts[1])
            .set(Field::Domain, &self.domain)
            .set(Field::Realm, &self.domain);
        values
    }

    /// Starts an event that is no template's: `first` come before the common headers.
    pub(crate) fn compose(
        &self,
        now: u64,
        first: &[(&str, &str)],
        name: &str,
        caller: (&str, &str, u32),
    ) -> Composer {
        let mut composer = Composer { text: Vec::with_capacity(1024) };
        for (header, value) in first {
            composer.header(header, value);
        }
        composer
            .header("Event-Name", name)
            .header("Core-UUID", &self.core_uuid)
            .header("FreeSWITCH-Hostname", &self.hostname)
            .header("FreeSWITCH-Switchname", &self.hostname)
            .header("FreeSWITCH-IPv4", &self.texts[0])
            .header("FreeSWITCH-IPv6", &self.texts[1]);
        let text = &mut composer.text;
        text.extend_from_slice(b"Event-Date-Local: ");
        clock::push_stamp(now, text);
        text.extend_from_slice(b"\nEvent-Date-GMT: ");
        clock::push_gmt(now, text);
        text.extend_from_slice(b"%20GMT\n");
        let (file, function, line) = caller;
        composer
            .header("Event-Date-Timestamp", &now.to_string())
            .header("Event-Calling-File", file)
            .header("Event-Calling-Function", function)
            .header("Event-Calling-Line-Number", &line.to_string())
            .header("Event-Sequence", &self.next_sequence().to_string());
        composer
    }
}

/// An event in the making.
pub(crate) struct Composer {
    text: Vec<u8>,
}

impl Composer {
    pub(crate) fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        percent::encode(value.as_bytes(), &mut self.text);
        self.text.push(b'\n');
        self
    }

    pub(crate) fn finish(&mut self, body: Option<&[u8]>) -> Event {
        if let Some(body) = body {
            // Writing to a vector cannot fail.
            let _ = writeln!(self.text, "Content-Length: {}", body.len());
        }
        self.text.push(b'\n');
        self.text.extend_from_slice(body.unwrap_or_default());
        Event::from_template(&self.text)
    }
}
