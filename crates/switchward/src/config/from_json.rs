//! JSON text into the tree.
//!
//! Start with [`parse`]. Comments and a comma after the last element are let through; nothing else beyond JSON, and
//! the first syntax error ends it. Also reads the lists in the environment.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::tree::{Entry, Node, Syntax, Value};

/// The tree of a JSON text; an empty text is `Null`. The parser refuses nesting deeper than 512 levels.
pub(super) fn parse(text: &str) -> Result<Node, Syntax> {
    match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
        Ok(parsed) => Ok(parsed.value.map_or(Node { value: Value::Null, span: 0..0 }, node)),
        Err(error) => {
            Err(Syntax { at: error.range().start, mend: mend(error.kind()), ..described(error.kind()) })
        }
    }
}

fn node(value: ast::Value<'_>) -> Node {
    let range = value.range();
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => number(literal.value),
        ast::Value::StringLit(literal) => Value::Str(literal.value.into_owned()),
        ast::Value::Array(array) => Value::Array(array.elements.into_iter().map(node).collect()),
        ast::Value::Object(object) => Value::Table(object.properties.into_iter().map(entry).collect()),
    };
    Node { value, span: range.start..range.end }
}

fn entry(property: ast::ObjectProp<'_>) -> Entry {
    let range = property.name.range();
    Entry { key: property.name.into_string(), key_span: range.start..range.end, node: node(property.value) }
}

fn number(text: &str) -> Value {
    match text.parse() {
        Ok(whole) => Value::Int(whole),
        Err(_) => Value::Float(text.parse().unwrap_or(f64::NAN)),
    }
}

fn described(kind: &ParseErrorKind) -> Syntax {
    let message = kind.to_string();
    let (found, expected) = match (kind, message.strip_prefix("Expected ")) {
        (ParseErrorKind::MultipleRootJsonValues, _) => {
            ("text after the last bracket".into(), "the end".into())
        }
        (ParseErrorKind::ExpectedComma, _) => ("no comma after this value".into(), "one".into()),
        (_, Some(wanted)) => ("something else".into(), wanted.into()),
        (_, None) => (message.to_lowercase(), "JSON".into()),
    };
    Syntax { at: 0, found, expected, mend: "" }
}

fn mend(kind: &ParseErrorKind) -> &'static str {
    match kind {
        ParseErrorKind::ExpectedComma => "put a comma there",
        ParseErrorKind::UnterminatedObject => "close it with }",
        ParseErrorKind::UnterminatedArray => "close it with ]",
        ParseErrorKind::UnexpectedWord => "put the text in double quotes",
        ParseErrorKind::ExpectedStringObjectProperty => "put the key in double quotes",
        ParseErrorKind::SingleQuotedStringsNotAllowed => "use double quotes",
        ParseErrorKind::NestingDepthExceeded => "no key needs more than four levels",
        _ => "",
    }
}

const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};
