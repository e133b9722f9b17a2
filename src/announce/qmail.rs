//! qmail-pop3d: the UIDL is the file name, the order that of mtime (`maildir_scan`, `prioq`).

use super::doubt::{QmailDoubt, Sample};
use super::maildrop::{MailFile, Maildrop};
use super::{Expected, Listing, Octets};

/// Where qmail-pop3d lists a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Not before this second has passed: its date is now or later.
    Hidden,
    /// Under this number.
    Number(usize),
    /// Under one of these numbers: others have the same date, and their order is that of a heap.
    Between(usize, usize),
}

/// Where qmail-pop3d lists a file dated `mtime` among `files` when asked at `now`: by mtime, in whole
/// seconds.
pub fn place(files: &[MailFile], mtime: i64, now: i64) -> Place {
    if !is_shown(mtime, now) {
        return Place::Hidden;
    }
    let (earlier, equal) = files.iter().fold((0, 0), |(earlier, equal), other| {
        (
            earlier + usize::from(other.mtime < mtime),
            equal + usize::from(other.mtime == mtime),
        )
    });
    match equal {
        0 | 1 => Place::Number(earlier + 1),
        _ => Place::Between(earlier + 1, earlier + equal),
    }
}

fn is_shown(mtime: i64, now: i64) -> bool {
    mtime < now
}

/// What qmail-pop3d lists at `now`. Messages of one date are ordered by name, since qmail's own order
/// of them is no order.
pub(super) fn list(maildrop: &Maildrop, now: i64) -> Listing {
    let files = &maildrop.files;
    let mut listing = Listing::default();
    let mut not_yet = Vec::new();
    let mut shown: Vec<(usize, &MailFile)> = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        if is_shown(file.mtime, now) {
            shown.push((index, file));
        } else {
            not_yet.push(&*file.name);
        }
    }
    shown.sort_by(|(_, one), (_, other)| (one.mtime, &one.name).cmp(&(other.mtime, &other.name)));
    let same_date: Vec<&[u8]> = shown
        .chunk_by(|(_, one), (_, other)| one.mtime == other.mtime)
        .filter(|dated| dated.len() > 1)
        .flatten()
        .map(|(_, file)| &*file.name)
        .collect();
    let doubts = [
        Sample::of(&same_date).map(QmailDoubt::SameDate),
        Sample::of(&not_yet).map(QmailDoubt::NotYet),
    ];
    let doubts = doubts.into_iter().flatten().map(Into::into);
    listing.doubts.extend(doubts);
    listing.entries = shown
        .into_iter()
        .map(|(index, file)| Expected {
            file: index,
            uidl: file.base().into(),
            octets: Octets::Known(file.size),
        })
        .collect();
    listing
}
