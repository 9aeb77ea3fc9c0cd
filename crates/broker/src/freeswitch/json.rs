//! The command `json`: an object whose member "command" says what is run.
//!
//! FreeSWITCH's reader (cJSON) takes member names without case and the first of equal ones, and is lenient about much. Only text that every reader
//! takes for the same is decided: strict JSON, no name twice in whatever case, texts without control characters.

use super::Unfolding;
use crate::deed::Deed;
use crate::line::{is_control, is_name};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

impl Unfolding<'_> {
    /// What a JSON command runs.
    pub(super) fn json(&mut self, text: &str) {
        let Ok(Node::Object(members)) = serde_json::from_str(text) else {
            return self.undecidable(text, "is no JSON object that all read alike");
        };
        let data = match find(&members, "data") {
            Some(Node::Object(data)) => data.as_slice(),
            None => &[],
            _ => return self.undecidable(text, "a JSON command whose data is no object"),
        };
        let texts = |name| match find(data, name) {
            None => Some(""),
            Some(Node::Text(text)) if !text.chars().any(is_control) => Some(text.trim_matches(' ')),
            _ => None,
        };
        match find(&members, "command") {
            Some(Node::Text(command)) if command.eq_ignore_ascii_case("fsapi") => {
                match (texts("cmd"), texts("arg")) {
                    (Some(name), Some(arguments)) => self.command(name, arguments),
                    _ => self.undecidable(text, "a JSON command whose arguments are not plain text"),
                }
            }
            Some(Node::Text(command)) if command.eq_ignore_ascii_case("execute") => {
                match (texts("uuid"), texts("app"), texts("arg")) {
                    (Some(channel), Some(name), Some(arguments)) if is_name(channel) => {
                        self.deeds.push(Deed::Command { name: "sendmsg".into(), arguments: channel.into() });
                        self.application(name, arguments);
                    }
                    _ => self.undecidable(text, "a JSON command whose arguments are not plain text"),
                }
            }
            _ => self.undecidable(text, "a JSON command that is not followed"),
        }
    }
}

fn find<'n>(members: &'n [(String, Node)], name: &str) -> Option<&'n Node> {
    members.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, node)| node)
}

/// As much of a JSON text as matters.
enum Node {
    Object(Vec<(String, Node)>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Node, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members: Vec<(String, Node)> = Vec::new();
        while let Some((name, node)) = map.next_entry::<String, Node>()? {
            // The switch's reader drops a NUL: "c\\u0000md" is "cmd" to it.
            let is_odd = name.chars().any(|character| is_control(character) || !character.is_ascii());
            if is_odd || members.len() >= MOST_MEMBERS || find(&members, &name).is_some() {
                return Err(serde::de::Error::custom(
                    "a member is there twice, oddly named, or one too many",
                ));
            }
            members.push((name, node));
        }
        Ok(Node::Object(members))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }
}

const MOST_MEMBERS: usize = 64;
