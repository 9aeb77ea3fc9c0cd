//! E-mail over SMTP, a connection for each message: there are few.

use super::letter::Letter;
use crate::config::{self, MailTls, Notify, Secret};
use crate::outgoing::{Failure, one_line};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::time::{Duration, UNIX_EPOCH};

/// A mail server, and whom it shall reach.
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    password: Secret,
}

impl Mail {
    pub(super) fn new(config: &config::Mail, notify: &Notify) -> Result<Mail, String> {
        crate::tls::provider();
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|error| format!("{text}: {error}"));
        let tls = || parameters(&config.host, notify.ca.as_deref());
        let tls = match config.tls {
            MailTls::Starttls => Tls::Required(tls()?),
            MailTls::Tls => Tls::Wrapper(tls()?),
            MailTls::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.clone())
            .port(config.port)
            .timeout(Some(notify.timeout))
            .tls(tls);
        if !config.user.is_empty() {
            let password = config.password.expose().to_owned();
            transport = transport.credentials(Credentials::new(config.user.clone(), password));
        }
        Ok(Mail {
            transport: transport.build(),
            from: mailbox(&config.from)?,
            to: config.to.iter().map(mailbox).collect::<Result<_, _>>()?,
            password: config.password.clone(),
        })
    }

    pub(super) async fn send(&self, letter: &Letter, text: String, host: &str) -> Result<(), Failure> {
        // One line, so that no name can begin a header of its own; the library encodes what is not ASCII.
        let subject = one_line(&format!("[switchward {host}] {}", letter.title), 200);
        let to = self.to.iter().cloned();
        let message = to
            .fold(Message::builder().from(self.from.clone()), lettre::message::MessageBuilder::to)
            .subject(subject)
            .date(UNIX_EPOCH + Duration::from_micros(letter.at.micros()))
            .message_id(Some(format!("<{}.{}@switchward.invalid>", letter.id, letter.at.micros())))
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|error| Failure::lasting(error.to_string()))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let mut why = error.to_string();
                let mut inner = std::error::Error::source(&error);
                while let Some(error) = inner {
                    if !why.contains(&error.to_string()) {
                        why += &format!(": {error}");
                    }
                    inner = error.source();
                }
                let why = one_line(&why, 200);
                let why =
                    if self.password.is_empty() { why } else { why.replace(self.password.expose(), "***") };
                Err(Failure { why, again: !error.is_permanent(), after: None })
            }
        }
    }
}

fn parameters(host: &str, ca: Option<&str>) -> Result<TlsParameters, String> {
    let with = |store: CertificateStore| {
        let mut builder = TlsParameters::builder(host.to_owned()).certificate_store(store);
        if let Some(pem) = ca {
            builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes())?);
        }
        builder.build()
    };
    // A machine without any certificates can still speak to whom `ca` vouches for.
    let made = with(CertificateStore::Default).or_else(|_| with(CertificateStore::None));
    made.map_err(|error| format!("notify.mail: {error}"))
}
