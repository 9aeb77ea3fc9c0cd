//! Ends a call at its switch, and tells when the switch does not.
//!
//! A bare `uuid_kill` would not be taken, so it goes as `api uuid_kill UUID CAUSE`, and the answer is checked. The guard asks again until it
//! sees the end of the call; when the switch has no such call any more, the guard is told. Start with [`hang_up`].

use crate::app::App;
use crate::clock;
use crate::news::Event;
use crate::switch::Switch;
use guard::{Alert, AlertKind, Source, Time};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// A call to be ended.
pub(crate) struct Ending {
    /// The switch's name of it, as it sent it.
    pub(crate) call: String,
    /// The cause to give.
    pub(crate) cause: &'static str,
    /// Where it came from.
    pub(crate) source: Source,
    /// Why.
    pub(crate) why: String,
}

/// The hang-ups that a switch did not do, told of now and then.
#[derive(Default)]
pub(crate) struct Missed(Mutex<(Option<Time>, u64)>);

/// The longest that a hang-up may take.
const WITHIN: Duration = Duration::from_secs(10);
/// A person is told about one switch at most this often.
const TELL_EVERY: Duration = Duration::from_secs(300);

impl Missed {
    /// Whether a person is to be told now; how many were not told of since the last time.
    fn is_due(&self, now: Time) -> Option<u64> {
        let (last, unsaid) = &mut *self.0.lock();
        if last.is_some_and(|last| now >= last && now.since(last) < TELL_EVERY) {
            *unsaid += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unsaid))
    }
}

/// Ends a call.
pub(crate) async fn hang_up(app: Arc<App>, switch: Arc<Switch>, what: Ending) {
    let Err(reason) = asked(&app, &switch, &what).await else { return };
    tracing::warn!(switch = switch.name, call = what.call, "could not hang up: {reason}");
    let Some(unsaid) = switch.missed.is_due(clock::now()) else { return };
    let more = if unsaid > 0 { format!("; {unsaid} more since the last alert") } else { String::new() };
    let text = format!(
        "a call should be ended at {} and is not ({reason}): {}{more}. If it goes on, end it by hand: uuid_kill {}",
        switch.name, what.why, what.call
    );
    let alert = Alert { kind: AlertKind::CallNotEnded, source: what.source, text };
    tracing::error!(switch = switch.name, alert = alert.kind.word(), source = %alert.source, "alert");
    app.mirror.news().tell(Event::Alert { switch: switch.name.clone(), alert });
}

/// Asks the switch; why it did not do it.
async fn asked(app: &App, switch: &Switch, what: &Ending) -> Result<(), String> {
    // With inbound-use-callid-as-uuid the caller chooses the name of his call; in the event it is encoded.
    let call = decoded(&what.call);
    let is_name = !call.is_empty()
        && call.len() <= 256
        && call.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
    if !is_name {
        return Err("its name cannot be a command's argument".into());
    }
    match switch.commands.api(&format!("uuid_kill {call} {}", what.cause), WITHIN).await {
        Ok(answer) if answer.starts_with(b"+OK") => {
            tracing::info!(switch = switch.name, call, "hung up");
            Ok(())
        }
        Ok(answer) if answer.starts_with(b"-ERR No such channel") => {
            tracing::info!(switch = switch.name, call, "the call to be hung up has ended by itself");
            app.guard.fraud().call_is_gone(switch.number, what.call.as_bytes(), clock::now());
            Ok(())
        }
        Ok(answer) => {
            let answer = guard::printable(answer[..answer.len().min(200)].trim_ascii_end());
            Err(format!("the switch answered {answer:?} and not +OK"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Without percent-encoding; what is no UTF-8 then has characters that no name may have.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    esl::percent::decode_into(text.as_bytes(), &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_hangs_nothing_up_is_told_of_now_and_then() {
        let missed = Missed::default();
        let at = |secs: u64| Time::from_secs(1_000_000 + secs);
        assert_eq!(missed.is_due(at(0)), Some(0));
        assert_eq!((missed.is_due(at(1)), missed.is_due(at(299))), (None, None));
        assert_eq!(missed.is_due(at(300)), Some(2));
        assert_eq!(missed.is_due(at(301)), None);
        assert_eq!(missed.is_due(at(10)), Some(1), "a clock that is set back silences nothing");
    }
}
