//! The problems found so far, and where each key was set: what a later check needs to point at the right line.

use std::collections::BTreeMap;

use super::problem::{Problem, Problems, Severity};

/// Where a key was set, and under which name the operator knows it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) key: String,
}

impl Place {
    /// Set by a variable of the environment.
    pub(super) fn variable(name: &str) -> Self {
        Self { file: ENVIRONMENT.into(), line: 0, column: 0, key: name.into() }
    }

    pub(super) fn is_variable(&self) -> bool {
        self.file == ENVIRONMENT
    }
}

/// Collects; [`Findings::finish`] sorts.
pub(super) struct Findings {
    file: String,
    problems: Vec<Problem>,
    places: BTreeMap<String, Place>,
}

impl Findings {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.into(), problems: Vec::new(), places: BTreeMap::new() }
    }

    /// Remembers that the key `path` was set at `place`; the last place wins.
    pub(super) fn set(&mut self, path: &str, place: Place) {
        self.places.insert(path.into(), place);
    }

    /// Where the key was set, when it was.
    pub(super) fn place(&self, path: &str) -> Option<&Place> {
        self.places.get(path)
    }

    /// A place in the file, or the file alone for a key that has its default.
    pub(super) fn at(&self, path: &str) -> Place {
        let default = || Place { file: self.file.clone(), line: 0, column: 0, key: path.into() };
        self.places.get(path).cloned().unwrap_or_else(default)
    }

    pub(super) fn error(&mut self, place: Place, found: &str, expected: &str, mend: &str) {
        self.push(Severity::Error, place, found, expected, mend);
    }

    pub(super) fn warning(&mut self, place: Place, found: &str, expected: &str, mend: &str) {
        self.push(Severity::Warning, place, found, expected, mend);
    }

    fn push(&mut self, severity: Severity, place: Place, found: &str, expected: &str, mend: &str) {
        let Place { file, line, column, key } = place;
        let (found, expected, mend) = (found.into(), expected.into(), mend.into());
        self.problems.push(Problem { severity, file, line, column, key, found, expected, mend });
    }

    /// The warnings, or everything when there is an error; the file's lines in order, then the environment.
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, Problems> {
        self.problems.sort_by_key(|problem| (problem.file == ENVIRONMENT, problem.line, problem.column));
        let refused = self.problems.iter().any(|problem| problem.severity == Severity::Error);
        self.cut(refused);
        match refused {
            true => Err(Problems(self.problems)),
            false => Ok(self.problems),
        }
    }

    /// Nobody reads more than the first; a text of a megabyte can have a hundred thousand.
    fn cut(&mut self, refused: bool) {
        let Some(more) = self.problems.len().checked_sub(MOST).filter(|more| *more > 0) else { return };
        self.problems.sort_by_key(|problem| problem.severity == Severity::Warning);
        self.problems.truncate(MOST);
        let place = Place { file: self.file.clone(), line: 0, column: 0, key: String::new() };
        let severity = if refused { Severity::Error } else { Severity::Warning };
        self.push(severity, place, &format!("{more} more problems"), "none", "mend these first");
    }
}

const ENVIRONMENT: &str = "environment";
/// Problems that are told.
const MOST: usize = 100;
