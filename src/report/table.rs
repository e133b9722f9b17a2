//! Columns for the eye.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

/// A table whose rows have all been seen before the first is written.
#[derive(Debug, Clone)]
pub(super) struct Table<const N: usize> {
    head: [&'static str; N],
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    /// A table of `rows`, all cells printable. A column whose head begins with `<` has words, which
    /// stand to the left; numbers stand to the right.
    pub fn new(head: [&'static str; N], rows: &[[String; N]]) -> Self {
        let mut table = Self::of_none(head);
        rows.iter().for_each(|row| table.fit(row));
        table
    }

    /// A table without rows so far.
    pub fn of_none(head: [&'static str; N]) -> Self {
        let widths = head.map(|name| name.trim_start_matches('<').len());
        Self { head, widths }
    }

    /// Makes room for a row.
    pub fn fit(&mut self, row: &[String; N]) {
        for (width, cell) in self.widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
    }

    /// Writes the names of the columns.
    pub fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        self.row(out, &self.head.map(|name| name.trim_start_matches('<')))
    }

    /// Writes one of the rows.
    pub fn row(&self, out: &mut dyn Write, row: &[impl AsRef<str>]) -> io::Result<()> {
        let mut text = String::new();
        for (column, (cell, width)) in row.iter().zip(self.widths).enumerate() {
            let cell = cell.as_ref();
            let space = " ".repeat(width.saturating_sub(cell.width()));
            if column > 0 {
                text.push_str("  ");
            }
            if self.head[column].starts_with('<') {
                text.push_str(cell);
                text.push_str(&space);
            } else {
                text.push_str(&space);
                text.push_str(cell);
            }
        }
        writeln!(out, "{}", text.trim_end())
    }
}
