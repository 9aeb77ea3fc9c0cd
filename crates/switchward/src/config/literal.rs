//! A typed field back into text: for the example, the default file, the mends and the comparison at a reload.
//!
//! A [`Literal`] of a password holds the password: it is made of defaults, or compared, and never logged.

use serde_json::Value as Json;

use super::duration::format_short;
use super::keys::{Field, Key};
use super::size;
use super::text::Shape;

/// A value without its Rust type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// An optional value that is not there.
    Absent,
    Bool(bool),
    Number(u32),
    /// A number in TOML, a text in the predecessor's JSON.
    Port(u16),
    Text(String),
    List(Vec<Literal>),
}

impl<T> Field<T> {
    /// The present value.
    pub(super) fn literal(&self, target: &mut T) -> Literal {
        let texts = |all: &[String]| Literal::List(all.iter().cloned().map(Literal::Text).collect());
        match self {
            Self::Bool(at) => Literal::Bool(*at(target)),
            Self::OptionalBool(at) => at(target).map_or(Literal::Absent, Literal::Bool),
            Self::Count { at, .. } => Literal::Number(*at(target)),
            Self::OptionalCount { at, .. } => at(target).map_or(Literal::Absent, Literal::Number),
            Self::Port(at) => Literal::Port(*at(target)),
            Self::OptionalPort(at) => at(target).map_or(Literal::Absent, Literal::Port),
            Self::Span { at, .. } => Literal::Text(format_short(*at(target))),
            Self::OptionalSpan { at, .. } => {
                at(target).map_or(Literal::Absent, |span| Literal::Text(format_short(span)))
            }
            Self::Size { at, .. } => Literal::Text(size::format(*at(target))),
            Self::OptionalSize { at, .. } => {
                at(target).map_or(Literal::Absent, |bytes| Literal::Text(size::format(bytes)))
            }
            Self::Text(_, at) => Literal::Text(at(target).clone()),
            Self::OptionalText(_, at) => at(target).clone().map_or(Literal::Absent, Literal::Text),
            Self::Texts(_, at) => texts(at(target)),
            Self::Signals(at) => at(target).map_or(Literal::Absent, |signals| {
                Literal::List(signals.iter().map(|signal| Literal::Text(signal.word().into())).collect())
            }),
            Self::Secret(at) => Literal::Text(at(target).expose().to_owned()),
            Self::Word(at) => match at(target).word() {
                "" => Literal::Absent,
                word => Literal::Text(word.to_owned()),
            },
            Self::Networks(at) => {
                let all = at(target).iter();
                Literal::List(all.map(|net| Literal::Text(network(net))).collect())
            }
            Self::Ports(at) => {
                let all = at(target).iter();
                Literal::List(
                    all.map(|ports| match ports.first == ports.last {
                        true => Literal::Port(ports.first),
                        false => Literal::Text(ports.to_string()),
                    })
                    .collect(),
                )
            }
            Self::Socket(at) => Literal::Text(at(target).to_string()),
            Self::Path(at) => Literal::Text(at(target).display().to_string()),
            Self::OptionalPath(at) => {
                at(target).as_ref().map_or(Literal::Absent, |path| Literal::Text(path.display().to_string()))
            }
        }
    }

    /// A value that shows the form where the default shows nothing.
    pub(super) fn sample(&self) -> Literal {
        let text = |text: &str| Literal::Text(text.to_owned());
        match self {
            Self::Secret(_) => text("YOUR-PASSWORD"),
            Self::Networks(_) => Literal::List(vec![text("192.0.2.0/24")]),
            Self::Texts(Shape::NamedRole, _) => Literal::List(vec![text("pbx.example.net=operator")]),
            Self::Texts(..) => Literal::List(vec![text("example.net")]),
            Self::OptionalPath(_) => text("/etc/switchward/FILE"),
            Self::Text(..) => text("https://bans.example.net/"),
            _ => Literal::Absent,
        }
    }
}

impl<T> Key<T> {
    /// A value that an operator may write: the present one, or a sample where that is blank or a password.
    pub(super) fn example(&self, target: &mut T) -> Literal {
        match self.field.literal(target) {
            present if present.is_blank() || matches!(self.field, Field::Secret(_)) => self.sample_literal(),
            present => present,
        }
    }

    fn sample_literal(&self) -> Literal {
        let text = |text: &&str| Literal::Text((*text).to_owned());
        match (&self.field, self.sample) {
            (field, []) => field.sample(),
            (Field::Texts(..) | Field::Signals(_) | Field::Networks(_), all) => {
                Literal::List(all.iter().map(text).collect())
            }
            (Field::Count { .. } | Field::OptionalCount { .. }, [one, ..]) => {
                one.parse().map_or(Literal::Absent, Literal::Number)
            }
            (Field::Bool(_) | Field::OptionalBool(_), [one, ..]) => Literal::Bool(*one == "true"),
            (Field::Port(_) | Field::OptionalPort(_), [one, ..]) => {
                one.parse().map_or(Literal::Absent, Literal::Port)
            }
            (_, [one, ..]) => text(one),
        }
    }
}

impl Literal {
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            _ => false,
        }
    }

    /// As TOML; a JSON text is a TOML text.
    pub(super) fn toml(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Port(port) => port.to_string(),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::toml).collect::<Vec<_>>().join(", "))
            }
            other => other.json().to_string(),
        }
    }

    /// As JSON in the predecessor's types.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Absent => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(value) => Json::from(*value),
            Self::Port(port) => Json::String(port.to_string()),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(items) => items.iter().map(Self::json).collect(),
        }
    }

    /// As the environment wants it: bare, but a list as a JSON array.
    pub(super) fn variable(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.toml(),
        }
    }
}

/// A host without its prefix length.
fn network(net: &ipnet::IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}
