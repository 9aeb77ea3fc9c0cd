//! What is asked over HTTP: how often, with what answer, how long it took. By the route's template, never by a path.

use super::histogram::Histogram;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The requests of one route and method.
#[derive(Default)]
pub struct Asked {
    /// Answers by the first digit of their status, 1 to 5.
    pub classes: [guard::counts::Count; 5],
    /// How long the heads of the answers took.
    pub took: Histogram,
}

/// All requests.
#[derive(Default)]
pub struct Requests(Mutex<HashMap<(&'static str, String), Arc<Asked>>>);

impl Requests {
    /// A request was answered.
    pub fn answered(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER);
        let key = (method, route.unwrap_or(OTHER).to_owned());
        let asked = {
            let mut all = self.0.lock();
            // There are only so many routes; this holds should that ever be wrong.
            let key =
                if all.len() < MOST || all.contains_key(&key) { key } else { (OTHER, OTHER.to_owned()) };
            all.entry(key).or_default().clone()
        };
        if let Some(count) = asked.classes.get(usize::from(status / 100).wrapping_sub(1)) {
            count.up();
        }
        asked.took.took(took);
    }

    /// All that were asked, by method and route, in order.
    pub fn all(&self) -> Vec<((&'static str, String), Arc<Asked>)> {
        let mut all: Vec<_> = self.0.lock().iter().map(|(key, asked)| (key.clone(), asked.clone())).collect();
        all.sort_by(|(one, _), (other, _)| (&one.1, one.0).cmp(&(&other.1, other.0)));
        all
    }
}

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
/// What has no route, and methods that a client made up.
const OTHER: &str = "other";
const MOST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_makes_up_is_one_line() {
        let requests = Requests::default();
        for n in 0..1000 {
            requests.answered(&format!("X{n}"), None, 404, Duration::ZERO);
            requests.answered("GET", Some(&format!("/{n}")), 999, Duration::ZERO);
        }
        requests.answered("GET", Some("/0"), 200, Duration::ZERO);
        let all = requests.all();
        assert!(all.len() <= MOST + 1);
        let of = |route: &str| all.iter().find(|(key, _)| key.1 == route).unwrap().1.clone();
        assert_eq!((of(OTHER).classes[3].value(), of("/0").classes[1].value()), (1000, 1));
    }
}
