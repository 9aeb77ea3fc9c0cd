//! DNs and filters with a place for the name: [`Template`].

use super::super::Trouble;
use ldap3::{dn_escape, ldap_escape, parse_filter};

/// See [`super::LdapSettings`] for what may stand in it.
pub(super) struct Template {
    text: String,
    is_dn: bool,
}

impl Template {
    /// Of a DN.
    pub(super) fn of_dn(text: &str) -> Result<Template, Trouble> {
        if !text.contains('=') {
            return Err(Trouble::new(
                "the template is no DN; write it as \"uid={user},ou=people,dc=example,dc=org\"",
            ));
        }
        Template::of(text, true)
    }

    /// Of a filter.
    pub(super) fn of_filter(text: &str) -> Result<Template, Trouble> {
        let template = Template::of(text, false)?;
        check_filter(&template.fill("user", Some("domain")))?;
        Ok(template)
    }

    fn of(text: &str, is_dn: bool) -> Result<Template, Trouble> {
        let template = Template { text: text.to_owned(), is_dn };
        let has = |place: &str| text.contains(place);
        if !has("{user}") && !has("{login}") {
            return Err(Trouble::new(format_args!(
                "{text:?} needs {{user}} or {{login}} where the name goes"
            )));
        }
        Ok(template)
    }

    /// The attribute that the name, or else the login, is compared with.
    pub(super) fn attribute(&self) -> Option<String> {
        let of = |place: &str| {
            let (before, _) = self.text.split_once(&format!("={place}"))?;
            let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-').map_or(0, |at| at + 1);
            (start < before.len()).then(|| before[start..].to_owned())
        };
        of("{user}").or_else(|| of("{login}"))
    }

    /// Whether the domain makes a difference.
    pub(super) fn names_domain(&self) -> bool {
        self.needs_domain() || self.text.contains("{login}")
    }

    /// Whether nothing can be asked without a domain.
    pub(super) fn needs_domain(&self) -> bool {
        self.text.contains("{domain}")
    }

    /// With the name in its places, escaped; what a name holds is not looked at again.
    pub(super) fn fill(&self, user: &str, domain: Option<&str>) -> String {
        let login = domain.map(|domain| format!("{user}@{domain}"));
        let places = [
            ("{user}", user),
            ("{domain}", domain.unwrap_or_default()),
            ("{login}", login.as_deref().unwrap_or(user)),
        ];
        let (mut out, mut rest) = (String::new(), &*self.text);
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            match places.iter().find(|(place, _)| rest.starts_with(place)) {
                Some((place, value)) => {
                    out.push_str(&if self.is_dn { dn_escape(*value) } else { ldap_escape(*value) });
                    rest = &rest[place.len()..];
                }
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }
}

/// Whether it is a filter (RFC 4515).
pub(super) fn check_filter(text: &str) -> Result<(), Trouble> {
    let wrong = |_| {
        Trouble::new(format_args!(
            "{text:?} is no filter; write it as \"(&(objectClass=person)(uid={{user}}))\""
        ))
    };
    parse_filter(text).map(|_| ()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_value_whatever_is_in_it() {
        let dn = Template::of_dn("uid={user},ou={domain},dc=example").unwrap();
        assert_eq!(dn.fill("a+b", Some("c.d")), "uid=a\\2bb,ou=c.d,dc=example");
        assert_eq!(dn.fill("a,ou=x", Some("#y ")), "uid=a\\2cou\\3dx,ou=\\23y\\20,dc=example");
        assert_eq!(dn.fill("{domain}", Some("{user}")), "uid={domain},ou={user},dc=example");
        let filter = Template::of_filter("(&(objectClass=person)(|(uid={user})(mail={login})))").unwrap();
        let filled = filter.fill("a)(uid=*", Some("b\\"));
        assert_eq!(filled, "(&(objectClass=person)(|(uid=a\\29\\28uid=\\2a)(mail=a\\29\\28uid=\\2a@b\\5c)))");
        assert!(check_filter(&filled).is_ok());
        assert_eq!(filter.fill("a", None), "(&(objectClass=person)(|(uid=a)(mail=a)))");
        assert!(!dn.fill("a\0", None).contains('\0') && !filter.fill("a\0", None).contains('\0'));
    }

    #[test]
    fn the_names_attribute_is_the_one_that_it_is_compared_with() {
        for (text, attribute) in [
            ("(&(objectClass=person)(uid={user}))", Some("uid")),
            ("(|(mail={login})(sAMAccountName={user}))", Some("sAMAccountName")),
            ("(mail={login})", Some("mail")),
            ("(uid=x-{user})", None),
            ("(uid>={user})", None),
        ] {
            assert_eq!(Template::of_filter(text).unwrap().attribute().as_deref(), attribute, "{text}");
        }
        assert_eq!(Template::of_dn("cn={user},dc=example").unwrap().attribute().as_deref(), Some("cn"));
    }

    #[test]
    fn what_has_no_place_for_the_name_is_refused() {
        assert!(Template::of_dn("uid=admin,dc=example").is_err() && Template::of_dn("{user}").is_err());
        for filter in ["(uid=admin)", "(uid={user}", "(&(uid={user})", ""] {
            assert!(Template::of_filter(filter).is_err(), "{filter}");
        }
    }
}
