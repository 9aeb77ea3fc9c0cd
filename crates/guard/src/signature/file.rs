//! An operator's file of signatures: one a line, `#` begins a comment line, `!` before a built-in one switches it off.
//!
//! A file with a mistake changes nothing; all its mistakes are told with their lines. Start with [`read`].

use super::{BadPattern, MOST, Origin, Pattern, Signature, built_in};
use std::collections::HashSet;
use std::fmt;

/// A mistake in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Its line, from 1.
    pub line: u32,
    /// What is wrong, and the mend.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// The most bytes that a file may have.
pub const LARGEST: u64 = 256 * 1024;
/// The most mistakes that are told.
const TOLD: usize = 20;

/// The signatures in force with this file: the built-in ones that it leaves on, and its own.
///
/// # Errors
/// The mistakes, at least one.
pub fn read(text: &str) -> Result<Vec<Signature>, Vec<Mistake>> {
    let (mut off, mut own, mut mistakes) = (HashSet::new(), Vec::new(), Vec::new());
    let known: HashSet<Pattern> =
        built_in::all(|_| false).into_iter().map(|signature| signature.pattern).collect();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut wrong = |text: String| {
            if mistakes.len() < TOLD {
                mistakes.push(Mistake { line: number, text });
            }
        };
        let (is_off, name) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
        match Pattern::new(name) {
            Ok(pattern) if is_off => match whole(&known, &pattern) {
                Some(pattern) => _ = off.insert(pattern.clone()),
                None => wrong(format!(
                    "no built-in signature is \"{name}\"; `switchward signatures` lists them, and what this file adds is switched off by \
                     taking its line out"
                )),
            },
            Ok(_) if own.len() == MOST - built_in::ALL.len() => {
                wrong(format!("more than {MOST} signatures with the built-in ones"));
                break;
            }
            Ok(pattern) => own.push(Signature::new(pattern, Origin::File(number), "")),
            Err(error) => {
                let mend = match error {
                    BadPattern::TooShort => "; write more of the user agent, so that no healthy one has it",
                    BadPattern::TooLong => "; a part of the user agent is enough",
                    BadPattern::BadCharacter => "",
                };
                wrong(format!("{error}{mend}"));
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut list = built_in::all(|pattern| off.contains(pattern));
    let mut there: HashSet<Pattern> = list.iter().map(|signature| signature.pattern.clone()).collect();
    own.retain(|signature| there.insert(signature.pattern.clone()));
    list.append(&mut own);
    Ok(list)
}

/// The built-in signature of that text, with its marks or without them.
fn whole<'a>(known: &'a HashSet<Pattern>, wanted: &Pattern) -> Option<&'a Pattern> {
    known.get(wanted).or_else(|| {
        let is_bare = !wanted.at_start && !wanted.at_end;
        known.iter().find(|pattern| is_bare && pattern.text == wanted.text)
    })
}
