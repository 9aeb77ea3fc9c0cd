//! Users whom the users file does not know: the further directories of the configuration.
//!
//! The users file is asked first, by the gate of the API, which bounds and counts wrong passwords; who is not in it is asked of these, in their
//! order ([`Logins::check`]). Somebody of theirs has no role of the API: only the broker's rules let them do anything.

use crate::config::Config;
use crate::config::broker::Broker;
use arc_swap::ArcSwapOption;
use broker::directory::{
    Accept, Claim, Directories, Directory, FileSettings, FreeSwitch, Ldap, LdapSettings, Look, Outcome,
    PartFigures, Settings, SwitchSettings, XmlFiles,
};
use broker::{Desk, Identity};
use std::net::IpAddr;
use std::sync::Arc;

/// See the module.
#[derive(Default)]
pub struct Logins(ArcSwapOption<Directories>);

impl Logins {
    /// Takes the directories of a configuration, and forgets what those before remembered.
    ///
    /// # Errors
    /// What of them cannot be used; those before stay.
    pub fn apply(&self, config: &Config, desk: &Desk) -> Result<(), String> {
        self.0.store(open(config, desk)?.map(Arc::new));
        Ok(())
    }

    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        self.0.load().is_some()
    }

    /// Who made this claim and was right a moment ago.
    pub fn recall(&self, claim: &Claim) -> Option<Identity> {
        self.0.load().as_ref()?.recall(claim)
    }

    /// Asks them; `None` when there are none.
    pub async fn check(&self, claim: &Claim, source: Option<IpAddr>) -> Option<Outcome> {
        let directories = self.0.load_full()?;
        Some(directories.check(claim, source).await)
    }

    /// Counts and complaints of each.
    pub fn parts(&self) -> Vec<PartFigures> {
        self.0.load().as_ref().map(|directories| directories.parts()).unwrap_or_default()
    }
}

fn open(config: &Config, desk: &Desk) -> Result<Option<Directories>, String> {
    let broker = &config.broker;
    let mut directories: Vec<Arc<dyn Directory>> = Vec::new();
    for name in broker.directories.iter().map(String::as_str) {
        match name {
            "freeswitch" => directories.push(Arc::new(of_switch(config, desk)?)),
            "xml" => directories.push(Arc::new(of_files(config)?)),
            "ldap" => directories.push(Arc::new(of_ldap(broker)?)),
            // The users file; the gate asks it.
            _ => {}
        }
    }
    if directories.is_empty() {
        return Ok(None);
    }
    let settings = Settings {
        right_kept: broker.password_cache,
        refused_kept: broker.wrong_password_cache,
        ..Settings::default()
    };
    Directories::new(directories, settings).map(Some).map_err(|trouble| trouble.to_string())
}

fn of_switch(config: &Config, desk: &Desk) -> Result<FreeSwitch, String> {
    let settings = &config.broker.freeswitch;
    let named = Some(settings.switch.as_str()).filter(|name| !name.is_empty());
    let switch = desk.switch(named).map_err(|error| format!("broker.freeswitch.switch: {error}"))?;
    let settings = SwitchSettings {
        accept: accept("broker.freeswitch.accept", &settings.accept)?,
        default_domain: domain(config),
        disabled_by: given(&settings.disabled_by),
        ..SwitchSettings::default()
    };
    Ok(FreeSwitch::new("freeswitch", settings, switch.upstream.clone()))
}

fn of_files(config: &Config) -> Result<XmlFiles, String> {
    let settings = &config.broker.xml;
    let path = settings.path.clone().ok_or("broker.xml.path is not set")?;
    // FreeSWITCH's own layout: conf/vars.xml beside conf/directory.
    let beside = path.parent().map(|folder| folder.join("vars.xml")).filter(|file| file.is_file());
    let settings = FileSettings {
        variables_from: beside,
        accept: accept("broker.xml.accept", &settings.accept)?,
        default_domain: domain(config),
        disabled_by: given(&settings.disabled_by),
        variables: domain(config).map(|domain| ("domain".into(), domain)).into_iter().collect(),
        ..FileSettings::new(path)
    };
    Ok(XmlFiles::new("xml", settings))
}

fn of_ldap(broker: &Broker) -> Result<Ldap, String> {
    let ldap = &broker.ldap;
    let look = match ldap.bind_dn.as_str() {
        "" => Look::Search {
            bind: (!ldap.search_bind_dn.is_empty())
                .then(|| (ldap.search_bind_dn.clone(), ldap.search_password.expose().into())),
            base: ldap.search_base.clone(),
            filter: ldap.filter.clone(),
        },
        template => Look::Template(template.to_owned()),
    };
    let settings = LdapSettings {
        start_tls: ldap.start_tls,
        allow_plain: ldap.allow_plain,
        authorities: ldap.ca_file.clone(),
        account_attribute: given(&ldap.account_attribute),
        name_attribute: given(&ldap.name_attribute),
        domain: given(&ldap.domain),
        disabled: given(&ldap.disabled_by),
        limit: ldap.timeout,
        ..LdapSettings::new(&ldap.url, look)
    };
    Ldap::new("ldap", settings).map_err(|trouble| format!("broker.ldap: {trouble}"))
}

fn accept(key: &str, words: &[String]) -> Result<Vec<Accept>, String> {
    words.iter().map(|word| word.parse().map_err(|error| format!("{key}: {error}"))).collect()
}

fn domain(config: &Config) -> Option<String> {
    given(&config.freeswitch.default_domain)
}

/// What a key says, if anything.
fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
