//! `dovecot-uidlist`: what is read, written and read again is the same, both readers agree, and lines
//! that are added take none away.

use mailseed::mail::uidlist::AsRead;
use mailseed::mail::{UidLines, UidList};

pub fn run(data: &[u8]) {
    let as_read = AsRead::of(data);
    let Ok(list) = UidList::parse(data) else {
        return;
    };
    assert!(as_read.fault.is_none(), "{:?}", as_read.fault);
    assert!(list.lines.uids().is_sorted());
    assert!(
        list.lines
            .uids()
            .last()
            .is_none_or(|last| last.value() < list.next_uid)
    );
    let lines: Vec<(u32, &[u8])> = as_read
        .lines
        .iter()
        .map(|line| (line.uid, line.name))
        .collect();
    let kept: Vec<_> = list.lines.iter().collect();
    let kept: Vec<(u32, &[u8])> = kept
        .iter()
        .map(|line| (line.uid.value(), line.name.as_bytes()))
        .collect();
    assert_eq!(lines, kept);

    // Behind a NUL, or a colon in a name, Dovecot sees no more of a line: only so can what it sees end in CR,
    // which it does not see when that is the end of the line.
    if data.contains(&b'\r') {
        return;
    }
    let text = written(&list);
    let again = UidList::parse(&text).expect("what is written can be read");
    assert_eq!(again, list);
    assert_eq!(written(&again), text);

    // Every other line as a new one of the rest.
    let (mut old, mut new) = (list.clone_head(), UidLines::default());
    for (at, line) in list.lines.iter().enumerate() {
        match at % 2 {
            0 => old.lines.push(&line),
            _ => new.push(&line),
        }
    }
    let both = old.with(&new);
    assert_eq!(both.whole(), list);
    assert!(old.is_extended_by(&both));
    for mut line in list.lines.iter() {
        line.set_field('P', Some("7"));
        assert_eq!(line.field('P'), Some("7"));
        line.set_field('P', None);
        assert_eq!(line.field('P'), None);
    }
}

fn written(list: &UidList) -> Vec<u8> {
    let mut text = Vec::new();
    list.write_to(&mut text).expect("memory takes it");
    text
}
