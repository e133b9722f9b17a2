//! Courier's files: what is read, written and read again says the same.

use mailseed::config::Layout;
use mailseed::mail::Uidl;
use mailseed::mail::courier::{CourierKeywords, SizeList, sizelist, uiddb};
use mailseed::mail::subscriptions::{Form, Subscriptions};

pub fn run(data: &[u8]) {
    let Some((which, data)) = data.split_first() else {
        return;
    };
    match which % 5 {
        0 => uids(data),
        1 => sizes(data),
        2 => keywords(data),
        3 => names(data),
        _ => subscriptions(data),
    }
}

fn uids(data: &[u8]) {
    let Some(list) = uiddb::parse(data) else {
        return;
    };
    assert!(list.lines.uids().is_sorted_by(|one, other| one < other));
    let mut text = Vec::new();
    uiddb::write(&list, &mut text).expect("memory takes it");
    let again = uiddb::parse(&text).expect("what is written can be read");
    assert!(uiddb::is_same(&list, &again), "{list:?}\n{again:?}");
}

fn sizes(data: &[u8]) {
    let Some(list) = SizeList::parse(data) else {
        return;
    };
    let mut text = Vec::new();
    list.write_to(&mut text).expect("memory takes it");
    let again = SizeList::parse(&text).expect("what is written can be read");
    assert_eq!(list, again);
    assert!(list.is_same(&again));
    for line in &list.lines {
        let said = line.uidl.of_file(line.name.as_bytes());
        if line.uidl != sizelist::BY_NAME {
            assert_eq!(sizelist::Numbers::of(&said), canonical(line.uidl));
        }
    }
}

/// The numbers as they come back from a UIDL: one without the first says none.
fn canonical(numbers: sizelist::Numbers) -> Option<sizelist::Numbers> {
    (numbers.n > 0).then_some(numbers)
}

/// The list, and then files with changes, each behind a line `\x01name`.
fn keywords(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 1);
    let list = parts.next();
    let updates: Vec<(String, Vec<u8>)> = parts
        .map(|part| {
            let end = part.iter().position(|byte| *byte == b'\n');
            let (name, content) = part.split_at(end.unwrap_or(part.len()));
            let content = content.strip_prefix(b"\n").unwrap_or(content);
            (String::from_utf8_lossy(name).into_owned(), content.to_vec())
        })
        // As from a directory.
        .filter(|(name, _)| !name.is_empty() && !name.contains(['/', '\0']))
        .collect();
    let gathered = CourierKeywords::gather(list, &updates);
    // Lines end in LF alone: Courier writes no others.
    if data.contains(&b'\r') {
        return;
    }
    assert!(gathered.messages.values().all(|words| !words.is_empty()));
    let mut text = Vec::new();
    gathered.write_to(&mut text).expect("memory takes it");
    let again = CourierKeywords::gather(Some(&text), &[]);
    assert_eq!(gathered.messages, again.messages);
}

fn names(data: &[u8]) {
    let Ok(uidl) = Uidl::parse(data) else {
        return;
    };
    if let Some(name) = sizelist::name_of(&uidl) {
        assert_eq!(sizelist::BY_NAME.of_file(name.as_bytes()), uidl.as_str());
    }
    if let Some(numbers) = sizelist::Numbers::of(uidl.as_str()) {
        assert_eq!(numbers.of_file(b"x"), uidl.as_str());
    }
}

fn subscriptions(data: &[u8]) {
    if data.contains(&b'\r') {
        return;
    }
    for form in [
        Form::Dovecot(Layout::Fs),
        Form::Dovecot(Layout::MaildirPlusPlus),
        Form::Courier,
    ] {
        let mut list = Subscriptions::parse(Some(data), form);
        let names = list.names();
        let again = Subscriptions::parse(Some(&list.to_bytes()), form);
        assert_eq!(again.names(), names);
        // A TAB in a file of version 1 is part of no name that we know, and a folder INBOX beside INBOX is none
        // that is ever made.
        let is_odd = data.windows(11).any(|name| name == b"INBOX.INBOX");
        let has_tabs = form != Form::Courier && data.starts_with(b"V\t2\n\n");
        if is_odd {
            continue;
        }
        if has_tabs || !data.contains(&b'\t') {
            assert_eq!(list.change(&[], &names), 0, "{names:?}");
        }
    }
}
