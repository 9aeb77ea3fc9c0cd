//! JSON to a program, version 1, with a signature over time and body.
//!
//! docs/notifications.md describes the body for those who receive it; a change that breaks a receiver makes a new version.

use super::letter::Letter;
use crate::clock;
use crate::config::{self, Secret};
use crate::outgoing::{self, Failure};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

/// A program that takes JSON.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    secret: Secret,
}

/// What it is sent.
#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    id: &'a str,
    event: &'a str,
    severity: &'a str,
    time: String,
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    switch: &'a str,
    title: &'a str,
    text: String,
    data: &'a Value,
}

impl Webhook {
    pub(super) fn new(config: &config::Webhook, client: Client) -> Result<Webhook, String> {
        let url = Url::parse(&config.url).map_err(|error| format!("notify.webhook.url: {error}"))?;
        Ok(Webhook { client, url, secret: config.secret.clone() })
    }

    pub(super) async fn send(&self, letter: &Letter, text: String, host: &str) -> Result<(), Failure> {
        let event = letter.text.word();
        let body = Body {
            version: 1,
            id: &letter.id,
            event,
            severity: letter.severity.word(),
            time: clock::rfc3339(Some(letter.at)),
            host,
            switch: &letter.switch,
            title: &letter.title,
            text,
            data: &letter.data,
        };
        let body = serde_json::to_vec(&body).map_err(|error| Failure::lasting(error.to_string()))?;
        let now = clock::now().secs().to_string();
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put("x-switchward-event", event);
        put("x-switchward-id", &letter.id);
        put("x-switchward-timestamp", &now);
        if !self.secret.is_empty() {
            put(
                "x-switchward-signature",
                &format!("sha256={}", signature(self.secret.expose(), &now, &body)?),
            );
        }
        outgoing::post(&self.client, self.url.clone(), headers, body).await
    }
}

/// HMAC-SHA256 (RFC 2104) over the time, a full stop and the body, in hexadecimal.
fn signature(key: &str, time: &str, body: &[u8]) -> Result<String, Failure> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map_err(|_| Failure::lasting("notify.webhook.secret cannot be a key"))?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        // printf '1795234698.{"a":1}' | openssl dgst -sha256 -hmac key
        let made = signature("key", "1795234698", br#"{"a":1}"#).unwrap();
        assert_eq!(made, "750dd1851472c2ac49dc0498d2ee57db98744947fcaa78742b3afecabcc3a308");
    }
}
