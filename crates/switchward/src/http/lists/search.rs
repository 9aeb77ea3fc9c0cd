//! What a search looks for: addresses by what covers them, texts by what they contain, whatever the case.
//!
//! Start with [`Needle`] and [`Where`].

use super::super::Error;
use super::super::extract::target;
use super::page::no_page;
use crate::geo::{Atlas, Country};
use guard::Target;
use ipnet::IpNet;
use std::sync::Arc;

/// A text that must be contained in another; ASCII letters match in either case.
#[derive(Clone, Debug)]
pub(in super::super) struct Needle(Vec<u8>);

impl Needle {
    /// A needle that is not empty.
    pub(in super::super) fn of(text: Option<&str>) -> Option<Needle> {
        let text = text.unwrap_or_default().trim();
        (!text.is_empty()).then(|| Needle(text.chars().take(LONGEST).collect::<String>().into_bytes()))
    }

    /// Whether `text` contains it.
    pub(in super::super) fn is_in(&self, text: &str) -> bool {
        text.as_bytes().windows(self.0.len()).any(|part| part.eq_ignore_ascii_case(&self.0))
    }

    /// Whether `text` is it.
    pub(in super::super) fn is(&self, text: &str) -> bool {
        text.as_bytes().eq_ignore_ascii_case(&self.0)
    }

    /// Whether one of `texts` contains it.
    pub(in super::super) fn is_in_any(&self, texts: &[String]) -> bool {
        texts.iter().any(|text| self.is_in(text))
    }
}

/// Whether a needle, if there is one, finds something.
pub(in super::super) fn wanted(needle: Option<&Needle>, find: impl FnOnce(&Needle) -> bool) -> bool {
    needle.is_none_or(find)
}

/// An account to look for: "1000", or "1000@pbx.example".
#[derive(Clone, Debug)]
pub(in super::super) struct Account {
    user: Option<Needle>,
    domain: Option<Needle>,
}

impl Account {
    /// The account that a text names.
    pub(in super::super) fn of(text: Option<&str>) -> Option<Account> {
        let text = text?.trim();
        let (user, domain) = match text.rsplit_once('@') {
            Some((user, domain)) => (user, Some(domain)),
            None => (text, None),
        };
        let account = Account { user: Needle::of(Some(user)), domain: Needle::of(domain) };
        (account.user.is_some() || account.domain.is_some()).then_some(account)
    }

    /// Whether it is among these; with a domain, both must be exactly so.
    pub(in super::super) fn is_among(&self, users: &[String], domains: &[String]) -> bool {
        let Some(domain) = &self.domain else {
            return wanted(self.user.as_ref(), |user| user.is_in_any(users));
        };
        wanted(self.user.as_ref(), |user| users.iter().any(|other| user.is(other)))
            && domains.iter().any(|other| domain.is(other))
    }
}

/// A country to look for.
#[derive(Clone, Debug)]
pub(in super::super) struct InCountry {
    country: Country,
    atlas: Arc<Atlas>,
}

impl InCountry {
    /// The country that two letters name; nothing for none.
    ///
    /// # Errors
    /// 400 for what is no country, 404 when no file knows countries.
    pub(in super::super) fn of(text: Option<&str>, atlas: &Arc<Atlas>) -> Result<Option<InCountry>, Error> {
        let text = text.unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(None);
        }
        let Some(country) = Country::new(text) else {
            return Err(Error::bad_request("country is two letters, such as DE"));
        };
        if !atlas.has_countries() {
            return Err(no_page("no file of countries is in use; set geo.country_file"));
        }
        Ok(Some(InCountry { country, atlas: atlas.clone() }))
    }

    /// Whether a target is there.
    pub(in super::super) fn holds(&self, target: Target) -> bool {
        self.atlas.country(target) == Some(self.country)
    }
}

/// A place to look for: an entry is there when the two have an address in common.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Where {
    net: IpNet,
    port: Option<Target>,
}

impl Where {
    /// The place that a text names: an address, a CIDR, an address and port.
    ///
    /// # Errors
    /// 400 when it names none.
    pub(in super::super) fn of(text: Option<&str>) -> Result<Option<Where>, Error> {
        match text.map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => target(text).map(|target| Some(Where::at(target))),
        }
    }

    /// The place of a target.
    pub(in super::super) fn at(target: Target) -> Where {
        Where { net: target.covers(), port: Some(target).filter(|target| matches!(target, Target::Port(..))) }
    }

    /// Whether an entry for `target` is there.
    pub(in super::super) fn holds(&self, target: Target) -> bool {
        match (self.port, target) {
            (Some(port), Target::Port(..)) => port == target,
            _ => target.overlaps(&self.net),
        }
    }
}

/// Characters of a search that count.
const LONGEST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_what_covers_it_and_by_what_is_in_it() {
        let holds = |place: &str, target: &str| {
            Where::of(Some(place)).unwrap().unwrap().holds(target.parse().unwrap())
        };
        for (place, target) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.0/24"),
            ("192.0.2.1", "192.0.2.1:5060"),
            ("192.0.2.0/24", "192.0.2.1"),
            ("192.0.0.0/16", "192.0.2.0/24"),
            ("192.0.2.1:5060", "192.0.2.1:5060"),
            ("192.0.2.1:5060", "192.0.2.1"),
            ("2001:db8::7", "2001:db8::/64"),
            ("2001:db8::7", "2001:db8::/32"),
        ] {
            assert!(holds(place, target), "{place} {target}");
        }
        for (place, target) in
            [("192.0.2.1", "192.0.2.2"), ("192.0.2.1:5060", "192.0.2.1:5061"), ("192.0.2.1", "2001:db8::/64")]
        {
            assert!(!holds(place, target), "{place} {target}");
        }
        assert!(Where::of(Some("pbx")).is_err());
        assert!(Where::of(Some(" ")).unwrap().is_none());
    }

    #[test]
    fn accounts_are_found_by_part_or_whole() {
        let among = |text: &str| {
            Account::of(Some(text)).unwrap().is_among(&["1000".into(), "bob".into()], &["PBX.example".into()])
        };
        for text in ["1000", "00", "BOB", "bob@pbx.example", "@pbx.example"] {
            assert!(among(text), "{text}");
        }
        for text in ["1001", "bo@pbx.example", "bob@pbx"] {
            assert!(!among(text), "{text}");
        }
        assert!(Account::of(Some("@")).is_none());
    }
}
