//! Messages read on both sides and compared byte by byte, by their digests.

use std::collections::BTreeMap;
use std::io;

use super::difference::{Difference, What};
use super::disk::File;
use super::{Opened, Verify};
use crate::mail::{FolderPath, Uid, UidSet};
use crate::plan::on_disk::DiskFile;
use crate::problem::Problem;
use crate::sink::digest::read_back;
use crate::sink::on_disk::Messages;
use crate::sink::target_problem;
use crate::source::imap;
use crate::user::{Digested, digests};

/// Where sizes differ and contents do not, so often: the old server does not tell the truth about
/// sizes, and they are no reason to read more.
const LIES: usize = 20;

/// What has become of the messages that were compared.
#[derive(Debug, Default)]
pub struct Compared {
    /// Those of which both sides were read.
    pub checked: UidSet,
    /// Those of which every byte is the same.
    pub equal: UidSet,
    /// The others.
    pub differences: Vec<Difference>,
}

impl Compared {
    /// Notes what the sides have of a message; `None`: it could not be read there.
    pub fn note(
        &mut self,
        folder: &FolderPath,
        uid: Uid,
        old: Option<&blake3::Hash>,
        new: Option<&blake3::Hash>,
    ) {
        let unread = |side: &str| format!("it could not be read from the {side} side");
        let (what, was, is) = match (old, new) {
            (Some(old), Some(new)) => {
                self.checked.insert(uid);
                if old == new {
                    self.equal.insert(uid);
                    return;
                }
                (What::Content, shown(old), shown(new))
            }
            (None, _) => (What::Doubt, String::new(), unread("old")),
            (_, None) => (What::Doubt, String::new(), unread("new")),
        };
        let difference = Difference::new(Some(folder), what, was, is);
        self.differences.push(difference.at(Some(uid)));
    }
}

/// Enough of a digest to tell two apart.
fn shown(digest: &blake3::Hash) -> String {
    format!("blake3 {}", &digest.to_hex()[..16])
}

impl Verify<'_> {
    /// The digests of `uids` of the folder that is open in `session`; `sizes` are their announced
    /// sizes, `side` is a name for the server.
    pub(super) fn read_imap(
        &mut self,
        session: &mut imap::Session,
        folder: &FolderPath,
        wanted: &[(u32, u64)],
    ) -> Result<Digested, Problem> {
        let breaks = self.breaks.entry(folder.clone()).or_default();
        let keep_double_cr = self.context.config.target.servers.dovecot;
        let stop = self.context.stop;
        digests(wanted, breaks, keep_double_cr, stop, |wanted, sink| {
            let uids = wanted.iter();
            let uids: Vec<(Uid, u64)> = uids
                .filter_map(|(uid, size)| Some((Uid::new(*uid)?, *size)))
                .collect();
            session.fetch_bodies(&uids, sink)
        })
        .map_err(|problem| problem.in_folder(folder))
    }

    /// The digests of messages of a maildrop, by number.
    pub(super) fn read_pop3(
        &mut self,
        opened: &mut Opened,
        wanted: &[(u32, u64)],
    ) -> Result<Digested, Problem> {
        let keep_double_cr = self.context.config.target.servers.dovecot;
        let stop = self.context.stop;
        let session = &mut opened.session;
        let breaks = &mut self.pop3_breaks;
        digests(wanted, breaks, keep_double_cr, stop, |wanted, sink| {
            let numbers: Vec<u32> = wanted.iter().map(|(number, _)| *number).collect();
            session.whole(&numbers, sink)
        })
    }
}

/// Compares what the files of messages hold with what the old server has sent.
///
/// # Errors
/// Those of the file system.
pub fn with_files(
    folder: &FolderPath,
    messages: &Messages,
    files: &BTreeMap<Uid, Vec<&File>>,
    wanted: &UidSet,
    old: &Digested,
) -> Result<Compared, Problem> {
    let mut compared = Compared::default();
    for uid in wanted.iter() {
        let was = old.get(&uid.value());
        for file in files.get(&uid).into_iter().flatten() {
            let is = digest_of(messages, file).map_err(|error| {
                target_problem(&format!("read {}", file.name), error).in_folder(folder)
            })?;
            compared.note(folder, uid, was, is.as_ref());
        }
    }
    Ok(compared)
}

fn digest_of(messages: &Messages, file: &File) -> io::Result<Option<blake3::Hash>> {
    read_back(messages, &on_disk(file))
}

/// The file as the rest of the program names it.
pub fn on_disk(file: &File) -> DiskFile {
    DiskFile::named(&file.name, file.in_new, Some(file.mtime))
}

/// What is read with `more` messages, which are read whatever their sizes say, and what is still only suspected.
pub(super) fn with_certain(
    (mut chosen, mut suspects): (UidSet, Vec<Uid>),
    more: impl IntoIterator<Item = Uid>,
) -> (UidSet, Vec<Uid>) {
    chosen.extend(more);
    suspects.retain(|uid| !chosen.contains(*uid));
    (chosen, suspects)
}

/// Reads what is chosen and the first of the suspects; the other suspects only where one of those was
/// rightly suspected.
pub(super) fn in_two_goes(
    chosen: UidSet,
    suspects: Vec<Uid>,
    mut read: impl FnMut(&UidSet) -> Result<Compared, Problem>,
) -> Result<Compared, Problem> {
    let (first, rest) = suspects.split_at(suspects.len().min(LIES));
    let mut wanted = chosen;
    wanted.extend(first.iter().copied());
    let mut compared = read(&wanted)?;
    let rest: UidSet = rest.iter().copied().collect();
    if rest.is_empty() {
        return Ok(compared);
    }
    if first.iter().all(|uid| compared.equal.contains(*uid)) {
        compared.equal.extend(rest.iter());
        return Ok(compared);
    }
    let more = read(&rest)?;
    compared.checked.extend(more.checked.iter());
    compared.equal.extend(more.equal.iter());
    compared.differences.extend(more.differences);
    Ok(compared)
}

/// Leaves out what is said of the sizes of messages that are the same.
pub(super) fn without_lies(found: Vec<Difference>, compared: &Compared) -> Vec<Difference> {
    let is_lie = |it: &Difference| {
        it.what == What::Size && it.uid.is_some_and(|uid| compared.equal.contains(uid))
    };
    found.into_iter().filter(|it| !is_lie(it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_lies_about_sizes_hides_no_message_under_another_uid() {
        let uid = |number| Uid::new(number).expect("not 0");
        let suspects = || (1..=100).map(uid).collect::<Vec<_>>();
        // All sizes are lies; the messages 90 and 91 have changed places.
        let read = |wanted: &UidSet| {
            let mut compared = Compared::default();
            for uid in wanted.iter() {
                let of = |number: u32| blake3::hash(&number.to_be_bytes());
                let is = match uid.value() {
                    90 => 91,
                    91 => 90,
                    other => other,
                };
                let (old, new) = (of(uid.value()), of(is));
                compared.note(&FolderPath::inbox(), uid, Some(&old), Some(&new));
            }
            Ok(compared)
        };
        let look = |certain: &[u32]| {
            let certain = certain.iter().copied().map(uid);
            let (chosen, suspects) = with_certain((UidSet::default(), suspects()), certain);
            let compared = in_two_goes(chosen, suspects, read).expect("it is read");
            (compared.differences.len(), compared.checked.len())
        };
        assert_eq!(look(&[]), (0, 20), "what is taken for lies is not read");
        assert_eq!(look(&[90, 91]), (2, 22));
        assert_eq!(look(&[1, 90, 91]), (2, 23));
        let compared = in_two_goes(UidSet::default(), vec![uid(90), uid(92)], read).expect("read");
        assert_eq!(compared.differences.len(), 1);
    }
}
