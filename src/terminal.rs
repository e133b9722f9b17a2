//! Lines for someone at a terminal: folded between words, as wide as it is. In pipes and files they stay as they
//! are, for programs read them.

use std::io::{self, Write};
use std::os::fd::AsFd;

use unicode_width::UnicodeWidthStr as _;

/// Narrower than this, folding only makes it worse.
const NARROWEST: usize = 40;
/// How much further in a line goes on than it began.
const DEEPER: usize = 2;

/// Tells `text` on standard error, as ours.
pub fn say(text: &str) {
    let text = format!("mailseed: {text}");
    // Nobody to tell is no failure.
    let _ = writeln!(io::stderr(), "{}", fitted(&text, io::stderr()));
}

/// `text` as it is to be written to `to`: folded where that is a terminal.
pub fn fitted(text: &str, to: impl AsFd) -> String {
    match columns(to) {
        Some(columns) => folded(text, columns),
        None => text.to_owned(),
    }
}

/// Standard output that folds lines on a terminal.
#[derive(Debug)]
pub struct Results {
    out: io::StdoutLock<'static>,
    columns: Option<usize>,
    /// What has come of a line.
    begun: Vec<u8>,
}

impl Results {
    /// Standard output, for nobody else until this is dropped.
    pub fn stdout() -> Self {
        let out = io::stdout().lock();
        Self {
            columns: columns(&out),
            out,
            begun: Vec::new(),
        }
    }
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(columns) = self.columns else {
            return self.out.write(bytes);
        };
        self.begun.extend_from_slice(bytes);
        if let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.begun.split_off(end + 1);
            let lines = std::mem::replace(&mut self.begun, rest);
            let text = folded(&String::from_utf8_lossy(&lines), columns);
            self.out.write_all(text.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&std::mem::take(&mut self.begun))?;
        self.out.flush()
    }
}

/// The last line may have no end.
impl Drop for Results {
    fn drop(&mut self) {
        // Nobody to tell is no failure.
        let _ = self.flush();
    }
}

/// How wide the terminal is that `to` leads to, where it leads to one that says so.
fn columns(to: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(to).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns >= NARROWEST)
}

/// `text` with no line wider than `columns`, as far as its words allow it.
fn folded(text: &str, columns: usize) -> String {
    let mut folded = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        fold(line, columns, &mut folded);
    }
    folded
}

fn fold(line: &str, columns: usize, into: &mut String) {
    let spaces = line.len() - line.trim_start_matches(' ').len();
    let indent = " ".repeat((spaces + DEEPER).min(columns / 2));
    let mut used = spaces;
    into.push_str(&line[..spaces]);
    for (number, word) in line[spaces..].split(' ').enumerate() {
        let width = width(word.trim_end_matches('\n'));
        let is_first = number == 0;
        if !is_first && used + 1 + width > columns {
            into.push('\n');
            into.push_str(&indent);
            used = indent.len();
        } else if !is_first {
            into.push(' ');
            used += 1;
        }
        into.push_str(word);
        used += width;
    }
}

/// Columns that `word` takes; what sets colours takes none.
fn width(word: &str) -> usize {
    anstream::adapter::strip_str(word)
        .map(|plain| plain.width())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_words() {
        let table = [
            ("short\n", "short\n"),
            ("", ""),
            ("one two three four", "one two\n  three\n  four"),
            ("  one two three\n", "  one two\n    three\n"),
            // What has no space is left to the terminal.
            ("abcdefghijklmnop q\n", "abcdefghijklmnop\n  q\n"),
            // Columns stay columns as long as they fit.
            ("a   b  c\n", "a   b  c\n"),
            // Colours take no room, wide characters take two columns.
            ("\x1b[1mone two\x1b[0m 3\n", "\x1b[1mone two\x1b[0m 3\n"),
            ("漢字 漢字 x\n", "漢字 漢字\n  x\n"),
            ("one two three\nfour\n", "one two\n  three\nfour\n"),
        ];
        for (text, want) in table {
            assert_eq!(folded(text, 10), want, "{text:?}");
        }
    }
}
