//! The switch's own directory, asked over the event socket: [`FreeSwitch`].
//!
//! `find_user_xml id USER DOMAIN` gives the user with what the group and the domain say merged in. A name from outside stands in that
//! command: only letters, digits, `.`, `_`, `+` and `-` are sent, any other name is unknown without a question.

use super::record::{Accept, Record, Value, plain_account};
use super::{Checking, Claim, Directory, Found, Trouble, tree};
use crate::line::Line;
use crate::upstream::{Ask, Upstream};
use std::sync::Arc;
use std::time::Duration;

/// How the switch is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchSettings {
    /// Which passwords let in. Default `esl-password` alone, as FreeSWITCH's `userauth`.
    pub accept: Vec<Accept>,
    /// The domain of a claim without one; without it such a claim is unknown.
    pub default_domain: Option<String>,
    /// A parameter or variable that keeps a user out when it is true; FreeSWITCH itself has none.
    pub disabled_by: Option<String>,
    /// How long the switch may take. Default 3 s.
    pub limit: Duration,
}

impl Default for SwitchSettings {
    fn default() -> SwitchSettings {
        SwitchSettings {
            accept: vec![Accept::EslPassword],
            default_domain: None,
            disabled_by: None,
            limit: Duration::from_secs(3),
        }
    }
}

/// See the module.
pub struct FreeSwitch {
    name: Arc<str>,
    settings: SwitchSettings,
    upstream: Arc<Upstream>,
}

impl FreeSwitch {
    /// The directory of the switch at the other end.
    pub fn new(name: &str, settings: SwitchSettings, upstream: Arc<Upstream>) -> FreeSwitch {
        FreeSwitch { name: name.into(), settings, upstream }
    }

    async fn find(&self, claim: &Claim) -> Result<Found, Trouble> {
        let Some((user, domain)) = plain_account(claim, self.settings.default_domain.as_deref()) else {
            return Ok(Found::Unknown);
        };
        let command = format!("find_user_xml id {user} {domain}");
        let line = Line::new(&command).map_err(Trouble::new)?;
        let ask = Ask { limit: self.settings.limit, most: MOST_BYTES, is_read: true };
        let answer = self.upstream.api(line, ask).await.map_err(Trouble::new)?;
        if answer.cut {
            return Err(Trouble::new("a user's entry in the switch's directory is too large"));
        }
        let text = String::from_utf8_lossy(&answer.bytes);
        match read(&text, user, domain, self.settings.disabled_by.as_deref())? {
            Some(record) => Ok(record.check(claim, &self.settings.accept, &self.name)),
            None => Ok(Record::check_nobody(claim, &self.settings.accept, &self.name)),
        }
    }
}

impl Directory for FreeSwitch {
    fn name(&self) -> &str {
        &self.name
    }

    fn check<'a>(&'a self, claim: &'a Claim) -> Checking<'a> {
        Box::pin(self.find(claim))
    }
}

/// The record in an answer; none when there is no such user.
fn read(
    answer: &str,
    user: &str,
    domain: &str,
    disabled_by: Option<&str>,
) -> Result<Option<Record>, Trouble> {
    let text = answer.trim();
    if text == NOT_FOUND {
        return Ok(None);
    }
    if text.is_empty() || text.starts_with("-ERR") || !text.starts_with('<') {
        return Err(Trouble::new("the switch did not answer find_user_xml with a user"));
    }
    let document = tree::parse(text, MOST_BYTES).map_err(Trouble::new)?;
    let root = document.root_element();
    match root.tag_name().name() {
        "user" => {}
        "error" if tree::attribute(root, "type") == "user-not-found" => return Ok(None),
        name => {
            return Err(Trouble::new(format_args!("the switch answered find_user_xml with <{name:.32}>")));
        }
    }
    if tree::attribute(root, "type").eq_ignore_ascii_case("pointer") {
        return Ok(None);
    }
    let (id, alias) = (tree::attribute(root, "id"), tree::attribute(root, "number-alias"));
    // An entry for an alias is that of another user, who it then is.
    let is_asked = id.eq_ignore_ascii_case(user) || alias.eq_ignore_ascii_case(user);
    let named = root.attribute("domain-name").unwrap_or(domain);
    if !is_asked || id.is_empty() || !named.eq_ignore_ascii_case(domain) {
        return Err(Trouble::new("the switch answered find_user_xml with another user"));
    }
    Ok(Some(Record::new(id, named, &Value::all_of(root, disabled_by), disabled_by)))
}

/// What FreeSWITCH answers for an unknown user or domain.
const NOT_FOUND: &str = "-ERR can't find user";
/// The largest entry of one user, in bytes.
const MOST_BYTES: usize = 256 * 1024;
