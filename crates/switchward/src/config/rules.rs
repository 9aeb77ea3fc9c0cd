//! What `[[rules]]` says: changes of built-in rules of the guard, and rules of the operator's own.
//!
//! An entry is a [`guard::rule::RuleChange`] as the guard wants it. Here are its words; [`check()`] finds what is wrong with the rules as a
//! whole, first of all those that could never fire.

mod check;

pub(super) use check::check;

use super::choice::Choice;
use guard::rule::{Action, Applies, Distinct, KeyKind};

use guard::{Evidence, Scope};

/// The words of a table of them.
const fn words_of<T, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let (mut words, mut n) = ([""; N], 0);
    while n < N {
        words[n] = table[n].0;
        n += 1;
    }
    words
}

/// Values that may be absent, out of a table with their words.
macro_rules! chosen {
    ($($type:ty = $table:expr, $count:literal;)+) => {
        $(impl Choice for Option<$type> {
            fn words(&self) -> &'static [&'static str] {
                static WORDS: [&str; $count] = words_of(&$table);
                &WORDS
            }

            fn word(&self) -> &'static str {
                let table = $table;
                table.iter().find(|(_, value)| *self == Some(*value)).map_or("", |(word, _)| *word)
            }

            fn choose(&mut self, word: &str) -> bool {
                let table = $table;
                let found = table.iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
                found.map(|(_, value)| *self = Some(*value)).is_some()
            }
        })+
    };
}

chosen! {
    KeyKind = KeyKind::WORDS, 9;
    Option<Distinct> = DISTINCT, 4;
    Applies = Applies::WORDS, 4;
    Action = Action::WORDS, 2;
    Scope = [("sip", Scope::Sip), ("all", Scope::All)], 2;
    Evidence = [("forgeable", Evidence::Forgeable), ("likely", Evidence::Likely), ("proven", Evidence::Proven)], 3;
}

/// "none" undoes what a built-in rule tells apart.
const DISTINCT: [(&str, Option<Distinct>); 4] = {
    let [accounts, sources, nets] = Distinct::WORDS;
    [("none", None), (accounts.0, Some(accounts.1)), (sources.0, Some(sources.1)), (nets.0, Some(nets.1))]
};
