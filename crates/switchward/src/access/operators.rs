//! Where operators are: whoever proves the credential of an operator or administrator makes the address that it comes from one that no
//! rule bans, for some hours.
//!
//! [`note`] is told of each proof, [`sweep`] takes back what rests on a credential that is no longer good. The guard keeps the table
//! ([`guard::engine::Operator`]).

use super::{Proof, Role, Who};
use crate::app::App;
use crate::clock;
use guard::engine::Operator;

/// Somebody proved who they are, at whichever door. A viewer's credential, and whoever comes from this machine, change nothing.
pub fn note(app: &App, who: &Who) {
    let (Some(peer), Some(role)) = (who.peer, who.role) else { return };
    let Some(kind) = kind(who.proof) else { return };
    if role < Role::Operator || peer.is_loopback() || peer.is_unspecified() {
        return;
    }
    let name = format!("{kind} {}", who.name);
    if app.guard.proved(peer, &name, clock::now()) {
        tracing::info!(%peer, name, %role, "proved a credential from there: no rule bans that address for the next 12 hours");
    }
}

/// Forgets the addresses of credentials that were revoked, have expired or have no such role any more; once a second.
pub fn sweep(app: &App) {
    let access = &app.access;
    app.guard.keep_operators(|Operator { name, .. }| match name.split_once(' ') {
        Some((TOKEN, name)) => access.role_of_token(name).is_some_and(|role| role >= Role::Operator),
        Some((USER, name)) => access.role_of_user(name).is_some_and(|role| role >= Role::Operator),
        // There is no list of certificates; one that is withdrawn runs out.
        _ => true,
    });
}

/// What sort of credential it is. The Unix socket is no address, and an address alone proves nothing.
fn kind(proof: Proof) -> Option<&'static str> {
    match proof {
        Proof::Token => Some(TOKEN),
        Proof::Basic => Some(USER),
        Proof::Certificate => Some("certificate"),
        Proof::None | Proof::Socket => None,
    }
}

const TOKEN: &str = "token";
const USER: &str = "user";
