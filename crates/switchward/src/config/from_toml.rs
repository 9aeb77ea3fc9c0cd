//! TOML text into the tree.
//!
//! Start with [`parse`]. The parser goes on behind a syntax error, so that all of them are told at once; no tree comes
//! of such a text.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Node, Syntax, Value};

/// The tree of a TOML text, or its syntax errors. The parser refuses nesting deeper than 80 levels.
pub(super) fn parse(text: &str) -> Result<Node, Vec<Syntax>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| described(error, text.len())).collect());
    }
    let span = document.span();
    Ok(Node { value: table(document.get_ref()), span })
}

fn table(table: &DeTable<'_>) -> Value {
    Value::Table(
        table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_span: key.span(),
                node: node(value),
            })
            .collect(),
    )
}

fn node(spanned: &Spanned<DeValue<'_>>) -> Node {
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::Str(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(whole) => Value::Int(whole),
            Err(_) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(array) => Value::Array(array.iter().map(node).collect()),
        DeValue::Table(inner) => table(inner),
    };
    Node { value, span: spanned.span() }
}

fn described(error: &toml::de::Error, end: usize) -> Syntax {
    let (found, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), "TOML"));
    let mend = match found {
        "duplicate key" => "keep one of the two",
        "key with no value" => "write KEY = VALUE",
        "invalid unquoted string" | "string values must be quoted" => "put the text in double quotes",
        _ => "",
    };
    Syntax {
        at: error.span().map_or(end, |span| span.start),
        found: found.into(),
        expected: expected.into(),
        mend,
    }
}
