//! One value of the tree into one typed field.
//!
//! [`read`] either sets the field or says everything that is wrong with the value. It is lenient where the
//! predecessor's types are odd: a port may be a number or a text.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use guard::signal::{Signal, Signals};
use ipnet::IpNet;

use super::duration::{self, format_short};
use super::keys::Field;
use super::model::PortRange;
use super::nearest::nearest;
use super::network::{NetworkError, parse_network};
use super::size;
use super::text::Shape;
use super::tree::{Node, Value};

/// One thing wrong with a value.
pub(super) struct Wrong {
    /// The element, when the value is an array and not wrong as a whole.
    pub(super) element: Option<usize>,
    pub(super) span: Range<usize>,
    pub(super) found: String,
    pub(super) expected: String,
    /// A better mend than to write the default.
    pub(super) mend: Option<String>,
}

/// Sets the field from the value.
pub(super) fn read<T>(field: &Field<T>, target: &mut T, node: &Node) -> Result<(), Vec<Wrong>> {
    let outcome = match field {
        Field::Bool(at) => boolean(node).map(|value| *at(target) = value),
        Field::OptionalBool(at) => boolean(node).map(|value| *at(target) = Some(value)),
        Field::Count { at, min, max } => count(node, *min, *max).map(|value| *at(target) = value),
        Field::OptionalCount { at, min, max } => {
            count(node, *min, *max).map(|value| *at(target) = Some(value))
        }
        Field::Port(at) => port(node).map(|value| *at(target) = value),
        Field::OptionalPort(at) => match &node.value {
            Value::Int(0) => {
                *at(target) = None;
                Ok(())
            }
            _ => port(node).map(|value| *at(target) = Some(value)),
        },
        Field::Span { at, min, max } => span(node, *min, *max).map(|value| *at(target) = value),
        Field::OptionalSpan { at, min, max } => span(node, *min, *max).map(|value| *at(target) = Some(value)),
        Field::Size { at, min, max } => bytes(node, *min, *max).map(|value| *at(target) = value),
        Field::OptionalSize { at, min, max } => {
            bytes(node, *min, *max).map(|value| *at(target) = Some(value))
        }
        Field::Text(shape, at) => text(node, *shape).map(|value| *at(target) = value),
        Field::OptionalText(shape, at) => text(node, *shape).map(|value| *at(target) = Some(value)),
        Field::Secret(at) => secret(node).map(|value| *at(target) = value.into()),
        Field::Word(at) => {
            let choice = at(target);
            return match &node.value {
                Value::Str(word) if choice.choose(word.trim()) => Ok(()),
                Value::Str(word) => {
                    // Where there is a default it is the better mend: "iptables" is near to "nftables" only in letters.
                    let is_open = choice.word().is_empty();
                    let near = nearest(word.trim(), choice.words().iter().copied()).filter(|_| is_open);
                    let mend = near.map(|near| format!("write \"{near}\""));
                    Err(vec![Wrong { mend, ..wrong(node, node.found(), field.expected(target)) }])
                }
                _ => Err(vec![wrong(node, node.found(), field.expected(target))]),
            };
        }
        Field::Socket(at) => socket(node).map(|value| *at(target) = value),
        Field::Path(at) => path(node).map(|value| *at(target) = value),
        Field::OptionalPath(at) => path(node).map(|value| *at(target) = Some(value)),
        Field::Texts(shape, at) => {
            return list(node, field.expected(target), |item| command(item, *shape))
                .map(|all| *at(target) = all);
        }
        Field::Signals(at) => {
            return list(node, field.expected(target), signal)
                .map(|all| *at(target) = Some(Signals::these(&all)));
        }
        Field::Networks(at) => {
            return list(node, field.expected(target), network).map(|all| *at(target) = all);
        }
        Field::Ports(at) => {
            return list(node, field.expected(target), port_range).and_then(|all| match all.is_empty() {
                true => Err(vec![wrong(node, "an empty array".into(), field.expected(target))]),
                false => {
                    *at(target) = all;
                    Ok(())
                }
            });
        }
    };
    outcome.map_err(|found| vec![wrong(node, found, field.expected(target))])
}

impl<T> Field<T> {
    /// What the value should be, in words, with the range.
    pub(super) fn expected(&self, target: &mut T) -> String {
        match self {
            Self::Bool(_) | Self::OptionalBool(_) => "true or false".into(),
            Self::Count { min, max, .. } | Self::OptionalCount { min, max, .. } => {
                format!("a whole number from {min} to {max}")
            }
            Self::Port(_) => "a port from 1 to 65535".into(),
            Self::OptionalPort(_) => "a port from 1 to 65535, or 0 for none".into(),
            Self::Size { min, max, .. } | Self::OptionalSize { min, max, .. } => format!(
                "a number of bytes from {} to {}, such as \"64KiB\" or \"4MiB\"",
                size::format(*min),
                size::format(*max)
            ),
            Self::Span { min, max, .. } | Self::OptionalSpan { min, max, .. } => format!(
                "a duration from {} to {}, such as \"90s\", \"5m\" or \"1h30m\"",
                format_short(*min),
                format_short(*max)
            ),
            Self::Text(shape, _) | Self::OptionalText(shape, _) => shape.expected().into(),
            Self::Texts(shape, _) => format!("an array of texts, each {}", shape.expected()),
            Self::Signals(_) => "an array of signals".into(),
            Self::Secret(_) => "a text without control characters".into(),
            Self::Word(at) => one_of(at(target).words()),
            Self::Networks(_) => "an array of addresses and networks".into(),
            Self::Ports(_) => "an array of ports and ranges of ports, not empty".into(),
            Self::Socket(_) => "an address and a port, such as \"127.0.0.1:6060\"".into(),
            Self::Path(_) | Self::OptionalPath(_) => "a path".into(),
        }
    }
}

fn signal(node: &Node) -> Result<Signal, Bad> {
    let words = || Signal::ALL.map(Signal::word);
    let Value::Str(text) = &node.value else { return Err((node.found(), one_of(&words()), None)) };
    let word = text.trim().to_ascii_lowercase();
    Signal::from_word(&word).ok_or_else(|| {
        let mend = nearest(&word, words()).map(|near| format!("write \"{near}\""));
        (node.found(), one_of(&words()), mend)
    })
}

fn one_of(words: &[&str]) -> String {
    match words {
        [only] => format!("\"{only}\""),
        [front @ .., last] => format!("\"{}\" or \"{last}\"", front.join("\", \"")),
        [] => String::new(),
    }
}

fn wrong(node: &Node, found: String, expected: String) -> Wrong {
    Wrong { element: None, span: node.span.clone(), found, expected, mend: None }
}

/// Reads every element and reports every bad one.
fn list<V>(
    node: &Node,
    expected: String,
    item: impl Fn(&Node) -> Result<V, (String, String, Option<String>)>,
) -> Result<Vec<V>, Vec<Wrong>> {
    let Value::Array(items) = &node.value else {
        let mend = matches!(node.value, Value::Str(_)).then(|| format!("write [{}]", node.found()));
        return Err(vec![Wrong { mend, ..wrong(node, node.found(), expected) }]);
    };
    let mut good = Vec::with_capacity(items.len());
    let mut bad = Vec::new();
    for (index, element) in items.iter().enumerate() {
        match item(element) {
            Ok(value) => good.push(value),
            Err((found, expected, mend)) => {
                let mend = mend.or(Some("mend or remove this element".into()));
                bad.push(Wrong { element: Some(index), mend, ..wrong(element, found, expected) });
            }
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn boolean(node: &Node) -> Result<bool, String> {
    match node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(node.found()),
    }
}

fn count(node: &Node, min: u32, max: u32) -> Result<u32, String> {
    match node.value {
        Value::Int(value) => {
            u32::try_from(value).ok().filter(|n| (min..=max).contains(n)).ok_or_else(|| node.found())
        }
        _ => Err(node.found()),
    }
}

fn bytes(node: &Node, min: u64, max: u64) -> Result<u64, String> {
    let number = match &node.value {
        Value::Int(value) => u64::try_from(*value).ok(),
        Value::Str(text) => size::parse(text),
        _ => None,
    };
    number.filter(|number| (min..=max).contains(number)).ok_or_else(|| node.found())
}

fn port(node: &Node) -> Result<u16, String> {
    let number = match &node.value {
        Value::Int(value) => u16::try_from(*value).ok(),
        Value::Str(text) => port_number(text.trim()),
        _ => None,
    };
    number.filter(|port| *port > 0).ok_or_else(|| node.found())
}

fn port_number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn span(node: &Node, min: Duration, max: Duration) -> Result<Duration, String> {
    let Value::Str(text) = &node.value else { return Err(node.found()) };
    match duration::parse(text.trim()) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        Ok(_) => Err(node.found()),
        Err(reason) => Err(format!("{} ({reason})", node.found())),
    }
}

fn text(node: &Node, shape: Shape) -> Result<String, String> {
    match &node.value {
        Value::Str(text) => shape.accept(text).ok_or_else(|| node.found()),
        _ => Err(node.found()),
    }
}

/// Never shows the text, not even a wrong one.
fn secret(node: &Node) -> Result<String, String> {
    match &node.value {
        Value::Str(text) if !text.contains(char::is_control) => Ok(text.clone()),
        Value::Str(_) => Err("a text with control characters".into()),
        _ => Err(node.kind().into()),
    }
}

fn path(node: &Node) -> Result<PathBuf, String> {
    match &node.value {
        Value::Str(text) if !text.trim().is_empty() && !text.contains('\0') => Ok(PathBuf::from(text.trim())),
        _ => Err(node.found()),
    }
}

fn socket(node: &Node) -> Result<SocketAddr, String> {
    let Value::Str(text) = &node.value else { return Err(node.found()) };
    let text = text.trim();
    // The predecessor also takes a host name, and no host at all.
    let local = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).and_then(port_number);
    let address = match local {
        Some(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        None => text.parse().ok(),
    };
    address.filter(|address| address.port() > 0).ok_or_else(|| node.found())
}

type Bad = (String, String, Option<String>);

fn command(node: &Node, shape: Shape) -> Result<String, Bad> {
    text(node, shape).map_err(|found| (found, shape.expected().into(), None))
}

fn network(node: &Node) -> Result<IpNet, Bad> {
    let expected = || "an address or a network, such as \"192.0.2.1\" or \"192.0.2.0/24\"".to_owned();
    let Value::Str(text) = &node.value else { return Err((node.found(), expected(), None)) };
    parse_network(text.trim()).map_err(|error| {
        let mend = match error {
            NetworkError::PrefixTooLong(most) => Some(format!("write a prefix length from 0 to {most}")),
            NetworkError::Address | NetworkError::Prefix => None,
        };
        (format!("{} ({error})", node.found()), expected(), mend)
    })
}

fn port_range(node: &Node) -> Result<PortRange, Bad> {
    let range = match &node.value {
        Value::Str(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            port_number(first.trim()).zip(port_number(last.trim()))
        }
        _ => port(node).ok().map(|port| (port, port)),
    };
    match range {
        Some((first, last)) if 0 < first && first <= last => Ok(PortRange { first, last }),
        _ => Err((node.found(), "a port from 1 to 65535, or a range such as \"5060-5061\"".into(), None)),
    }
}
