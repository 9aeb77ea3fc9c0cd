//! Chats: Slack's incoming web hooks, which others understand too, and Telegram's Bot API.
//!
//! Names that an attacker chose are text there and nothing else: no mention that rings everybody's telephone, no link with
//! another face.

use crate::config;
use crate::outgoing::{self, Failure};
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use serde_json::json;

/// A chat with an incoming web hook.
pub(super) struct Slack {
    client: Client,
    url: Url,
}

impl Slack {
    pub(super) fn new(config: &config::Slack, client: Client) -> Result<Slack, String> {
        // The parser's error does not hold the text.
        let url = Url::parse(config.url.expose()).map_err(|error| format!("notify.slack.url: {error}"))?;
        Ok(Slack { client, url })
    }

    /// `text` has its values [`escaped`].
    pub(super) async fn send(&self, text: String) -> Result<(), Failure> {
        let body = json!({
            "text": cut(text, SLACK_LONGEST), "link_names": false, "unfurl_links": false, "unfurl_media": false,
        });
        outgoing::post(&self.client, self.url.clone(), HeaderMap::new(), body.to_string().into()).await
    }
}

/// A Telegram chat.
pub(super) struct Telegram {
    client: Client,
    url: Url,
    token: config::Secret,
    chat: String,
}

impl Telegram {
    pub(super) fn new(config: &config::Telegram, client: Client) -> Result<Telegram, String> {
        let base = config.url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/bot{}/sendMessage", config.token.expose()))
            .map_err(|error| format!("notify.telegram.url: {error}"))?;
        Ok(Telegram { client, url, token: config.token.clone(), chat: config.chat_id.clone() })
    }

    /// `text` has its values [`without_pings`].
    pub(super) async fn send(&self, text: String) -> Result<(), Failure> {
        // Without parse_mode nothing in the text is markup.
        let body = json!({
            "chat_id": self.chat, "text": cut(text, TELEGRAM_LONGEST),
            "link_preview_options": { "is_disabled": true },
        });
        let sent =
            outgoing::post(&self.client, self.url.clone(), HeaderMap::new(), body.to_string().into()).await;
        sent.map_err(|failure| scrubbed(failure, self.token.expose()))
    }
}

/// A value for a chat that knows markup: the three signs that begin any become what stands for them, and neither a mention nor
/// a Markdown link can be made of it.
pub(super) fn escaped(value: &str) -> String {
    let signs = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    without_pings(&signs).replace("](", &format!("]{GAP}("))
}

/// A value that mentions nobody.
pub(super) fn without_pings(value: &str) -> String {
    value.replace('@', &format!("@{GAP}"))
}

/// A receiver that repeats the token without what stands before it in the address must not bring it into the log.
fn scrubbed(failure: Failure, secret: &str) -> Failure {
    let why = if secret.len() > 1 { failure.why.replace(secret, "***") } else { failure.why };
    Failure { why, ..failure }
}

/// Not longer than `most` UTF-16 units, as the chats count.
fn cut(text: String, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text;
    }
    let mut units = 0;
    let fits = |c: &char| {
        units += c.len_utf16();
        units < most
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push('…');
    kept
}

/// A blank without width.
const GAP: char = '\u{200b}';
/// Characters of a message; the chat's own limit is 40,000, but nobody reads that.
const SLACK_LONGEST: usize = 4000;
/// The limit of the Bot API.
const TELEGRAM_LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_becomes_a_mention_or_a_link() {
        let hostile = "\"]<!channel> @here [bank](https://evil.example) & <https://evil.example|bank>";
        let made = escaped(hostile);
        assert!(
            !made.contains('<') && !made.contains('>') && !made.contains("@here") && !made.contains("]("),
            "{made}"
        );
        assert!(made.contains("&lt;!channel&gt;") && made.contains("&amp;"), "{made}");
        assert_eq!(
            without_pings("1000@pbx.example").chars().filter(|c| *c != GAP).collect::<String>(),
            "1000@pbx.example"
        );
    }

    #[test]
    fn long_texts_are_cut_as_the_chats_count() {
        let cut_to = |text: String| cut(text, 10).encode_utf16().count();
        assert_eq!(cut_to("x".repeat(10)), 10);
        assert_eq!(cut_to("x".repeat(11)), 10);
        assert!(cut_to("😀".repeat(11)) <= 10);
    }
}
