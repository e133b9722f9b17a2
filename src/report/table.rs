//! Columns for the eye.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

/// A table whose rows are all known before the first is written.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    head: [&'static str; N],
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    /// A table of `rows`, all cells printable. A column whose head begins with `<` has words, which
    /// stand to the left; numbers stand to the right.
    pub fn new(head: [&'static str; N], rows: &[[String; N]]) -> Self {
        let widths = std::array::from_fn(|column| {
            let cells = rows.iter().map(|row| row[column].width());
            let name = head[column].trim_start_matches('<');
            cells.max().unwrap_or(0).max(name.len())
        });
        Self { head, widths }
    }

    /// Writes the names of the columns.
    pub fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        self.line(out, &self.head.map(|name| name.trim_start_matches('<')))
    }

    /// Writes one of the rows.
    pub fn row(&self, out: &mut dyn Write, row: &[String; N]) -> io::Result<()> {
        self.line(out, &row.each_ref().map(String::as_str))
    }

    fn line(&self, out: &mut dyn Write, row: &[&str; N]) -> io::Result<()> {
        let mut text = String::new();
        for (column, (cell, width)) in row.iter().zip(self.widths).enumerate() {
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
