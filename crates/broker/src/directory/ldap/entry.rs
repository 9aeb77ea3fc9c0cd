//! An entry of an LDAP server: [`Entry`].

use super::super::Trouble;
use ldap3::{ResultEntry, SearchEntry};
use std::collections::HashMap;

/// Its DN and the attributes that were asked for.
pub(super) struct Entry {
    pub(super) dn: String,
    attributes: HashMap<String, Vec<String>>,
}

impl Entry {
    /// The library panics on one that is malformed, which ends the check's own task and nothing else.
    pub(super) fn of(entry: ResultEntry) -> Result<Entry, Trouble> {
        let entry = SearchEntry::construct(entry);
        Ok(Entry { dn: entry.dn, attributes: entry.attrs })
    }

    /// A value of an attribute: the one that is wanted when it is there, in the entry's own spelling; else the first.
    pub(super) fn value(&self, attribute: &str, wanted: &str) -> Option<&str> {
        let (_, values) = self.attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute))?;
        let same = values.iter().find(|value| value.eq_ignore_ascii_case(wanted));
        same.or(values.first()).map(String::as_str).filter(|value| !value.is_empty())
    }
}
