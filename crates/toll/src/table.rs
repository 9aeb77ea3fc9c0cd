//! The operator's own prices: prefixes with a name, a class and a cost per minute.
//!
//! CSV, one prefix a line: `prefix,name,class,cost`. A first line that begins with "prefix" is a heading; `#` begins a comment. The
//! prefix is E.164 with or without a plus, or `@class` for all of a class that no prefix names. An empty class is found out from the
//! number, an empty cost is that of the class; the class `internal` is not looked at by any rule.

use crate::class::{Class, Cost};
use std::collections::HashMap;
use std::sync::Arc;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// E.164 digits.
    pub prefix: Box<str>,
    /// The operator's name for it.
    pub name: Option<Arc<str>>,
    /// Its class, when it is not that of the number.
    pub class: Option<Class>,
    /// What a minute costs.
    pub cost: Option<Cost>,
    /// Whether calls there are none of the fraud rules' business: numbers of the operator's own.
    pub is_internal: bool,
}

/// The operator's prices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    rows: HashMap<Box<str>, Row>,
    usual: [Option<Cost>; Class::ALL.len()],
}

/// What is wrong with a table, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TableError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong and what was expected.
    pub reason: String,
}

/// Most rows of a table.
const MOST_ROWS: usize = 200_000;
/// Longest name, in characters.
const LONGEST_NAME: usize = 64;

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// The first line that cannot be used.
    pub fn parse(text: &str) -> Result<Table, TableError> {
        let mut table = Table::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true).trim(csv::Trim::All).comment(Some(b'#'));
        let mut is_first = true;
        for record in reader.from_reader(text.as_bytes()).records() {
            let wrong = |line: Option<u64>, reason: String| TableError { line: line.unwrap_or(1), reason };
            let record = record.map_err(|error| {
                wrong(error.position().map(csv::Position::line), "this is no line of a CSV file".into())
            })?;
            let line = record.position().map(csv::Position::line);
            if std::mem::take(&mut is_first)
                && record.get(0).is_some_and(|cell| cell.eq_ignore_ascii_case("prefix"))
            {
                continue;
            }
            table.add(&record).map_err(|reason| wrong(line, reason))?;
            if table.rows.len() > MOST_ROWS {
                return Err(wrong(line, format!("more than {MOST_ROWS} prefixes")));
            }
        }
        Ok(table)
    }

    fn add(&mut self, record: &csv::StringRecord) -> Result<(), String> {
        let cell = |at: usize| record.get(at).filter(|cell| !cell.is_empty());
        if record.len() > 4 {
            return Err(format!("{} columns; expected prefix,name,class,cost", record.len()));
        }
        let prefix = cell(0).ok_or("no prefix; expected prefix,name,class,cost")?;
        let cost = cell(3).map(str::parse::<Cost>).transpose().map_err(|error| error.to_string())?;
        if let Some(word) = prefix.strip_prefix('@') {
            let class = Class::of(word).ok_or_else(|| no_class(word))?;
            self.usual[class as usize] = Some(cost.ok_or("a line for a class needs a cost")?);
            return Ok(());
        }
        let digits = prefix.strip_prefix('+').unwrap_or(prefix);
        let is_prefix = (1..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if !is_prefix {
            return Err(format!(
                "{:?} is no prefix; write the country code and what follows, such as 4487 or +1876",
                prefix.chars().take(32).collect::<String>()
            ));
        }
        let is_internal = cell(2).is_some_and(|word| word.eq_ignore_ascii_case(INTERNAL));
        let class = cell(2).filter(|_| !is_internal);
        let class = class.map(|word| Class::of(word).ok_or_else(|| no_class(word))).transpose()?;
        let printable =
            |name: &str| name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect::<String>();
        let name = cell(1).map(|name| printable(name).into());
        let row = Row { prefix: digits.into(), name, class, cost, is_internal };
        match self.rows.insert(digits.into(), row) {
            Some(_) => Err(format!("the prefix {digits} is there twice")),
            None => Ok(()),
        }
    }

    /// The row with the longest prefix of a number.
    pub fn longest(&self, number: &str) -> Option<&Row> {
        if self.rows.is_empty() {
            return None;
        }
        (1..=number.len().min(15)).rev().find_map(|length| self.rows.get(number.get(..length)?))
    }

    /// What a minute costs where no row says it.
    pub fn usual_cost(&self, class: Class) -> Cost {
        self.usual[class as usize].unwrap_or_else(|| class.usual_cost())
    }

    /// Rows, without those for whole classes.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn no_class(word: &str) -> String {
    let words = Class::ALL.map(Class::word).join(", ");
    format!("{:?} is no class; use one of {words}, {INTERNAL}", word.chars().take(32).collect::<String>())
}

/// The class of numbers that no rule looks at.
const INTERNAL: &str = "internal";
