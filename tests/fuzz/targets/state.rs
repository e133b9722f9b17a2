//! The record of a user: what is read, written and read again is the same, and nothing that it says
//! can stop who asks it. What was lost at the end of a cut file is lost alone.

use mailseed::mail::{FolderPath, Uid, UidSet};
use mailseed::state::Record;
use mailseed::text::printable;

pub fn run(data: &[u8]) {
    sets(data);
    let Ok(parsed) = Record::parse(data) else {
        return;
    };
    let mut text = Vec::new();
    let written = parsed.record.write_to(&mut text);
    written.expect("memory takes all");
    let again = Record::parse(&text).expect("what is written can be read");
    assert_eq!(again.record, parsed.record);
    assert!(again.is_whole && again.is_compact);
    // A run that is cut while it appends.
    let cut = text.len() - 1;
    if let Ok(before) = Record::parse(&text[..cut]) {
        assert!(!before.is_whole && !before.is_compact);
        assert!(before.record.folders().len() <= parsed.record.folders().len());
    }

    let mut record = parsed.record;
    let paths: Vec<FolderPath> = record
        .folders()
        .iter()
        .map(|folder| folder.path())
        .collect();
    for path in &paths {
        // A path may hold anything; where it is told it goes through this.
        let shown = printable(&path.to_string());
        assert!(!shown.contains(char::is_control), "{shown}");
        let folder = record.folder(path);
        let _ = (folder.past(), folder.remembered(), folder.copies());
        let _ = (folder.is_done(), folder.copy_of("x"));
        let all = folder
            .seen
            .values()
            .fold(UidSet::default(), |all, uids| all.union(uids));
        folder.lets_go(&all);
        assert!(folder.seen.is_empty());
        assert!(all.difference(&folder.deleted_at_source).is_empty());
        folder.examined(Some(1), None);
        folder.lies_in(Some("elsewhere".to_owned()));
    }
    for path in &paths {
        record.rename(path, &FolderPath::inbox());
        record.forget(path);
    }
}

/// Sets of UIDs as text, and what is done with them.
fn sets(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut sets = text
        .split('\n')
        .filter_map(|line| line.parse::<UidSet>().ok());
    let (one, other) = (sets.next(), sets.next());
    let Some(one) = one else { return };
    assert_eq!(one.to_string().parse::<UidSet>(), Ok(one.clone()));
    let other = other.unwrap_or_default();
    let (both, common) = (one.union(&other), one.intersection(&other));
    assert_eq!(both.len() + common.len(), one.len() + other.len());
    assert_eq!(one.difference(&other).len() + common.len(), one.len());
    assert_eq!(one.difference(&other).union(&common), one);
    for uid in one.first().into_iter().chain(one.last()) {
        assert!(one.contains(uid) && both.contains(uid));
        assert_eq!(common.contains(uid), other.contains(uid));
        let mut less = one.difference(&UidSet::from_iter([uid]));
        assert!(!less.contains(uid));
        assert!(less.insert(uid));
        assert_eq!(less, one);
    }
    if let Some(uid) = Uid::new(u32::MAX) {
        assert_eq!(one.contains(uid), one.last() == Some(uid));
    }
}
