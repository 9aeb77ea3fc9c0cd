//! The description of the interface (OpenAPI 3.1): `GET /openapi.json`, made of what stands at the handlers.
//!
//! A handler describes what is its own: path, parameters, body, its answer, and the errors that mean something special.
//! [`document()`] adds what holds for all: who may ask, the errors that any request can meet, a name for each operation, and
//! the words at the top. A new handler needs `#[utoipa::path]`, a tag of [`TAGS`] and `routes!`, nothing here. The whole is
//! kept in `docs/openapi.json`; a test fails when that is outdated, and `UPDATE=1` writes it anew.

use super::schema::forms;
use super::system::VERSION;
use crate::app::App;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The paths of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(openapi))
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "interface",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn openapi() -> impl IntoResponse {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| Bytes::from(text(&document())));
    ([(CONTENT_TYPE, "application/json")], text.clone())
}

/// The description of every path there is.
pub fn document() -> Value {
    let (_, described) = super::routes().split_for_parts();
    let mut document = serde_json::to_value(described).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Switchward",
        "version": VERSION,
        "summary": "The guard and the only door of a voice switch",
        "description": ABOUT,
        "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
    });
    document["servers"] = json!([{"url": "/", "description": "The daemon that serves this description"}]);
    let tags = TAGS.iter().map(|(name, about)| json!({"name": name, "description": about}));
    document["tags"] = tags.collect();
    document["security"] = json!([{}, {"token": []}, {"password": []}]);
    describe_components(&mut document["components"]);
    if let Some(paths) = document["paths"].as_object_mut() {
        *paths = std::mem::take(paths).into_iter().map(described_path).collect();
    }
    document["paths"]["/security/esl/log_level"]["post"]["deprecated"] = json!(true);
    document
}

/// A description as text, as `docs/openapi.json` has it.
pub fn text(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

fn describe_components(components: &mut Value) {
    components["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "A token made by `switchward token add`"},
        "password": {"type": "http", "scheme": "basic", "description": "A name and password of the users file"},
    });
    for (name, form) in forms() {
        components["schemas"][name] = form;
    }
    components["schemas"]["ErrorBody"] = json!({
        "type": "object",
        "description": "The body of every error.",
        "required": ["error"],
        "properties": {"error": {"type": "string", "description": "One sentence."}},
    });
    // Nothing else can say that two members exclude each other.
    for order in ["BanOrder", "AllowOrder"] {
        let both = json!({"permanent": {"const": true}, "ttl": {"type": "string"}});
        components["schemas"][order]["not"] = json!({"required": ["permanent", "ttl"], "properties": both});
    }
    let errors = ERRORS.iter().map(|(status, about, _)| ((*status).to_owned(), error(about)));
    components["responses"] = Value::Object(errors.collect());
}

/// A path as OpenAPI writes it (a parameter that may hold slashes has no sign of its own), with what holds for all of its
/// operations.
fn described_path((path, mut item): (String, Value)) -> (String, Value) {
    let path = path.replace("{*", "{");
    let operations = item.as_object_mut().into_iter().flatten();
    for (method, operation) in operations.filter(|(name, _)| METHODS.contains(&name.as_str())) {
        operation["operationId"] = json!(operation_id(method, &path));
        describe_errors(method, operation);
    }
    (path, item)
}

/// "getSecurityBlacklistIp"
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |name, word| {
        let (first, rest) = word.split_at(1);
        name + &first.to_ascii_uppercase() + rest
    })
}

/// Adds the errors that a request of this kind can meet, and the one body that all errors have.
fn describe_errors(method: &str, operation: &mut Value) {
    let has = |name: &str| operation.get(name).is_some();
    let (body, path) = (has("requestBody"), has("parameters"));
    let change = method != "get";
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        if !status.starts_with('2') && !status.starts_with('3') && response.get("content").is_none() {
            response["content"] = error_content();
        }
    }
    for (status, _, of) in ERRORS {
        let meets = match of {
            Of::All => true,
            Of::Change => change,
            Of::Parameter => path || body,
            Of::Body => body,
        };
        if meets && !responses.contains_key(*status) {
            let reference = json!({"$ref": format!("#/components/responses/{status}")});
            responses.insert((*status).to_owned(), reference);
        }
    }
}

fn error(about: &str) -> Value {
    json!({"description": about, "content": error_content()})
}

fn error_content() -> Value {
    json!({"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}})
}

/// Which requests can meet an error.
enum Of {
    All,
    Change,
    Parameter,
    Body,
}

const ERRORS: &[(&str, &str, Of)] = &[
    ("400", "A parameter or the body is malformed", Of::Parameter),
    ("401", "Who asks is not known: no valid token, name or password", Of::All),
    ("403", "Who asks may not do this, or the page of another site asked", Of::All),
    ("408", "The body took too long to arrive", Of::Body),
    ("413", "The body is larger than 1 MiB", Of::Body),
    ("415", "A browser sent a body that is not called application/json", Of::Body),
    ("500", "Something failed; the daemon's log says more", Of::All),
    ("503", "It took too long, or there is too much", Of::Change),
];
const METHODS: &[&str] = &["get", "put", "post", "delete", "patch"];
const ABOUT: &str = "Bodies are JSON in camelCase; every error is `{\"error\": \"...\"}`. Times are RFC 3339 in UTC; \
    \"0001-01-01T00:00:00Z\" stands for none. Durations are Go's: \"90s\", \"1h30m0s\". Addresses are IPv4 or IPv6. What \
    changes state is answered only for peers of the allow-list of addresses, or with a token or a password of the right \
    role; a peer of the list needs neither.";
/// The subjects, in the order in which they are shown.
const TAGS: &[(&str, &str)] = &[
    ("state", "How the guard, the kernel and the daemon are doing"),
    ("bans", "Who is banned"),
    ("allow-list", "Who is not to be banned"),
    ("untrusted domains", "Domains whose calls are attacks"),
    ("counters", "What is counted against whom, and the limits"),
    ("switch", "The event socket of the switch"),
    ("interface", "This interface itself"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::path::Path;

    #[test]
    fn the_committed_description_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let text = text(&document());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "docs/openapi.json is outdated: run this test with UPDATE=1");
    }

    #[test]
    fn every_operation_is_described() {
        let document = document();
        let tags: HashSet<&str> = TAGS.iter().map(|(name, _)| *name).collect();
        let mut ids = HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(!path.contains('*'), "{path}");
            for (method, operation) in item.as_object().unwrap() {
                let at = format!("{method} {path}");
                assert!(METHODS.contains(&method.as_str()), "{at}");
                assert!(ids.insert(operation["operationId"].clone()), "{at}: its name is another's");
                assert!(
                    operation["summary"].as_str().is_some_and(|text| text.ends_with('.')),
                    "{at}: summary"
                );
                let tag = operation["tags"][0].as_str().unwrap_or_default();
                assert!(tags.contains(tag), "{at}: the tag {tag:?} is not in TAGS");
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.keys().any(|status| status.starts_with('2')), "{at}: no success");
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let named: HashSet<&str> = parameters
                    .filter(|parameter| parameter["in"] == "path")
                    .map(|parameter| parameter["name"].as_str().unwrap())
                    .collect();
                let in_path: HashSet<&str> =
                    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
                assert_eq!(named, in_path, "{at}: parameters");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str));
                    members.values().for_each(|member| walk(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        walk(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            let meant = document.pointer(pointer);
            assert!(meant.is_some_and(|schema| *schema != json!({})), "{reference}");
        }
    }
}
