//! Cuts a CSV file into records and fields, and knows on which line each begins. Stricter than the
//! csv crate, which reads a forgotten quote without a word, and whose line numbers count the
//! comments before a record as part of it. It knows nothing of columns.

/// One record of the file.
#[derive(Debug)]
pub struct Record {
    /// The line that it begins on, from 1.
    pub line: u64,
    /// Its fields, or why it has none.
    pub fields: Result<Vec<String>, String>,
}

/// The records of `file`, which begins after a BOM. Blank lines, and lines that begin with `#`
/// outside quotes, are left out.
pub fn records(file: &[u8]) -> Records<'_> {
    Records {
        rest: file,
        line: 1,
        reader: csv_core::Reader::new(),
    }
}

/// See [`records`].
#[derive(Debug)]
pub struct Records<'f> {
    rest: &'f [u8],
    line: u64,
    // Kept for all records: making one costs far more than reading a line with it.
    reader: csv_core::Reader,
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let line = self.line;
            if self.rest.starts_with(b"#") {
                self.take(line_length(self.rest));
                continue;
            }
            let (length, fault) = match record_length(self.rest, line) {
                Ok(length) => (length, None),
                Err((length, fault)) => (length, Some(fault)),
            };
            let raw = self.take(length);
            if raw.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                continue;
            }
            let fields = match fault {
                Some(fault) => Err(fault),
                None => fields(&mut self.reader, raw),
            };
            return Some(Record { line, fields });
        }
    }
}

impl<'f> Records<'f> {
    /// The next `length` bytes; the line end after them goes too.
    fn take(&mut self, length: usize) -> &'f [u8] {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        let lines = taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.line += lines + u64::from(rest.starts_with(b"\n"));
        self.rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        taken.strip_suffix(b"\r").unwrap_or(taken)
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

    fn read(file: &str) -> Vec<(u64, Result<Vec<String>, String>)> {
        records(file.as_bytes())
            .map(|record| (record.line, record.fields))
            .collect()
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
        let latin: Vec<_> = records(b"h\n\xe9\nx").collect();
        assert!(latin[1].fields.is_err() && latin[2].fields.is_ok());
    }
}
