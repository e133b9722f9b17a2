//! Cuts a CSV file into records and fields, and knows on which line each begins. Stricter than the
//! csv crate, which reads a forgotten quote without a word, and whose line numbers count the
//! comments before a record as part of it. It knows nothing of columns.

use std::io::Read;

/// The longest record, in bytes. A quote that is never closed would else take in all that follows.
const LONGEST: usize = 1 << 20;

/// One record of the file.
#[derive(Debug)]
pub struct Record {
    /// The line that it begins on, from 1.
    pub line: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Its fields, or why it has none.
    pub fields: Result<Vec<String>, String>,
}

/// The records of a file that is read piece by piece. Blank lines, and lines that begin with `#` outside
/// quotes, are left out.
#[derive(Debug)]
pub struct Records<R> {
    file: R,
    /// What is read at once.
    piece: usize,
    buffer: Vec<u8>,
    /// Where the next record begins in `buffer`, and where that is in the file.
    begin: usize,
    offset: u64,
    line: u64,
    /// `buffer` has all that is left.
    is_last: bool,
    /// Why nothing more can be read.
    broken: Option<String>,
    // Kept for all records: making one costs far more than reading a line with it.
    reader: csv_core::Reader,
}

impl<R: Read> Records<R> {
    /// The records of `file`, which stands at its byte `offset`, where its `line` begins; it is read in
    /// pieces of so many bytes.
    pub fn new(file: R, piece: usize, (offset, line): (u64, u64)) -> Self {
        Self {
            file,
            piece,
            buffer: Vec::new(),
            begin: 0,
            offset,
            line,
            is_last: false,
            broken: None,
            reader: csv_core::Reader::new(),
        }
    }

    /// What the next record begins with: at least 3 bytes, where the file has as many.
    pub fn head(&mut self) -> &[u8] {
        while self.buffer.len() - self.begin < 3 && !self.is_last {
            self.fill();
        }
        &self.buffer[self.begin..]
    }

    /// Leaves out so many bytes, which are no text.
    pub fn leave_out(&mut self, bytes: usize) {
        self.begin += bytes;
        self.offset += bytes as u64;
    }

    /// Reads one more piece.
    fn fill(&mut self) {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        let known = self.buffer.len();
        self.buffer.resize(known + self.piece, 0);
        let read = loop {
            match self.file.read(&mut self.buffer[known..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let length = read.unwrap_or_else(|error| {
            self.broken = Some(format!("it cannot be read: {error}"));
            0
        });
        self.buffer.truncate(known + length);
        self.is_last = length == 0;
    }

    /// The length of what the buffer begins with, a comment or a record, as soon as all of that is there.
    fn length(&mut self) -> (usize, Option<String>) {
        loop {
            let rest = &self.buffer[self.begin..];
            let (length, fault) = if rest.starts_with(b"#") {
                (line_length(rest), None)
            } else {
                match record_length(rest, self.line) {
                    Ok(length) => (length, None),
                    Err((length, fault)) => (length, Some(fault)),
                }
            };
            if length < rest.len() || self.is_last {
                return (length, fault);
            }
            if rest.len() > LONGEST {
                self.is_last = true;
                let fault = fault.unwrap_or_else(|| "a line of more than 1 MiB".to_owned());
                return (length, Some(fault));
            }
            self.fill();
        }
    }

    /// Goes on after the next `length` bytes; the line end after them goes too. How many bytes of them are
    /// the record.
    fn take(&mut self, length: usize) -> usize {
        let rest = &self.buffer[self.begin..];
        let (taken, rest) = rest.split_at(length.min(rest.len()));
        let end = usize::from(rest.starts_with(b"\n"));
        let lines = taken.iter().filter(|byte| **byte == b'\n').count();
        self.line += (lines + end) as u64;
        let record = taken.strip_suffix(b"\r").unwrap_or(taken).len();
        self.leave_out(length + end);
        record
    }
}

impl<R: Read> Iterator for Records<R> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            if self.head().is_empty() {
                let (line, offset) = (self.line, self.offset);
                let fields = Err(self.broken.take()?);
                return Some(Record {
                    line,
                    offset,
                    fields,
                });
            }
            let (length, fault) = self.length();
            let (begin, line, offset) = (self.begin, self.line, self.offset);
            let is_comment = self.buffer[begin] == b'#' && fault.is_none();
            let length = self.take(length);
            let raw = &self.buffer[begin..begin + length];
            if is_comment || raw.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                continue;
            }
            let fields = match fault {
                Some(fault) => Err(fault),
                None => fields(&mut self.reader, raw),
            };
            return Some(Record {
                line,
                offset,
                fields,
            });
        }
    }
}

fn line_length(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).unwrap_or(text.len())
}

/// The length of the record that `text` begins with, or how much to leave out and why. After a
/// quote that makes no sense the next line begins anew.
fn record_length(text: &[u8], first_line: u64) -> Result<usize, (usize, String)> {
    let mut at = 0;
    let mut line = first_line;
    let mut field_begins = true;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\n' => return Ok(at),
            b'\r' if !matches!(text.get(at + 1), None | Some(b'\n')) => {
                return Err((
                    at + line_length(&text[at..]),
                    "a carriage return that ends no line: save the file with LF or CRLF line ends"
                        .to_owned(),
                ));
            }
            b'"' if field_begins => {
                let opened = line;
                loop {
                    let Some(quote) = memchr::memchr(b'"', &text[at + 1..]) else {
                        return Err((
                            text.len(),
                            format!(
                                "the quote that opens on line {opened} is never closed (a quote \
                                 inside quotes is written twice)"
                            ),
                        ));
                    };
                    let quoted = &text[at + 1..at + 1 + quote];
                    line += quoted.iter().filter(|byte| **byte == b'\n').count() as u64;
                    at += quote + 2;
                    if text.get(at) != Some(&b'"') {
                        break;
                    }
                }
                let rest = &text[at..];
                let ends = rest.is_empty()
                    || rest.starts_with(b",")
                    || rest.starts_with(b"\n")
                    || rest.starts_with(b"\r\n")
                    || rest == b"\r";
                if !ends {
                    return Err((
                        at + line_length(rest),
                        format!(
                            "text after the closing quote on line {line}, of the quote that opens \
                             on line {opened} (a quote inside quotes is written twice)"
                        ),
                    ));
                }
                field_begins = false;
                continue;
            }
            b',' => field_begins = true,
            _ => field_begins = false,
        }
        at += 1;
    }
    Ok(text.len())
}

/// The fields of one whole record.
fn fields(reader: &mut csv_core::Reader, raw: &[u8]) -> Result<Vec<String>, String> {
    let mut text = vec![0; raw.len() + 1];
    let mut ends = vec![0; raw.iter().filter(|byte| **byte == b',').count() + 2];
    reader.reset();
    let (_, read, wrote, ended) = reader.read_record(raw, &mut text, &mut ends);
    // The end of the input ends the last field.
    let (_, _, more, ended_last) =
        reader.read_record(&raw[read..], &mut text[wrote..], &mut ends[ended..]);
    text.truncate(wrote + more);
    ends.truncate(ended + ended_last);
    let text = String::from_utf8(text).map_err(|_| {
        "not UTF-8: save the file as UTF-8 (iconv -f ISO-8859-1 -t UTF-8)".to_owned()
    })?;
    let mut begin = 0;
    let mut fields = Vec::with_capacity(ends.len());
    for end in ends {
        let field = text
            .get(begin..end)
            .ok_or_else(|| "not UTF-8: save the file as UTF-8".to_owned())?;
        fields.push(field.to_owned());
        begin = end;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However large the pieces are, the same is read.
    fn read(file: &str) -> Vec<(u64, Result<Vec<String>, String>)> {
        let in_pieces = |piece| {
            let records = Records::new(file.as_bytes(), piece, (0, 1));
            let records = records.inspect(|record| {
                let at = record.offset as usize;
                let again = Records::new(&file.as_bytes()[at..], piece, (0, record.line)).next();
                assert_eq!(again.map(|it| it.fields).as_ref(), Some(&record.fields));
            });
            let read = records.map(|record| (record.line, record.fields));
            read.collect::<Vec<_>>()
        };
        let whole = in_pieces(1 << 16);
        for piece in [1, 2, 3, 7] {
            assert_eq!(in_pieces(piece), whole, "{file:?} in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn records_know_their_line() {
        let want: Vec<(u64, &[&str])> = vec![
            (2, &["a", "b"]),
            (4, &["1\n#2\n", "x\"y"]),
            (8, &["p\"q", "#z"]),
            (9, &["", ""]),
            (10, &["", "é"]),
        ];
        for end in ["\n", "\r\n"] {
            let file = "\na,b\n# \"no, comment\n\"1\n#2\n\",\"x\"\"y\"\n  \np\"q,#z\n,\n,\"é\"";
            let got = read(&file.replace('\n', end));
            let want: Vec<(u64, Result<Vec<String>, String>)> = want
                .iter()
                .map(|(line, fields)| {
                    let fields = fields.iter().map(|field| field.replace('\n', end));
                    (*line, Ok(fields.collect()))
                })
                .collect();
            assert_eq!(got, want);
        }
        assert_eq!(read(""), []);
        assert_eq!(read("\n \r\n#x"), []);
        assert_eq!(read("a\r"), [(1, Ok(vec!["a".to_owned()]))]);
    }

    #[test]
    fn what_is_malformed_costs_its_own_record() {
        for (file, line, fault, next) in [
            (
                "h\na,\"b\nc,d\n",
                2,
                "opens on line 2 is never closed",
                None,
            ),
            (
                "h\n\"a\nb\"\",\n\",\"c\n",
                2,
                "opens on line 4 is never closed",
                None,
            ),
            (
                "h\n\"a\nc,\"d\"\ne\n",
                2,
                "on line 3, of the quote that opens on line 2",
                Some(4),
            ),
            ("h\n\"a\"b,\"\ne\n", 2, "after the closing quote", Some(3)),
            ("h\n\"a\" ,b\ne\n", 2, "after the closing quote", Some(3)),
            ("h\na\rb\ne\n", 2, "carriage return", Some(3)),
        ] {
            let got = read(file);
            assert_eq!(got[1].0, line, "{file:?}");
            let told = got[1].1.as_ref().expect_err(file);
            assert!(told.contains(fault), "{file:?}: {told}");
            assert_eq!(got.get(2).map(|record| record.0), next, "{file:?}");
        }
        let latin: Vec<_> = Records::new(&b"h\n\xe9\nx"[..], 4, (0, 1)).collect();
        assert!(latin[1].fields.is_err() && latin[2].fields.is_ok());
    }

    #[test]
    fn a_quote_that_is_never_closed_takes_no_more_than_it_may() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        for (head, fault) in [
            ("h\n\"", "never closed"),
            ("h\n", "1 MiB"),
            ("h\n#", "1 MiB"),
        ] {
            let records = Records::new(head.as_bytes().chain(Endless), 1 << 16, (0, 1));
            let got: Vec<_> = records.collect();
            assert_eq!(got.len(), 2);
            let told = got[1].fields.as_ref().unwrap_err();
            assert!(told.contains(fault), "{told}");
        }
    }
}
