//! What FreeSWITCH's directory says of a user: [`Record`].
//!
//! The parameters of the domain, its group and the user, in this order; the last one of a name counts, as in FreeSWITCH's `userauth`.

use super::tree::{attribute, children};
use super::{Claim, Found, SecretText, is_plain};
use crate::identity::{Account, Bound, Identity, Proof};
use md5::{Digest, Md5};
use roxmltree::Node;
use std::sync::Arc;

/// Which password of a user lets in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Accept {
    /// `esl-password`, as FreeSWITCH's own `userauth`.
    EslPassword,
    /// `password`: the SIP password.
    Password,
    /// `a1-hash`: MD5 of `user:domain:password` in hexadecimal digits (RFC 7616, section 3.4.2).
    A1Hash,
}

impl Accept {
    /// As it is written in the directory, and in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Accept::EslPassword => "esl-password",
            Accept::Password => "password",
            Accept::A1Hash => "a1-hash",
        }
    }
}

impl std::str::FromStr for Accept {
    type Err = String;

    fn from_str(text: &str) -> Result<Accept, String> {
        let all = [Accept::EslPassword, Accept::Password, Accept::A1Hash];
        let found = all.into_iter().find(|accept| accept.name() == text);
        found.ok_or_else(|| "expected \"esl-password\", \"password\" or \"a1-hash\"".to_owned())
    }
}

/// A parameter or variable of some level.
#[derive(Clone, Debug)]
pub(super) struct Value {
    name: String,
    value: SecretText,
    is_param: bool,
}

impl Value {
    /// Of a `<param>` or `<variable>` element; none for what does not matter here, so that no more secrets are kept than needed.
    pub(super) fn of(item: Node<'_, '_>, value: &str, disabled_by: Option<&str>) -> Option<Value> {
        let name = attribute(item, "name");
        let is_param = item.tag_name().name() == "param";
        let is_ours = is_param && NAMES.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        let is_mark = disabled_by.is_some_and(|mark| mark.eq_ignore_ascii_case(name));
        (is_ours || is_mark).then(|| Value { name: name.to_owned(), value: value.into(), is_param })
    }

    /// Of all that an element's own `<params>` and `<variables>` say.
    pub(super) fn all_of(node: Node<'_, '_>, disabled_by: Option<&str>) -> Vec<Value> {
        [("params", "param"), ("variables", "variable")]
            .into_iter()
            .flat_map(|(list, item)| children(node, list).flat_map(move |list| children(list, item)))
            .filter_map(|item| Value::of(item, attribute(item, "value"), disabled_by))
            .collect()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Record {
    user: String,
    domain: String,
    esl_password: Option<SecretText>,
    password: Option<SecretText>,
    a1_hash: Option<SecretText>,
    bound: Option<Arc<Bound>>,
    is_disabled: bool,
}

impl Record {
    /// The user's name and domain as the directory writes them; then what it says, the domain's first and the user's last.
    pub(super) fn new<'a>(
        user: &str,
        domain: &str,
        values: impl IntoIterator<Item = &'a Value>,
        disabled_by: Option<&str>,
    ) -> Record {
        let mut record = Record {
            user: user.to_owned(),
            domain: domain.to_owned(),
            esl_password: None,
            password: None,
            a1_hash: None,
            bound: None,
            is_disabled: false,
        };
        let mut bound = Bound::default();
        for Value { name, value, is_param } in values {
            let text = value.expose();
            let param = if *is_param { name.to_ascii_lowercase() } else { String::new() };
            match param.as_str() {
                "esl-password" => record.esl_password = usable(value),
                "password" => record.password = usable(value),
                "a1-hash" => record.a1_hash = usable(value).and_then(digits),
                "esl-allowed-api" => bound.api = Some(list(text)),
                "esl-allowed-events" => bound.events = Some(list(text)),
                "esl-allowed-log" => bound.log = Some(is_true(text)),
                _ => {}
            }
            if disabled_by.is_some_and(|mark| mark.eq_ignore_ascii_case(name)) {
                record.is_disabled = is_true(text);
            }
        }
        record.bound = (bound != Bound::default()).then(|| Arc::new(bound));
        record
    }

    /// What the record says of a claim whose user it is.
    pub(super) fn check(&self, claim: &Claim, accept: &[Accept], directory: &Arc<str>) -> Found {
        let (mut is_right, mut has_any) = (false, false);
        for accept in accept {
            let (kept, shown) = match accept {
                Accept::EslPassword => (&self.esl_password, None),
                Accept::Password => (&self.password, None),
                Accept::A1Hash => (&self.a1_hash, Some(self.a1_hash_of(&claim.password))),
            };
            has_any |= kept.is_some();
            // What is compared with nothing takes as long.
            let nothing = SecretText::default();
            let is_equal = kept.as_ref().unwrap_or(&nothing).is(shown.as_ref().unwrap_or(&claim.password));
            is_right |= is_equal && kept.is_some();
        }
        match (is_right, self.is_disabled) {
            (true, false) => Found::Right(self.identity(directory)),
            (true, true) => Found::Disabled,
            (false, false) if !has_any => Found::Unknown,
            (false, _) => Found::Wrong,
        }
    }

    /// Of nobody, so that an unknown user takes as long as a known one.
    pub(super) fn check_nobody(claim: &Claim, accept: &[Accept], directory: &Arc<str>) -> Found {
        let nobody = Record::new("nobody", "nowhere.invalid", [], None);
        _ = nobody.check(claim, accept, directory);
        Found::Unknown
    }

    fn identity(&self, directory: &Arc<str>) -> Identity {
        let account = Account { user: self.user.clone(), domain: self.domain.clone() };
        Identity {
            name: account.to_string().into(),
            account: Some(account),
            proof: Proof::Password { directory: Arc::clone(directory) },
            roles: Vec::new(),
            bound: self.bound.clone(),
        }
    }

    fn a1_hash_of(&self, password: &SecretText) -> SecretText {
        let mut md5 = Md5::new();
        for part in [&self.user, ":", &self.domain, ":", password.expose()] {
            md5.update(part);
        }
        let digits: String = md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        digits.into()
    }
}

/// The user and domain of a claim when both are plain; the domain is that of the directory when there is none.
pub(super) fn plain_account<'a>(
    claim: &'a Claim,
    default_domain: Option<&'a str>,
) -> Option<(&'a str, &'a str)> {
    let domain = claim.domain.as_deref().or(default_domain)?;
    (is_plain(&claim.user, super::LONGEST_USER) && is_plain(domain, super::LONGEST_DOMAIN))
        .then_some((&claim.user, domain))
}

/// Nothing for an empty password, and for one that was not UTF-8: its broken bytes were replaced, and the replacement must not let in.
fn usable(value: &SecretText) -> Option<SecretText> {
    let text = value.expose();
    (!text.is_empty() && !text.contains(char::REPLACEMENT_CHARACTER)).then(|| value.clone())
}

/// The digits of an `a1-hash`, in small letters.
fn digits(value: SecretText) -> Option<SecretText> {
    let text = value.expose();
    let is_md5 = text.len() == MD5_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_md5.then(|| text.to_ascii_lowercase().into())
}

/// A list of FreeSWITCH: split at blanks if there is one, else at commas.
fn list(text: &str) -> Vec<String> {
    let separator = if text.contains(' ') { ' ' } else { ',' };
    text.split(separator).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// What FreeSWITCH takes for true: some words, and every number but 0.
fn is_true(text: &str) -> bool {
    let words = ["yes", "on", "true", "t", "enabled", "active", "allow"];
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
        || (text.parse::<f64>().is_ok_and(|number| number.is_finite() && number as i64 != 0))
}

/// Those that are read.
const NAMES: [&str; 6] =
    ["esl-password", "password", "a1-hash", "esl-allowed-api", "esl-allowed-events", "esl-allowed-log"];
/// Of an `a1-hash`.
const MD5_DIGITS: usize = 32;

#[cfg(test)]
mod tests;
