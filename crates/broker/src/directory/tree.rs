//! XML that may be hostile: [`parse`].
//!
//! No document type, so neither entities nor anything from outside; bounded in size and nodes. The parser does not recurse into elements, and
//! who walks the tree bounds how deep. What it says of a mistake is where it is, never what is there.

use roxmltree::{Document, Node, ParsingOptions};

/// Parses a whole document.
pub(super) fn parse(text: &str, most_bytes: usize) -> Result<Document<'_>, String> {
    if text.len() > most_bytes {
        return Err(format!("more than {most_bytes} bytes of XML"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::DtdDetected => "the XML has a document type, which is not read".to_owned(),
        roxmltree::Error::NodesLimitReached => format!("more than {NODES} XML nodes"),
        error => {
            format!("the XML is not well-formed at line {}, column {}", error.pos().row, error.pos().col)
        }
    })
}

/// An attribute of an element; empty when it is not there.
pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> &'a str {
    node.attribute(name).unwrap_or_default()
}

/// The child elements with this name.
pub(super) fn children<'a, 'input: 'a>(
    node: Node<'a, 'input>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// Most nodes of one document.
const NODES: u32 = 1_000_000;
