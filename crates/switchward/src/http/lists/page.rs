//! One page of a list that is walked in no order: the entries that come next after a cursor, and how many there are.
//!
//! A cursor names the last entry of a page by its sort key and its target, not by a number, so that what comes and goes
//! between two pages moves nothing: an entry that stands all the while, and whose key stays, is on exactly one page. Start with
//! [`Page`].

use super::super::Error;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guard::Target;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use utoipa::ToSchema;

/// Which way a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The smallest, the oldest first.
    Asc,
    /// The largest, the newest first.
    Desc,
}

/// What an entry is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A time or a count.
    Number(u64),
    /// A word.
    Word(String),
    /// The target alone.
    None,
}

/// Where an entry stands in a sorted list: no two entries have the same.
pub(super) type Place = (Key, Target);

/// The entry after which a page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    #[serde(rename = "s")]
    sort: String,
    #[serde(rename = "d")]
    direction: Direction,
    #[serde(rename = "k")]
    key: Key,
    #[serde(rename = "t")]
    target: Target,
}

/// How a list is sorted, how long a page is and where it begins.
pub(super) struct Order<S> {
    pub(super) sort: S,
    direction: Direction,
    limit: usize,
    after: Option<Place>,
}

impl<S: Copy + PartialEq + Serialize + serde::de::DeserializeOwned> Order<S> {
    /// What a request asked for; a cursor brings its own sort, which the request need not repeat.
    ///
    /// # Errors
    /// 400 for a limit that is out of bounds, 404 for a cursor that is none, or of another sort.
    pub(super) fn new(
        (sort, direction): (Option<S>, Option<Direction>),
        standard: (S, Direction),
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Order<S>, Error> {
        let limit = page_length(limit)?;
        let Some(cursor) = cursor else {
            let sort = sort.unwrap_or(standard.0);
            return Ok(Order { sort, direction: direction.unwrap_or(standard.1), limit, after: None });
        };
        let read = read_cursor(cursor)
            .and_then(|cursor| Some((serde_json::from_value::<S>(cursor.sort.clone().into()).ok()?, cursor)));
        let Some((was, cursor)) = read else {
            return Err(no_page("cursor is not one of this list; take \"next\" of an earlier answer"));
        };
        if sort.is_some_and(|sort| sort != was) || direction.is_some_and(|other| other != cursor.direction) {
            return Err(no_page("cursor belongs to another sort; begin anew without a cursor"));
        }
        let after = Some((cursor.key, cursor.target));
        Ok(Order { sort: was, direction: cursor.direction, limit, after })
    }
}

/// How many entries a page has.
///
/// # Errors
/// 400 for none and for too many.
pub(in super::super) fn page_length(limit: Option<u32>) -> Result<usize, Error> {
    match limit.unwrap_or(STANDARD) {
        limit @ 1..=LARGEST => Ok(limit as usize),
        _ => Err(Error::bad_request(format!("limit is a number from 1 to {LARGEST}"))),
    }
}

/// What a cursor that leads nowhere is answered with.
pub(in super::super) fn no_page(text: &str) -> Error {
    Error::new(StatusCode::NOT_FOUND, text)
}

fn read_cursor(text: &str) -> Option<Cursor> {
    if text.len() > LONGEST_CURSOR {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The page in the making: the first few of what was offered and comes after the cursor.
pub(super) struct Page<S, T> {
    order: Order<S>,
    kept: BinaryHeap<Slot<T>>,
    matched: u64,
    /// Whether something comes after the page.
    more: bool,
}

struct Slot<T> {
    place: Place,
    direction: Direction,
    entry: T,
}

impl<S: Serialize, T> Page<S, T> {
    pub(super) fn new(order: Order<S>) -> Page<S, T> {
        Page { kept: BinaryHeap::with_capacity(order.limit + 1), order, matched: 0, more: false }
    }

    /// An entry of the list; it is made only when it is on the page as far as that is known.
    pub(super) fn offer(&mut self, place: Place, make: impl FnOnce() -> T) {
        self.matched += 1;
        let direction = self.order.direction;
        if self
            .order
            .after
            .as_ref()
            .is_some_and(|after| compare(direction, &place, after) != Ordering::Greater)
        {
            return;
        }
        if self.kept.len() == self.order.limit {
            self.more = true;
            match self.kept.peek() {
                Some(last) if compare(direction, &place, &last.place) == Ordering::Less => {
                    _ = self.kept.pop();
                }
                _ => return,
            }
        }
        self.kept.push(Slot { place, direction, entry: make() });
    }

    /// The entries in order, how many matched in all, and the cursor of the next page if there is one.
    pub(super) fn finish(self) -> (Vec<T>, u64, Option<String>) {
        let slots = self.kept.into_sorted_vec();
        let next = slots.last().filter(|_| self.more).and_then(|last| {
            let sort = serde_json::to_value(&self.order.sort).ok()?.as_str()?.to_owned();
            let (key, target) = last.place.clone();
            let cursor = Cursor { sort, direction: self.order.direction, key, target };
            Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).ok()?))
        });
        (slots.into_iter().map(|slot| slot.entry).collect(), self.matched, next)
    }
}

fn compare(direction: Direction, one: &Place, other: &Place) -> Ordering {
    match direction {
        Direction::Asc => one.cmp(other),
        Direction::Desc => other.cmp(one),
    }
}

impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Slot<T>) -> Ordering {
        compare(self.direction, &self.place, &other.place)
    }
}

impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Slot<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Slot<T>) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Slot<T> {}

/// Entries of a page when nobody says.
const STANDARD: u32 = 100;
/// Most entries of a page.
pub const LARGEST: u32 = 1000;
/// Characters of a cursor; ours are shorter.
const LONGEST_CURSOR: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Sort {
        Count,
        Target,
    }

    fn target(n: u32) -> Target {
        Target::host(Ipv4Addr::from(0xc612_0000 + n).into())
    }

    proptest! {
        #[test]
        fn the_pages_together_are_the_sorted_list(
            mut counts in proptest::collection::vec(0u64..6, 0..60),
            limit in 1u32..20,
            desc: bool,
        ) {
            let direction = if desc { Direction::Desc } else { Direction::Asc };
            let mut expected: Vec<Place> =
                counts.drain(..).enumerate().map(|(n, count)| (Key::Number(count), target(n as u32))).collect();
            let offered = expected.clone();
            expected.sort_by(|one, other| compare(direction, one, other));
            let (mut got, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let standard = (Sort::Count, direction);
                let order = Order::new((None, None), standard, Some(limit), cursor.as_deref()).unwrap();
                let mut page = Page::new(order);
                for place in &offered {
                    page.offer(place.clone(), || place.clone());
                }
                let (entries, matched, next) = page.finish();
                prop_assert_eq!(matched, offered.len() as u64);
                prop_assert!(entries.len() <= limit as usize);
                prop_assert!(!entries.is_empty() || offered.is_empty());
                got.extend(entries);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn a_cursor_of_somebody_else_is_refused_and_never_a_panic(text in "[A-Za-z0-9_=%-]{0,60}") {
            let asked = Order::new((None, None), (Sort::Target, Direction::Asc), None, Some(&text));
            prop_assert!(asked.is_err());
        }
    }

    #[test]
    fn a_cursor_holds_its_sort() {
        let standard = (Sort::Count, Direction::Asc);
        let mut page = Page::new(Order::new((None, None), standard, Some(1), None).unwrap());
        for n in 0..2 {
            page.offer((Key::Number(1), target(n)), || n);
        }
        let next = page.finish().2.unwrap();
        assert!(Order::new((Some(Sort::Count), None), standard, None, Some(&next)).is_ok());
        assert!(Order::new((Some(Sort::Target), None), standard, None, Some(&next)).is_err());
        assert!(Order::new((None, Some(Direction::Desc)), standard, None, Some(&next)).is_err());
    }
}
