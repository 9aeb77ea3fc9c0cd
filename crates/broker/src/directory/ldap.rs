//! Users of an LDAP server: [`Ldap`].
//!
//! A claim is checked by a simple bind (RFC 4513, section 5.1.3) with the user's own DN, which either comes from a template or is looked for;
//! one connection a check, with TLS unless the server is on this machine. A bind without a password would be an anonymous one that succeeds
//! (section 5.1.2): it is never sent. Names are letters, digits and `.`, `_`, `+`, `-` only, and are escaped all the same (RFC 4514, RFC 4515).

use super::{Checking, Claim, Directory, Found, LONGEST_DOMAIN, LONGEST_USER, SecretText, Trouble, is_plain};
use crate::identity::{Account, Identity, Proof};
use entry::Entry;
use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, Scope};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use template::Template;
use tokio::time::{Instant, timeout};

mod entry;
mod server;
mod template;

/// Which server, and how users are found there. In templates and filters `{user}` is the name, `{domain}` its domain and `{login}` both as
/// `user@domain`, or the name alone when there is no domain.
#[derive(Clone, Debug)]
pub struct LdapSettings {
    /// `ldaps://host`, or `ldap://host` with `start_tls` or on this machine; a port may follow.
    pub url: String,
    /// Whether a connection to `ldap://` turns to TLS before anything else.
    pub start_tls: bool,
    /// Whether passwords may go to another machine without TLS.
    pub allow_plain: bool,
    /// Certificates of authorities that may vouch for the server, as PEM; without it those of the system.
    pub authorities: Option<PathBuf>,
    /// How a user's DN is found.
    pub look: Look,
    /// The attribute with the name that rules are written for. Without it, the one that the template or filter compares with the name: `uid`
    /// in `(uid={user})`.
    pub name_attribute: Option<String>,
    /// An attribute with the account at the switch, as `user@domain`.
    pub account_attribute: Option<String>,
    /// The only domain that a claim may name; its users are also asked for without one.
    pub domain: Option<String>,
    /// A filter that is true of users who are kept out, as `(employeeType=former)`.
    pub disabled: Option<String>,
    /// How long everything together may take. Default 4 s.
    pub limit: Duration,
}

/// How a user's DN is found.
#[derive(Clone, Debug)]
pub enum Look {
    /// From a template as `uid={user},ou=people,dc=example,dc=org`. Whether a user is known cannot be told: the next directory is asked.
    Template(String),
    /// By a search, which must find one entry.
    Search {
        /// The DN and password to search with; without them anonymously.
        bind: Option<(String, SecretText)>,
        /// Where to search, with everything below.
        base: String,
        /// What for, as `(&(objectClass=person)(uid={user}))`.
        filter: String,
    },
}

impl LdapSettings {
    /// With the defaults.
    pub fn new(url: &str, look: Look) -> LdapSettings {
        LdapSettings {
            url: url.to_owned(),
            start_tls: false,
            allow_plain: false,
            authorities: None,
            look,
            name_attribute: None,
            account_attribute: None,
            domain: None,
            disabled: None,
            limit: Duration::from_secs(4),
        }
    }
}

/// See the module.
pub struct Ldap {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    settings: LdapSettings,
    /// Of the DN or the filter.
    template: Template,
    name_attribute: String,
    connecting: LdapConnSettings,
    /// That the server could not be reached, and when: it is not tried again at once.
    unreachable: Mutex<Option<(Instant, Trouble)>>,
}

impl Ldap {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the settings cannot be: a wrong URL, template or filter, passwords that would go over the network in plain text, certificates
    /// that cannot be read.
    pub fn new(name: &str, settings: LdapSettings) -> Result<Ldap, Trouble> {
        let template = match &settings.look {
            Look::Template(dn) => Template::of_dn(dn)?,
            Look::Search { filter, bind, .. } => {
                if bind.as_ref().is_some_and(|(dn, password)| dn.is_empty() || password.is_empty()) {
                    return Err(Trouble::new(
                        "to search with a DN takes a password; leave both out to search anonymously",
                    ));
                }
                Template::of_filter(filter)?
            }
        };
        if let Some(filter) = &settings.disabled {
            template::check_filter(filter)?;
        }
        let connecting = server::connecting(&settings)?;
        let name_attribute = settings.name_attribute.clone().or_else(|| template.attribute());
        let name_attribute = name_attribute.ok_or_else(|| {
            Trouble::new("which attribute has the name? Write the template or filter with uid={user}, or set name_attribute")
        })?;
        let inner = Inner {
            name: name.into(),
            settings,
            template,
            name_attribute,
            connecting,
            unreachable: Mutex::default(),
        };
        Ok(Ldap { inner: Arc::new(inner) })
    }
}

impl Directory for Ldap {
    fn name(&self) -> &str {
        &self.inner.name
    }

    /// In a task of its own, so that an answer that the library chokes on is trouble and nothing more.
    fn check<'a>(&'a self, claim: &'a Claim) -> Checking<'a> {
        let (inner, claim) = (Arc::clone(&self.inner), claim.clone());
        Box::pin(async move {
            let limit = inner.settings.limit;
            let task = tokio::spawn(async move { timeout(limit, inner.check(&claim)).await });
            let _ends = EndsWith(task.abort_handle());
            match task.await {
                Ok(Ok(found)) => found,
                Ok(Err(_)) => {
                    Err(Trouble::new(format_args!("the LDAP server did not answer within {limit:?}")))
                }
                Err(_) => Err(Trouble::new("the LDAP server's answer cannot be understood")),
            }
        })
    }

    fn forget(&self) {
        *self.inner.unreachable.lock() = None;
    }
}

/// A task that goes on for nobody is ended.
struct EndsWith(tokio::task::AbortHandle);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Inner {
    async fn check(&self, claim: &Claim) -> Result<Found, Trouble> {
        let Some(domain) = self.domain_of(claim) else { return Ok(Found::Unknown) };
        let password = claim.password.expose();
        if password.is_empty() || password.contains('\0') || !is_plain(&claim.user, LONGEST_USER) {
            return Ok(Found::Unknown);
        }
        let wanted = self.template.fill(&claim.user, domain);
        let mut ldap = self.connect().await?;
        let found = match &self.settings.look {
            Look::Template(_) => self.check_template(&mut ldap, claim, domain, &wanted).await,
            Look::Search { bind, base, .. } => {
                self.check_search(&mut ldap, claim, domain, (base, &wanted), bind.as_ref()).await
            }
        };
        _ = ldap.unbind().await;
        found
    }

    /// The domain to look in, perhaps none; `None` when the claim names one that is not of this server.
    fn domain_of<'a>(&'a self, claim: &'a Claim) -> Option<Option<&'a str>> {
        let own = self.settings.domain.as_deref();
        match claim.domain.as_deref() {
            Some(domain) if !is_plain(domain, LONGEST_DOMAIN) => None,
            Some(domain) if own.is_some_and(|own| own.eq_ignore_ascii_case(domain)) => Some(own),
            Some(domain) if own.is_none() && self.template.names_domain() => Some(Some(domain)),
            Some(_) => None,
            None if own.is_none() && self.template.needs_domain() => None,
            None => Some(own),
        }
    }

    async fn check_template(
        &self,
        ldap: &mut ldap3::Ldap,
        claim: &Claim,
        domain: Option<&str>,
        dn: &str,
    ) -> Result<Found, Trouble> {
        if !self.binds(ldap, dn, &claim.password).await? {
            return Ok(Found::Unknown);
        }
        let mut entries = self.search(ldap, dn, Scope::Base, "(objectClass=*)").await?;
        let entry = entries
            .pop()
            .ok_or_else(|| Trouble::new("a user may not read their own entry at the LDAP server"))?;
        if self.is_disabled(ldap, dn).await? {
            return Ok(Found::Disabled);
        }
        self.identity(&entry, claim, domain).map(Found::Right)
    }

    async fn check_search(
        &self,
        ldap: &mut ldap3::Ldap,
        claim: &Claim,
        domain: Option<&str>,
        (base, filter): (&str, &str),
        bind: Option<&(String, SecretText)>,
    ) -> Result<Found, Trouble> {
        if let Some((dn, password)) = bind
            && !self.binds(ldap, dn, password).await?
        {
            return Err(Trouble::new("the LDAP server refuses the DN and password to search with"));
        }
        let mut entries = self.search(ldap, base, Scope::Subtree, filter).await?;
        let Some(entry) = entries.pop() else { return Ok(Found::Unknown) };
        if !entries.is_empty() {
            return Err(Trouble::new("more than one entry at the LDAP server has this name"));
        }
        // A bind without a DN would be an anonymous one.
        if entry.dn.is_empty() {
            return Err(Trouble::new("an entry at the LDAP server has no DN"));
        }
        let is_disabled = self.is_disabled(ldap, &entry.dn).await?;
        let is_right = self.binds(ldap, &entry.dn, &claim.password).await?;
        match (is_right, is_disabled) {
            (true, false) => self.identity(&entry, claim, domain).map(Found::Right),
            (true, true) => Ok(Found::Disabled),
            (false, _) => Ok(Found::Wrong),
        }
    }

    async fn connect(&self) -> Result<ldap3::Ldap, Trouble> {
        if let Some((at, trouble)) = &*self.unreachable.lock()
            && at.elapsed() < NOT_AGAIN
        {
            return Err(trouble.clone());
        }
        // Less than everything together may take, so that it is known what took so long.
        let connecting = LdapConnAsync::with_settings(self.connecting.clone(), &self.settings.url);
        let connected = match timeout(self.settings.limit * 3 / 4, connecting).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(Trouble::new(format_args!("the LDAP server cannot be reached: {error}"))),
            Err(_) => Err(Trouble::new("the LDAP server cannot be reached in time")),
        };
        *self.unreachable.lock() = connected.as_ref().err().map(|trouble| (Instant::now(), trouble.clone()));
        let (connection, ldap) = connected?;
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "a connection to an LDAP server broke");
            }
        });
        Ok(ldap)
    }

    /// Whether the server takes this password for this DN. Neither may be empty.
    async fn binds(&self, ldap: &mut ldap3::Ldap, dn: &str, password: &SecretText) -> Result<bool, Trouble> {
        if dn.is_empty() || password.is_empty() {
            return Ok(false);
        }
        let result = ldap.simple_bind(dn, password.expose()).await.map_err(lost)?;
        match result.rc {
            0 => Ok(true),
            rc if REFUSALS.contains(&rc) => Ok(false),
            rc => Err(answered("a log-in", rc)),
        }
    }

    async fn search(
        &self,
        ldap: &mut ldap3::Ldap,
        base: &str,
        scope: Scope,
        filter: &str,
    ) -> Result<Vec<Entry>, Trouble> {
        let attributes: Vec<&str> = [Some(&self.name_attribute), self.settings.account_attribute.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let options = ldap3::SearchOptions::new().sizelimit(2);
        let found =
            ldap.with_search_options(options).search(base, scope, filter, attributes).await.map_err(lost)?;
        match found.1.rc {
            0 => found.0.into_iter().filter(|entry| !entry.is_ref()).map(Entry::of).collect(),
            NO_SUCH_OBJECT => Ok(Vec::new()),
            SIZE_LIMIT_EXCEEDED => Err(Trouble::new("more than one entry at the LDAP server has this name")),
            rc => Err(answered("a search", rc)),
        }
    }

    async fn is_disabled(&self, ldap: &mut ldap3::Ldap, dn: &str) -> Result<bool, Trouble> {
        let Some(filter) = &self.settings.disabled else { return Ok(false) };
        self.search(ldap, dn, Scope::Base, filter).await.map(|entries| !entries.is_empty())
    }

    /// Who it is by what the entry says, not by how the claim was spelled: servers compare names without case, and more.
    fn identity(&self, entry: &Entry, claim: &Claim, domain: Option<&str>) -> Result<Identity, Trouble> {
        let attribute = &self.name_attribute;
        let Some(name) = entry.value(attribute, &claim.user) else {
            return Err(Trouble::new(format_args!(
                "an entry at the LDAP server has no {attribute} that may be read"
            )));
        };
        if name.chars().any(char::is_control) || name.len() > LONGEST_NAME {
            return Err(Trouble::new(format_args!(
                "an entry at the LDAP server has a {attribute} that is no name"
            )));
        }
        let name = match domain {
            // Two domains of one server may both have an alice.
            Some(domain) if self.template.names_domain() && !name.contains('@') => {
                format!("{name}@{}", domain.to_ascii_lowercase())
            }
            _ => name.to_owned(),
        };
        let account =
            self.settings.account_attribute.as_ref().and_then(|attribute| entry.value(attribute, &name));
        let mut identity = Identity::new(&name, Proof::Password { directory: Arc::clone(&self.name) });
        identity.account = account.and_then(|account| account.parse::<Account>().ok());
        Ok(identity)
    }
}

fn lost(error: LdapError) -> Trouble {
    match error {
        LdapError::FilterParsing => Trouble::new("the filter for the LDAP server is none"),
        error => Trouble::new(format_args!("the connection to the LDAP server broke: {error}")),
    }
}

fn answered(what: &str, rc: u32) -> Trouble {
    let meaning = match rc {
        8 => "stronger authentication required",
        10 => "referral to another server",
        13 => "confidentiality required: use ldaps:// or start_tls",
        34 => "that is no DN",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        _ => "see RFC 4511, appendix A",
    };
    Trouble::new(format_args!("the LDAP server answered {what} with {rc} ({meaning})"))
}

/// Of a log-in that is refused: constraint violation (as a locked account), no such object, inappropriate authentication (as an entry without
/// a password), invalid credentials, unwilling to perform.
const REFUSALS: [u32; 5] = [19, NO_SUCH_OBJECT, 48, 49, 53];
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;
/// A server that could not be reached is not tried again for so long.
const NOT_AGAIN: Duration = Duration::from_secs(1);
/// The longest name, in bytes.
const LONGEST_NAME: usize = 256;
