//! What the desk writes down of an order before it is carried out, or when it is refused.
//!
//! An order that is carried out is always written down. Of what is refused, each caller may fill so much of the audit and no more, so that
//! nobody can push older lines out of it, or fill the disk, by asking for what they may not have: beyond that their attempts are counted,
//! and the number is written down each second.

use super::attempt::About;
use super::{Desk, Refused, Visit};
use crate::audit::{Asked, Entry, LONGEST_COMMAND, Verdict};
use crate::clock;
use crate::limits::Heard;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

impl Desk {
    /// Writes down that something was refused, and gives it back.
    pub(super) fn refuse(self: &Arc<Self>, visit: &Visit, about: &About<'_>, refused: Refused) -> Refused {
        self.counts.refuse(visit.door);
        if self.journal.is_none() {
            return refused;
        }
        match self.refusals().hear(&visit.counted(), weight(about.command), clock::steady()) {
            Heard::Write => {
                let rule = match &refused {
                    Refused::Denied { why } => why.clone(),
                    other => other.to_string(),
                };
                // Nothing is done, so that nothing must be written down first.
                _ = self.write(visit, about, Verdict::Refused, &rule);
            }
            Heard::Counted { first: true } => {
                tokio::spawn(self.clone().tell_counted(visit.clone(), about.form));
            }
            Heard::Counted { first: false } => {}
        }
        refused
    }

    /// Writes down how many attempts were counted only.
    async fn tell_counted(self: Arc<Self>, visit: Visit, form: &'static str) {
        sleep(COUNTED_FOR).await;
        let many = self.refusals().counted(&visit.counted());
        let rule = format!("{many} more attempts were refused: too many to be written down one by one");
        let about = About { form, command: "", switch: "" };
        _ = self.write(&visit, &about, Verdict::Refused, &rule);
    }

    /// Writes down what was asked; gives its number. `None` when there is no journal, or it need not be written.
    pub(super) fn write(
        &self,
        visit: &Visit,
        about: &About<'_>,
        verdict: Verdict,
        rule: &str,
    ) -> Result<Option<u64>, Refused> {
        let Some(journal) = &self.journal else { return Ok(None) };
        let account = visit.identity.account.as_ref().map(ToString::to_string).unwrap_or_default();
        let source = visit.source.map(|source| source.to_string()).unwrap_or_default();
        let asked = Asked {
            at: clock::now(),
            user: &visit.identity.name,
            proof: visit.identity.proof.word(),
            account: &account,
            source: &source,
            door: visit.door.word(),
            switch: about.switch,
            form: about.form,
            command: about.command,
            verdict,
            rule,
        };
        match journal.write(&Entry::Asked(asked)) {
            Ok(written) => Ok(Some(written.sequence)),
            Err(_) if self.rules.load().allow_unaudited => Ok(None),
            Err(trouble) => Err(Refused::Unaudited(trouble.to_string())),
        }
    }
}

/// About how many bytes of the audit a command takes: what is not plain is escaped.
fn weight(command: &str) -> u64 {
    let shown = &command.as_bytes()[..command.len().min(LONGEST_COMMAND)];
    let odd = shown.iter().filter(|byte| !matches!(byte, b' '..=b'~') || b"\"\\".contains(byte)).count();
    (REST_OF_A_LINE + shown.len() + 5 * odd) as u64
}

/// Of an `asked` line beside its command, about.
const REST_OF_A_LINE: usize = 512;
/// How long attempts are counted before the number is written down.
const COUNTED_FOR: Duration = Duration::from_secs(1);
