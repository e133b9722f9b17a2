//! What POP3 servers say of the messages of an INBOX. Pure.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::mail::courier::order::compare;
use crate::mail::{Uid, UidLine};
use crate::plan::on_disk::{DiskFile, OnDisk};

/// The POP3 number that Dovecot gives to a listed message whose file is there: ascending by `O`,
/// then by UID; a message without `O` comes after all that have one (Dovecot, pop3 and
/// `maildir-uidlist.c`). Messages that are not listed yet come last.
pub(super) fn dovecot_number(disk: &OnDisk, line: &UidLine) -> usize {
    let present: HashSet<&str> = disk.files.iter().map(|file| &*file.base).collect();
    let place = place(line);
    let lines = disk.uidlist.iter().flat_map(|list| &list.lines);
    let before = lines.filter(|other| self::place(other) < place && present.contains(&*other.name));
    before.count() + 1
}

fn place(line: &UidLine) -> (u64, Uid) {
    let order = line.field('O').and_then(|order| order.parse().ok());
    (order.unwrap_or(u64::from(u32::MAX)), line.uid)
}

/// What Courier's POP3 server says of a file of INBOX: its number, by the order of names, and its UIDL
/// with its size where the server has given it one already.
pub(super) fn courier_says(disk: &OnDisk, file: &DiskFile) -> (usize, Option<(String, u64)>) {
    let others = disk.files.iter();
    let before = others.filter(|other| compare(&other.base, &file.base) == Ordering::Less);
    let sizes = disk.courier.as_ref().and_then(|files| files.sizes.as_ref());
    let mut lines = sizes.into_iter().flat_map(|sizes| &sizes.lines);
    let line = lines.find(|line| line.name == file.base);
    let said = line.map(|line| (line.uidl.uidl(&line.name), line.size));
    (before.count() + 1, said)
}

/// Where qmail-pop3d lists a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qmail {
    /// Not before this second has passed: its date is now or later.
    Hidden,
    /// Under this number.
    Number(usize),
    /// Under one of these numbers: others have the same date, and their order is that of a heap.
    Between(usize, usize),
}

/// Where qmail-pop3d lists `file` when asked at `now`: by mtime, in whole seconds. `None` where the
/// dates were not read.
pub(super) fn qmail_number(disk: &OnDisk, file: &DiskFile, now: i64) -> Option<Qmail> {
    let mtime = file.mtime?;
    if mtime >= now {
        return Some(Qmail::Hidden);
    }
    let mtimes = disk.files.iter().filter_map(|file| file.mtime);
    let (earlier, equal) = mtimes.fold((0, 0), |(earlier, equal), other| {
        (
            earlier + usize::from(other < mtime),
            equal + usize::from(other == mtime),
        )
    });
    Some(match equal {
        0 | 1 => Qmail::Number(earlier + 1),
        _ => Qmail::Between(earlier + 1, earlier + equal),
    })
}
