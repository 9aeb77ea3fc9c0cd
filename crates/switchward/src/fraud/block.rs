//! Blocks an account: the operator's command, with the account put in, through the switch's command pool.
//!
//! The account is what the switch's directory calls it, but a directory may hold anything; only names that can be no second argument, no
//! second command and no option are put in. The answer must be "+OK": a switch that says nothing has perhaps done nothing.

use crate::app::App;
use crate::clock;
use crate::news::Event;
use crate::store::Audited;
use crate::switch::Switch;
use guard::{Alert, AlertKind, Source, printable};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An account to be blocked.
pub(crate) struct Blocking {
    /// User part, as the switch sent it.
    pub(crate) user: String,
    /// Domain, likewise.
    pub(crate) domain: String,
    /// Why.
    pub(crate) why: String,
    /// Where the call came from.
    pub(crate) source: Source,
}

/// The longest that it may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Blocks an account at its switch, and tells what came of it.
pub(crate) async fn block(app: Arc<App>, switch: Arc<Switch>, what: Blocking) {
    let template = app.config.load().fraud.block_command.clone();
    let account = format!("{}@{}", printable(what.user.as_bytes()), printable(what.domain.as_bytes()));
    if app.is_dry() {
        tracing::info!(switch = switch.name, "an account would be blocked; this is a dry run");
        return;
    }
    let (asked, at) = (Instant::now(), clock::now());
    let outcome = match filled(&template, &what.user, &what.domain) {
        Ok(command) => run(&switch, &command).await,
        Err(reason) => Err(reason),
    };
    let (kind, text) = match &outcome {
        Ok(()) => {
            tracing::warn!(switch = switch.name, source = %what.source, "an account is blocked because of fraud");
            let text = format!(
                "{account} is blocked at {}: {}. Change its password before it is unblocked",
                switch.name, what.why
            );
            (AlertKind::AccountBlocked, text)
        }
        Err(reason) => {
            tracing::error!(switch = switch.name, source = %what.source, "an account could not be blocked: {reason}");
            let text = format!(
                "{account} should be blocked at {} and is not ({reason}): {}. Block it by hand",
                switch.name, what.why
            );
            (AlertKind::AccountNotBlocked, text)
        }
    };
    if let Some(store) = app.mirror.store() {
        store.audit(Audited {
            at,
            who: "guard".into(),
            role: String::new(),
            source: what.source.to_string(),
            door: "guard".into(),
            action: format!("block account at {}", switch.name),
            detail: account,
            status: if outcome.is_ok() { 200 } else { 502 },
            result: outcome.err().unwrap_or_else(|| "done".into()),
            micros: u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX),
        });
    }
    let alert = Alert { kind, source: what.source, text };
    app.mirror.news().tell(Event::Alert { switch: switch.name.clone(), alert });
}

async fn run(switch: &Switch, command: &str) -> Result<(), String> {
    match switch.commands.api(command, WITHIN).await {
        Ok(answer) if answer.starts_with(b"+OK") => Ok(()),
        Ok(answer) => {
            let answer = printable(answer[..answer.len().min(200)].trim_ascii_end());
            Err(format!("the switch answered {answer:?} and not +OK"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a text is a command that can be filled in: `api ...` with `{user}`, perhaps `{domain}`, and no other braces.
pub(crate) fn is_block_command(text: &str) -> bool {
    let bare = text.replace("{user}", "").replace("{domain}", "");
    text.len() <= 1000
        && text.starts_with("api ")
        && text.contains("{user}")
        && !bare.contains(['{', '}'])
        && !text.contains(char::is_control)
}

/// The command without its "api ", with the account put in.
fn filled(template: &str, user: &str, domain: &str) -> Result<String, String> {
    let Some(command) = template.strip_prefix("api ").filter(|_| is_block_command(template)) else {
        return Err("fraud.block_command is not set".into());
    };
    if !is_plain(user) || (template.contains("{domain}") && !is_plain(domain)) {
        return Err("the account's name cannot be an argument of a command".into());
    }
    Ok(command.replace("{user}", user).replace("{domain}", domain))
}

/// Letters, digits and what account names and domains have besides, an option's dash not in front.
fn is_plain(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    (1..=64).contains(&name.len()) && name.bytes().all(known) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_put_in_only_when_it_can_be_nothing_else() {
        let template = "api lua block.lua {user} {domain}";
        assert_eq!(filled(template, "1003", "pbx.example").unwrap(), "lua block.lua 1003 pbx.example");
        assert_eq!(filled("api lua b.lua {user}", "1003", "").unwrap(), "lua b.lua 1003");
        for (user, domain) in [
            ("1003 9999", "pbx.example"),
            ("1003;system", "pbx.example"),
            ("1003\n\napi system id", "pbx.example"),
            ("-x", "pbx.example"),
            ("", "pbx.example"),
            ("1003", ""),
            ("1003", "pbx.example|reboot"),
            ("${user}", "pbx.example"),
            ("{domain}", "x y"),
            ("\u{e9}", "pbx.example"),
            (&"1".repeat(65), "pbx.example"),
        ] {
            assert!(filled(template, user, domain).is_err(), "{user:?}@{domain:?}");
        }
        assert!(filled("", "1003", "pbx.example").unwrap_err().contains("fraud.block_command"));
        for wrong in
            ["lua x {user}", "api lua x", "api lua {user} {port}", "api lua {user}\nx", "bgapi lua {user}"]
        {
            assert!(!is_block_command(wrong), "{wrong}");
        }
    }
}
