//! What is wrong with a configuration, in words that tell the mend.
//!
//! [`Problem`] is one finding, [`Problems`] all of them; neither ever holds the text of a password.

use std::fmt;

/// Whether the daemon starts in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It starts; the operator should have a look.
    Warning,
    /// It does not start.
    Error,
}

/// One finding. Its text reads `FILE:LINE:COLUMN: KEY: found F, expected E; MEND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Warning or error.
    pub severity: Severity,
    /// The file, or `environment`.
    pub file: String,
    /// Line from 1; 0 when the problem stands in no line.
    pub line: u32,
    /// Column in characters from 1; 0 when the problem stands in no line.
    pub column: u32,
    /// The key's path (`security.rate_limit.call_rate_limit`, `switch[1].port`), the variable's name, or empty.
    pub key: String,
    /// What is there.
    pub found: String,
    /// What should be there.
    pub expected: String,
    /// What to do; may be empty.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": found {}, expected {}", self.found, self.expected)?;
        if !self.mend.is_empty() {
            write!(f, "; {}", self.mend)?;
        }
        Ok(())
    }
}

/// Every finding of a configuration that cannot be used: at least one error, and the warnings, by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The findings that stop the start.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter().filter(|problem| problem.severity == Severity::Error)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let word = match problem.severity {
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            write!(f, "{}{word}: {problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
