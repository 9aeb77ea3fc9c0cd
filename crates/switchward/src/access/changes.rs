//! What became of tokens and users in their files: rows for the audit, lines for the log.
//!
//! The command line writes the files without asking the daemon, which compares what they say now with what they said before
//! ([`look`], once a second and at SIGHUP). Names and roles are told, never a secret or its sum. Start there.

use super::Access;
use super::book::Held;
use super::record::brief;
use super::tokens::Tokens;
use super::users::Users;
use crate::app::App;
use crate::clock;
use crate::store::Audited;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the files said when they were last compared.
pub(crate) struct Before(Mutex<Files>);

/// The two files.
type Files = (Arc<Held<Tokens>>, Arc<Held<Users>>);

impl Before {
    pub(crate) fn new(tokens: Arc<Held<Tokens>>, users: Arc<Held<Users>>) -> Before {
        Before(Mutex::new((tokens, users)))
    }
}

/// Follows the files, and writes down what has changed in them. Reads a disk: not for the threads of a runtime.
pub fn look(app: &App) {
    app.access.tick();
    for (action, detail) in since(&app.access) {
        tracing::info!(action, detail, "changed in the file");
        let Some(store) = app.mirror.store() else { continue };
        let nobody = String::new;
        store.audit(Audited {
            at: clock::now(),
            who: nobody(),
            role: nobody(),
            source: nobody(),
            door: "file".into(),
            action: action.into(),
            detail,
            status: 200,
            result: "done".into(),
            micros: 0,
        });
    }
}

/// What was done to whom since the last time.
fn since(access: &Access) -> Vec<(&'static str, String)> {
    let mut before = access.before.0.lock();
    let (tokens, users) = (access.tokens.held(), access.users.held());
    let mut changes = Vec::new();
    if before.0.generation != tokens.generation {
        compare_tokens(&before.0.value, &tokens.value, &mut changes);
    }
    if before.1.generation != users.generation {
        compare_users(&before.1.value, &users.value, &mut changes);
    }
    *before = (tokens, users);
    changes
}

fn compare_tokens(old: &Tokens, new: &Tokens, changes: &mut Vec<(&'static str, String)>) {
    let by_id = |tokens: &Tokens| -> BTreeMap<_, _> {
        tokens.standing().map(|token| (token.id(), token.clone())).collect()
    };
    let (old, new) = (by_id(old), by_id(new));
    for (id, token) in &new {
        let action = match old.get(id) {
            None => "token made",
            Some(before) if before != token => "token changed",
            Some(_) => continue,
        };
        changes.push((action, format!("{} ({})", brief(&token.name), token.role)));
    }
    let gone = old.iter().filter(|(id, _)| !new.contains_key(*id));
    changes
        .extend(gone.map(|(_, token)| ("token revoked", format!("{} ({})", brief(&token.name), token.role))));
}

fn compare_users(old: &Users, new: &Users, changes: &mut Vec<(&'static str, String)>) {
    let by_name = |users: &Users| -> BTreeMap<_, _> {
        users.users.iter().map(|user| (user.name.clone(), user.clone())).collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    for (name, user) in &new {
        let mut tell = |action| changes.push((action, format!("{} ({})", brief(name), user.role)));
        let Some(before) = old.get(name) else {
            tell("user added");
            continue;
        };
        if before.role != user.role {
            tell("user's role changed");
        }
        if before.password != user.password {
            tell("user's password set");
        }
        match (before.disabled, user.disabled) {
            (false, true) => tell("user disabled"),
            (true, false) => tell("user enabled"),
            _ => {}
        }
    }
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    changes.extend(gone.map(|(name, user)| ("user removed", format!("{} ({})", brief(name), user.role))));
}
