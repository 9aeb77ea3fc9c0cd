//! The documentation page, and the description that it shows.

use crate::support::{Answer, Daemon};

fn text(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200);
    std::str::from_utf8(&answer.body).unwrap()
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_makes_no_markup_of_texts() {
    let daemon = Daemon::start().await;
    let page = daemon.get("/docs").await;
    let (style, script) = (daemon.get("/docs/page.css").await, daemon.get("/docs/page.js").await);
    for (answer, kind) in [(&page, "text/html"), (&style, "text/css"), (&script, "text/javascript")] {
        assert_eq!(answer.headers["content-type"], format!("{kind}; charset=utf-8"));
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|directive| directive == part), "{part} in {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        for word in
            ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
        {
            assert!(!text(answer).contains(word), "{word} in {kind}");
        }
    }
    // Inline script and style would not run under the policy.
    let page = text(&page);
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
    for file in ["/docs/page.css", "/docs/page.js", "/openapi.json"] {
        assert!(page.contains(&format!("\"{file}\"")), "{file}");
    }
}

#[tokio::test]
async fn the_description_is_that_of_the_tree_and_every_get_of_it_is_there() {
    let daemon = Daemon::start().await;
    let described = daemon.get("/openapi.json").await.ok();
    let committed = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json")).unwrap();
    assert_eq!(described, serde_json::from_slice::<serde_json::Value>(&committed).unwrap());
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, item) in described["paths"].as_object().unwrap() {
        let path = path.replace("{ip}", "2001:db8:1::%2F48").replace(['{', '}'], "");
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] {
            if item.get(method.to_ascii_lowercase()).is_none() {
                // A wrong method is told before anything else.
                let answer = daemon.ask(method, &path).send().await;
                answer.error(405);
                assert!(answer.headers.contains_key("allow"), "{method} {path}");
            }
        }
    }
}
