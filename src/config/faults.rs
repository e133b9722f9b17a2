//! What is wrong with what was typed and with the user list, gathered to be told together.

use crate::problem::{Kind, Problem, Reach};

/// So many bad rows are told one by one.
const TOLD: usize = 1000;

/// What is wrong, and what is only worth a word.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// With the line of the user list where there is one.
    told: Vec<(Option<u64>, String)>,
    rows: u64,
    /// What the admin should know, but what refuses nothing.
    pub warnings: Vec<String>,
}

impl Faults {
    /// Refuses the command line.
    pub fn refuse(&mut self, fault: impl Into<String>) {
        self.told.push((None, fault.into()));
    }

    /// Refuses a row of the user list.
    pub fn row(&mut self, line: Option<u64>, fault: String) {
        self.rows += 1;
        if self.rows <= TOLD as u64 {
            self.told.push((line, fault));
        }
    }

    /// Says a word about what is not wrong.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// How many faults rows have.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What came out; where nothing did, the command line is refused.
    pub fn take<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|fault| self.refuse(fault)).ok()
    }

    /// The faults, those of the command line first, then the list's by line.
    pub fn into_problems(mut self, list: &str) -> Vec<Problem> {
        self.told.sort_by_key(|(line, _)| *line);
        let more = self.rows.saturating_sub(TOLD as u64);
        let more = (more > 0).then(|| (None, format!("{list}: {more} more faults, not told")));
        self.told
            .into_iter()
            .chain(more)
            .map(|(line, fault)| {
                let what = match line {
                    Some(line) => format!("{list} line {line}: {fault}"),
                    None => fault,
                };
                Problem::new(Kind::Input, Reach::Run, what)
            })
            .collect()
    }
}
