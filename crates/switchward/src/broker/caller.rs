//! Who asks over HTTP, as the broker knows them.
//!
//! The API's gate has looked at the credential; here it becomes an [`Identity`] with the roles of the broker that come with the
//! credential's role of the API. The rules add what is written for the name.

use crate::access::{self, Role, Who};
use crate::app::App;
use crate::config::Config;
use broker::desk::{Door, Visit};
use broker::{Identity, Proof};
use std::sync::Arc;

/// Somebody who asks over HTTP.
pub fn visit(app: &App, who: &Who) -> Visit {
    let door = match who.door {
        access::Door::Http => Door::Http,
        access::Door::Https => Door::Https,
        access::Door::Socket => Door::Socket,
        access::Door::Esl => Door::Esl,
        access::Door::EslTls => Door::EslTls,
        access::Door::EslSocket => Door::EslSocket,
    };
    Visit { identity: identity(app, who), source: who.peer, door }
}

/// Who somebody is to the broker.
pub fn identity(app: &App, who: &Who) -> Identity {
    let mut identity = match &who.identity {
        Some(identity) => Identity::clone(identity),
        None => of_credential(&app.config.load(), who),
    };
    if identity.account.is_none() {
        identity.account = app.desk.rules().book.account(&identity.name).cloned();
    }
    identity
}

fn of_credential(config: &Config, who: &Who) -> Identity {
    let mut identity = match who.proof {
        access::Proof::None => return Identity::nobody(),
        access::Proof::Token => Identity::new(&format!("token:{}", who.name), Proof::Token),
        access::Proof::Basic => Identity { name: who.name.clone(), ..Identity::new("", password()) },
        access::Proof::Certificate => Identity::new(&format!("cert:{}", who.name), Proof::Certificate),
        access::Proof::Socket => {
            let uid = who.name.strip_prefix("uid ").and_then(|uid| uid.parse().ok());
            let name = uid.map_or_else(|| "uid:unknown".to_owned(), |uid: u32| format!("uid:{uid}"));
            let mut identity = Identity::new(&name, Proof::Socket);
            // Whoever may open the socket may do everything with the guard; the switch is another matter.
            if uid.is_some_and(|uid| uid == 0 || uid == rustix::process::geteuid().as_raw()) {
                identity.roles.push("admin".into());
            }
            return identity;
        }
    };
    identity.roles = who.role.map(|role| roles(config, role).to_vec()).unwrap_or_default();
    identity
}

fn password() -> Proof {
    Proof::Password { directory: Arc::from(USERS) }
}

/// The users file among the directories.
pub const USERS: &str = "users";

/// The broker's roles of whoever has this role of the API.
pub fn roles(config: &Config, role: Role) -> &[String] {
    match role {
        Role::Viewer => &config.broker.viewer_roles,
        Role::Operator => &config.broker.operator_roles,
        Role::Admin => &config.broker.admin_roles,
    }
}
