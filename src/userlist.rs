//! The user list: CSV with a header row (RFC 4180), each row keeping its line number. Bad rows are
//! gathered, not stumbled over, and no message repeats a password. What the rows mean for a run
//! is for [`crate::config`].

mod doubles;
mod list;
mod records;

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use self::records::{Record, Records};
use crate::problem::{Kind, Problem, Reach};
use crate::source::login::Secret;
use crate::source::net::{Endpoint, Protocol};

pub use self::doubles::{Doubles, Suspects};
pub use self::list::{List, Scan};

/// One row.
#[derive(Debug, Clone, Default)]
pub struct UserRow {
    /// The line that it begins on, from 1; `None` for a user that no list names.
    pub line: Option<u64>,
    /// Where it begins in the list, in bytes.
    pub offset: u64,
    /// Whose mail: a name without control characters.
    pub user: String,
    /// The password for both protocols.
    pub password: Option<Secret>,
    /// The IMAP login name, where it is not `user`.
    pub imap_user: Option<String>,
    /// The IMAP password, where it is another one.
    pub imap_password: Option<Secret>,
    /// The POP3 login name, where it is not `user`.
    pub pop3_user: Option<String>,
    /// The POP3 password, where it is another one.
    pub pop3_password: Option<Secret>,
    /// This user's IMAP server, where it is not everyone's.
    pub imap: Option<Endpoint>,
    /// This user's POP3 server, where it is not everyone's.
    pub pop3: Option<Endpoint>,
    /// This user's Maildir, a template still.
    pub maildir: Option<String>,
    /// This user's owner, as written.
    pub owner: Option<String>,
    /// The folder below which this user's mail goes, as written.
    pub subfolder: Option<String>,
}

impl UserRow {
    /// Whether it brings a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some() || self.imap_password.is_some() || self.pop3_password.is_some()
    }
}

/// A row as it was read.
struct ReadRow {
    /// What could be read of it.
    row: UserRow,
    /// The line that it begins on, from 1.
    line: u64,
    /// What is wrong with it; nothing may start unless this is empty.
    faults: Vec<String>,
}

/// The rows of a list that is read piece by piece.
struct Rows<R> {
    records: Records<R>,
    columns: Vec<Column>,
    header_line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    User,
    Password,
    ImapUser,
    ImapPassword,
    Pop3User,
    Pop3Password,
    Imap,
    Pop3,
    Maildir,
    Owner,
    Subfolder,
}

/// What is read of a list at once, in bytes.
const PIECE: usize = 64 << 10;

const COLUMNS: [(&str, Column); 11] = [
    ("user", Column::User),
    ("password", Column::Password),
    ("imap_user", Column::ImapUser),
    ("imap_password", Column::ImapPassword),
    ("pop3_user", Column::Pop3User),
    ("pop3_password", Column::Pop3Password),
    ("imap", Column::Imap),
    ("pop3", Column::Pop3),
    ("maildir", Column::Maildir),
    ("owner", Column::Owner),
    ("subfolder", Column::Subfolder),
];

impl<R: Read> Rows<R> {
    /// Begins to read a user list.
    ///
    /// # Errors
    /// What is wrong with its header, with the line.
    fn begin(file: R) -> Result<Self, (u64, String)> {
        let mut records = Records::new(file, PIECE, (0, 1));
        let head = records.head();
        if matches!(
            head.get(..2),
            Some([0xff, 0xfe] | [0xfe, 0xff] | [0, _] | [_, 0])
        ) {
            let fault = "the file is UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)";
            return Err((1, fault.to_owned()));
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            records.leave_out(3);
        }
        let Some(header) = records.next() else {
            let fault = "the list is empty: its first row names the columns, at least user";
            return Err((1, fault.to_owned()));
        };
        let header_line = header.line;
        let columns = header.fields.and_then(|names| columns(&names));
        Ok(Self {
            columns: columns.map_err(|fault| (header_line, fault))?,
            records,
            header_line,
        })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = ReadRow;

    fn next(&mut self) -> Option<ReadRow> {
        self.records.next().map(|record| row(record, &self.columns))
    }
}

/// What the header names, or all that is wrong with it.
fn columns(names: &[String]) -> Result<Vec<Column>, String> {
    if let [only] = names
        && let Some((separator, word)) = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")]
            .into_iter()
            .find(|(separator, _)| only.contains(*separator))
        && only
            .split(separator)
            .any(|name| closest_column(name.trim()).is_some())
    {
        return Err(format!(
            "the columns are separated by {word}: save the list with commas between them"
        ));
    }
    if !names
        .iter()
        .any(|name| find(name.trim()) == Some(Column::User))
    {
        return Err(no_column_user(names));
    }
    let mut columns = Vec::with_capacity(names.len());
    let mut faults = Vec::new();
    for name in names {
        let name = name.trim();
        match find(name) {
            Some(column) if columns.contains(&column) => {
                faults.push(format!("the column {name} is there twice"));
            }
            Some(column) => columns.push(column),
            None if name.is_empty() => faults.push("a column has no name".to_owned()),
            None => faults.push(format!("unknown column {name:?}{}", meant(name))),
        }
    }
    if faults.is_empty() {
        Ok(columns)
    } else {
        Err(faults.join("; "))
    }
}

/// The names that a column may have.
pub fn column_names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, _)| *name)
}

fn find(name: &str) -> Option<Column> {
    COLUMNS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, column)| *column)
}

fn closest_column(name: &str) -> Option<&'static str> {
    closest(name, column_names())
}

/// Without a header this row is a user's, password and all: of it is repeated at most what stands where the
/// user's name would.
fn no_column_user(names: &[String]) -> String {
    let slips = names.iter().zip(1..).filter_map(|(name, number)| {
        let name = name.trim();
        let known = closest_column(name).filter(|known| *known != name)?;
        Some(match number {
            1 => format!("unknown column {name:?}: is {known} meant?; "),
            number => format!("column {number}: is {known} meant?; "),
        })
    });
    let slips: String = slips.collect();
    format!("{slips}there is no column user: the first row names the columns")
}

fn meant(name: &str) -> String {
    match closest_column(name) {
        Some(known) => format!(": is {known} meant?"),
        None => {
            let known: Vec<_> = column_names().collect();
            format!(": the known ones are {}", known.join(", "))
        }
    }
}

/// Names that are more alike than this may be slips for each other.
pub const ALIKE: f64 = 0.85;

/// How much `name` looks like `known`, from 0 to 1.
pub fn likeness(name: &str, known: &str) -> f64 {
    let folded = name.to_lowercase().replace(['-', ' '], "_");
    strsim::jaro_winkler(&folded, known)
}

/// The one of `known` that `name` may be a slip for.
pub fn closest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|known| (likeness(name, known), known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

/// The row of a record.
fn row(record: Record, columns: &[Column]) -> ReadRow {
    let mut row = UserRow {
        line: Some(record.line),
        offset: record.offset,
        ..UserRow::default()
    };
    let mut faults = Vec::new();
    match record.fields {
        Err(fault) => faults.push(fault),
        Ok(fields) if fields.len() != columns.len() => faults.push(format!(
            "{} fields where the header has {}{}",
            fields.len(),
            columns.len(),
            if fields.len() > columns.len() {
                ": put quotes around a value that holds a comma"
            } else {
                ""
            }
        )),
        Ok(fields) => {
            for (column, value) in columns.iter().zip(fields) {
                if *column == Column::User {
                    row.user = value;
                    if let Err(fault) = sound_user(&row.user) {
                        faults.push(format!("user: {fault}"));
                    }
                } else if !value.is_empty()
                    && let Err(fault) = set(&mut row, *column, value)
                {
                    faults.push(format!("{}: {fault}", name_of(*column)));
                }
            }
        }
    }
    ReadRow {
        row,
        line: record.line,
        faults,
    }
}

fn name_of(column: Column) -> &'static str {
    COLUMNS
        .iter()
        .find(|(_, known)| *known == column)
        .map_or("user", |(name, _)| *name)
}

/// Puts a value that is not empty where it belongs.
fn set(row: &mut UserRow, column: Column, value: String) -> Result<(), String> {
    match column {
        Column::User => row.user = value,
        Column::Password => row.password = Some(secret(value)?),
        Column::ImapUser => row.imap_user = Some(named(value)?),
        Column::ImapPassword => row.imap_password = Some(secret(value)?),
        Column::Pop3User => row.pop3_user = Some(named(value)?),
        Column::Pop3Password => row.pop3_password = Some(secret(value)?),
        Column::Imap => row.imap = Some(endpoint(&value, Protocol::Imap)?),
        Column::Pop3 => row.pop3 = Some(endpoint(&value, Protocol::Pop3)?),
        Column::Maildir => row.maildir = Some(value),
        Column::Owner => row.owner = Some(value),
        Column::Subfolder => row.subfolder = Some(value),
    }
    Ok(())
}

/// Refuses names that no login or log could hold.
///
/// # Errors
/// The name is empty or has a control character in it; told in words.
pub fn sound_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        Err("it is empty".to_owned())
    } else if name.contains(char::is_control) {
        Err("there is a control character (such as a line end) in it".to_owned())
    } else {
        Ok(())
    }
}

/// Refuses also what a spreadsheet has left beside the name: it would be part of a directory's name. A login
/// name is the server's own affair.
fn sound_user(name: &str) -> Result<(), String> {
    match name.trim() == name {
        true => sound_name(name),
        false => Err(format!("{name:?} begins or ends with a space")),
    }
}

fn named(name: String) -> Result<String, String> {
    sound_name(&name)?;
    Ok(name)
}

fn secret(value: String) -> Result<Secret, String> {
    if value.contains(['\r', '\n', '\0']) {
        return Err("a password cannot hold a line end or a NUL".to_owned());
    }
    Ok(Secret::new(value))
}

/// The server of a URL that was typed.
///
/// # Errors
/// It is none of `expected`; told in words, which never hold a password.
pub fn endpoint(url: &str, expected: Protocol) -> Result<Endpoint, String> {
    // It may be a password that slipped into the wrong column.
    if !url.contains("://") {
        return Err("it is no URL such as imaps://HOST or pop3s://HOST".to_owned());
    }
    Endpoint::parse(url, expected).map_err(|problem| problem.to_string())
}

/// What a user is called whose row, on `line`, can no longer be read.
pub fn nameless(line: u32) -> String {
    format!("{NAMELESS}{line} of the user list)")
}

/// What [`nameless`] begins with.
const NAMELESS: &str = "(line ";

/// The users of a `summary.csv` that failed or are partial; in the CSV of `mailseed report` also those of whom a
/// verify has found that clients will notice the move.
///
/// # Errors
/// The file cannot be read, or is no such report, or has users that it cannot name (reach Run, kind Input).
pub fn failed_users(path: &Path) -> Result<HashSet<String>, Problem> {
    let wrong = |what: &str| {
        Problem::new(
            Kind::Input,
            Reach::Run,
            format!("--only-failed {}: {what}", path.display()),
        )
    };
    let file =
        std::fs::File::open(path).map_err(|error| wrong("it cannot be read").caused_by(error))?;
    let no_report = || {
        wrong("it is no report of mailseed")
            .with_hint("give the summary.csv of an earlier --report DIR")
    };
    let failed = read_failed(file).map_err(|fault| match fault {
        Some(error) => no_report().caused_by(error),
        None => no_report(),
    })?;
    // They would be passed over as if they were no longer in the list.
    let unnamed = failed.iter().filter(|user| user.starts_with(NAMELESS));
    match unnamed.count() {
        0 => Ok(failed),
        unnamed => Err(wrong(&format!(
            "the user list was changed while it ran, so {unnamed} of its users are known by their line alone"
        ))
        .with_hint("run it without --only-failed: what is there is kept")),
    }
}

fn read_failed(file: impl Read) -> Result<HashSet<String>, Option<csv::Error>> {
    let mut reader = csv::Reader::from_reader(file);
    let headers = reader.headers()?;
    let place = |name: &str| headers.iter().position(|header| header == name);
    let (Some(user), Some(status)) = (place("user"), place("status")) else {
        return Err(None);
    };
    let class = place("class");
    let mut users = HashSet::new();
    for record in reader.records() {
        let record = record?;
        let class = class.and_then(|class| record.get(class));
        let is_well = class.is_none_or(|class| ["transparent", "accepted"].contains(&class));
        match (record.get(user), record.get(status)) {
            (Some(_), Some("ok")) if is_well => {}
            (Some(user), Some("ok" | "partial" | "failed")) => {
                users.insert(user.to_owned());
            }
            _ => return Err(None),
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Read {
        rows: Vec<UserRow>,
        refused: Vec<(u64, String)>,
    }

    fn parse(file: &[u8]) -> Read {
        let mut dated = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut dated, file).unwrap();
        let list = List::open(dated.path()).unwrap();
        let mut refused = Vec::new();
        let scan = list.scan(&mut |line, fault| refused.push((line, fault)), |_| {});
        let mut rows = Vec::new();
        list.good_rows(&scan, |row| rows.push(row));
        refused.sort();
        for row in &rows {
            let again = list.row_at(row.offset, row.line.unwrap()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{row:?}"));
        }
        Read { rows, refused }
    }

    fn refusals(file: impl AsRef<[u8]>) -> Vec<(u64, String)> {
        parse(file.as_ref()).refused
    }

    #[test]
    fn good_lists_are_read() {
        for file in [
            "user,password\na,\"x,\"\"y\"\n#b,c\n\nb,#p\nc,\n",
            "\u{feff}user,password\r\na,\"x,\"\"y\"\r\n\r\nb,#p\r\nc,",
            " user ,\tpassword\n\"a\",\"x,\"\"y\"\nb,#p\nc,\"\"\n#",
        ] {
            let list = parse(file.as_bytes());
            assert_eq!(list.refused, [], "{file:?}");
            assert!(list.rows.iter().any(UserRow::has_password));
            let rows: Vec<_> = list
                .rows
                .iter()
                .map(|row| (row.user.as_str(), row.password.as_ref().map(Secret::expose)))
                .collect();
            assert_eq!(rows, [("a", Some("x,\"y")), ("b", Some("#p")), ("c", None)]);
        }
        let list = parse(
            b"owner,maildir,pop3,imap,pop3_password,pop3_user,imap_password,imap_user,user,subfolder\n\
              1:2,/m,pop3://p.example,imaps://i.example,=pp,pu,ip, iu ,u,Old/Mail\n",
        );
        assert_eq!(list.refused, []);
        let row = &list.rows[0];
        assert_eq!(
            row.imap_user.as_deref(),
            Some(" iu "),
            "values are not trimmed"
        );
        assert_eq!(row.pop3_password.as_ref().map(Secret::expose), Some("=pp"));
        assert_eq!(row.imap.as_ref().map(|imap| imap.port), Some(993));
        assert_eq!(row.line, Some(2));
        assert_eq!(row.subfolder.as_deref(), Some("Old/Mail"));
    }

    #[test]
    fn each_refusal_names_its_line() {
        let cases: &[(&[u8], u64, &str)] = &[
            (b"", 1, "empty"),
            (b"user\n", 1, "names no user"),
            (b"\n# x\nname\na\n", 3, "no column user"),
            (
                b"User,imap,Pasword\na,,b\n",
                1,
                "unknown column \"User\": is user meant?; column 3: is password meant?; there is no",
            ),
            (b"user,pasword\na,b\n", 1, "is password meant?"),
            (b"user,IMAP-User\na,b\n", 1, "is imap_user meant?"),
            (b"user,shoe size\na,b\n", 1, "known ones are user, password"),
            (b"user,user\na,b\n", 1, "user is there twice"),
            (b"user,\na,b\n", 1, "no name"),
            (b"user;password\na;b\n", 1, "semicolons"),
            (b"User;Password\na;b\n", 1, "semicolons"),
            (
                b"user\na\nb \n",
                3,
                "user: \"b \" begins or ends with a space",
            ),
            (b"user\tpassword\na\tb\n", 1, "tabs"),
            (b"\xff\xfeu\0s\0", 1, "UTF-16"),
            (b"\xfe\xff\0u\0s", 1, "UTF-16"),
            (b"u\0s\0e\0r\0", 1, "UTF-16"),
            (b"\0u\0s", 1, "UTF-16"),
            (b"user,password\na\n", 2, "1 fields where the header has 2"),
            (b"user,password\na,b,c\n", 2, "holds a comma"),
            (b"user,password\n,p\n", 2, "user: it is empty"),
            (b"user,password\n\"a\nb\",p\n", 2, "control character"),
            (
                b"user,password\na,\"b\nc\"\n",
                2,
                "password: a password cannot hold a line end",
            ),
            (
                b"user,imap_password\na,b\0c\n",
                2,
                "imap_password: a password cannot",
            ),
            (
                b"user,imap_user\na,b\x01\n",
                2,
                "imap_user: there is a control",
            ),
            (b"user\n\nf\xfcr\n", 3, "not UTF-8"),
            (
                b"user,password\n\na,\"b\nc,d\n",
                3,
                "opens on line 3 is never closed",
            ),
            (b"user\na\nb\na\n", 4, "stands on line 2 already"),
            (b"user,imap\na,pop3://x\n", 2, "imap: "),
            (b"user,pop3\na,nonsense\n", 2, "pop3: it is no URL"),
        ];
        for (file, line, want) in cases {
            let got = refusals(file);
            assert_eq!(got.len(), 1, "{}: {got:?}", file.escape_ascii());
            assert_eq!(got[0].0, *line, "{}", file.escape_ascii());
            assert!(
                got[0].1.contains(want),
                "{}: {}",
                file.escape_ascii(),
                got[0].1
            );
        }
    }

    #[test]
    fn all_bad_rows_are_told_at_once_and_no_password_is() {
        let file = b"user,password,imap\n\
            ok,hunter2,\n\
            # nothing\n\
            ,hunter2,\n\
            a,hunter2,imaps://a:hunter2@x\n\
            \"multi\nline\",hunter2,\n\
            b,hunter2,,hunter2\n\
            ok,hunter2,\n\
            c,\"hunter2\n2\",\n\
            d,hunter2\xff,\n\
            e,\"hunter2\"hunter2,\n\
            f,hunter2,\n\
            g,\"hunter2,\n";
        let list = parse(file);
        let lines: Vec<u64> = list.refused.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [4, 5, 6, 8, 9, 10, 12, 13, 15]);
        let users: Vec<_> = list.rows.iter().map(|row| row.user.as_str()).collect();
        assert_eq!(users, ["ok", "f"]);
        for (line, fault) in &list.refused {
            assert!(!fault.contains("hunter2"), "line {line}: {fault}");
        }
        assert!(!format!("{:?}", list.rows).contains("hunter2"));
        let slipped = refusals("user,password,imap\na,,hunter2\n");
        assert!(!slipped[0].1.contains("hunter2"), "{slipped:?}");
        for headless in ["alice,hunter2\n", "user1,hunter2\n", "owner,hunter2\n"] {
            let refused = refusals(headless);
            assert_eq!(refused.len(), 1);
            assert!(!refused[0].1.contains("hunter2"), "{refused:?}");
        }
    }

    #[test]
    fn only_those_that_failed() {
        let summary = "user,status,error\na,ok,\n\"b,\"\"c\",failed,x\n=d,partial,\n";
        let users = read_failed(summary.as_bytes()).expect("a report");
        assert_eq!(users, HashSet::from(["b,\"c".to_owned(), "=d".to_owned()]));
        for wrong in [
            "",
            "user,password\na,b\n",
            "user,status\na,fine\n",
            "user,status\na\n",
        ] {
            assert!(read_failed(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(failed_users(Path::new("/nonexistent/summary.csv")).is_err());
        let mut report = tempfile::NamedTempFile::new().unwrap();
        let unnamed = nameless(7);
        let text = format!("user,status\na,failed\n{unnamed},failed\n{unnamed}x,failed\n");
        std::io::Write::write_all(&mut report, text.as_bytes()).unwrap();
        let told = failed_users(report.path()).unwrap_err().to_string();
        assert!(
            told.contains("2 of its users are known by their line alone"),
            "{told}"
        );
    }
}
