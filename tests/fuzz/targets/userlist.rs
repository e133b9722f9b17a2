//! The user list: refused or read, never both, each with a line that there is; and what is read comes
//! back when it is written by another.

use mailseed::userlist::{self, List, UserRow};

struct Read {
    rows: Vec<UserRow>,
    refused: Vec<(u64, String)>,
}

fn read(mut data: &[u8]) -> Read {
    let list = List::copied(&mut data).expect("a temporary file");
    let mut refused = Vec::new();
    let scan = list.scan(&mut |line, why| refused.push((line, why)), |_| {});
    let mut rows = Vec::new();
    list.good_rows(&scan, |row| rows.push(row));
    for row in &rows {
        let line = row.line.expect("a row of a list");
        let again = list.row_at(row.offset, line).expect("what was read");
        assert_eq!(fields(&again), fields(row));
    }
    Read { rows, refused }
}

pub fn run(data: &[u8]) {
    let list = read(data);
    let lines = data.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    for (line, why) in &list.refused {
        assert!((1..=lines).contains(line), "{line} of {lines}: {why}");
        assert!(!why.is_empty());
    }
    for row in &list.rows {
        assert!(row.line.is_some_and(|line| (2..=lines).contains(&line)));
        assert!(userlist::sound_name(&row.user).is_ok());
        for name in [&row.imap_user, &row.pop3_user].into_iter().flatten() {
            assert!(userlist::sound_name(name).is_ok());
        }
        // It would be a second command to a server.
        for secret in [&row.password, &row.imap_password, &row.pop3_password] {
            let secret = secret.as_ref().map_or("", |secret| secret.expose());
            assert!(!secret.contains(['\r', '\n', '\0']));
        }
    }
    if !list.refused.is_empty() {
        return;
    }
    let again = read(&written(&list.rows));
    assert!(again.refused.is_empty(), "{:?}", again.refused);
    let told = |rows: &[UserRow]| rows.iter().map(fields).collect::<Vec<_>>();
    assert_eq!(told(&again.rows), told(&list.rows));
}

fn written(rows: &[UserRow]) -> Vec<u8> {
    let mut csv = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    csv.write_record(userlist::column_names())
        .expect("memory takes it");
    for row in rows {
        csv.write_record(fields(row)).expect("memory takes it");
    }
    csv.into_inner().expect("memory takes it")
}

/// The values of `row`, in the order of [`userlist::column_names`].
fn fields(row: &UserRow) -> [String; 11] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let url = |value: &Option<_>| value.as_ref().map_or(String::new(), ToString::to_string);
    let secret = |value: &Option<mailseed::source::login::Secret>| {
        value
            .as_ref()
            .map_or(String::new(), |secret| secret.expose().to_owned())
    };
    [
        row.user.clone(),
        secret(&row.password),
        text(&row.imap_user),
        secret(&row.imap_password),
        text(&row.pop3_user),
        secret(&row.pop3_password),
        url(&row.imap),
        url(&row.pop3),
        text(&row.maildir),
        text(&row.owner),
        text(&row.subfolder),
    ]
}
