//! Copies in INBOX of messages in other folders, for POP3 servers that show more than INBOX: the new
//! one shows INBOX only, and goes on to show these by their copies. Pure.
//!
//! A copy is known by its UIDL. It has a UID of its own, which the source has not given and will not
//! give soon: far above the source's UIDNEXT. It keeps this UID from run to run, by what the last run
//! has remembered, else by the name of its file or its line in the list.

use std::collections::{HashMap, HashSet};

use super::on_disk::OnDisk;
use super::pop3_only::Remembered;
use crate::mail::{Uid, UidValidity, Uidl};
use crate::naming::Identity;
use crate::naming::message::UidlDigest;
use crate::problem::{Kind, Problem, Reach};

/// Left free between the source's UIDNEXT and the first copy, where there is room: for the mail that
/// the source gets until the move is over.
const GAP: u32 = 1_000_000;

/// A UID for the copy of each message, by the digests of their UIDLs, which are in POP3 order. `next`
/// is the source's UIDNEXT and above all its messages. UIDs ascend for copies that are new.
///
/// # Errors
/// There are not so many UIDs left.
pub fn number(
    validity: UidValidity,
    next: u32,
    uidls: &[UidlDigest],
    disk: &OnDisk,
    remembered: &Remembered,
) -> Result<Vec<Uid>, Problem> {
    let known = known(validity, next, disk, remembered);
    let mut taken: HashSet<Uid> = HashSet::new();
    let mut uids: Vec<Option<Uid>> = Vec::with_capacity(uidls.len());
    for uidl in uidls {
        let uid = known.get(uidl).copied();
        uids.push(uid.filter(|uid| taken.insert(*uid)));
    }
    let list = disk.uidlist.as_ref();
    let list = list.filter(|list| list.validity == validity);
    let above = |uid: &Uid| uid.value().saturating_add(1);
    let highest = known.values().map(above).max().unwrap_or(1);
    let given = list.map_or(1, |list| list.next_uid).max(highest);
    let new = uids.iter().filter(|uid| uid.is_none()).count();
    let room = u64::from(u32::MAX - next).saturating_sub(new as u64) / 2;
    let gap = u32::try_from(room).map_or(GAP, |room| room.min(GAP));
    // The last UID of all would leave no UIDNEXT.
    let free = next.saturating_add(gap).max(given)..u32::MAX;
    let new = uids.iter_mut().filter(|uid| uid.is_none());
    for (slot, free) in new.zip(free) {
        *slot = Uid::new(free);
    }
    uids.into_iter()
        .collect::<Option<Vec<Uid>>>()
        .ok_or_else(|| {
            let what = "INBOX has no UIDs left for copies of messages in other folders";
            Problem::new(Kind::Unholdable, Reach::User, what)
        })
}

/// The UIDs of copies, by what stands for their UIDLs; none that the source has reached by now.
fn known(
    validity: UidValidity,
    next: u32,
    disk: &OnDisk,
    remembered: &Remembered,
) -> HashMap<UidlDigest, Uid> {
    let mut known = HashMap::new();
    if let Some(list) = disk.uidlist.as_ref().filter(|it| it.validity == validity) {
        for line in list.lines.iter() {
            let uidl = line
                .field('P')
                .and_then(|uidl| Uidl::parse(uidl.as_bytes()).ok());
            known.extend(uidl.map(|uidl| (UidlDigest::of(&uidl), line.uid)));
        }
    }
    for file in disk.files.iter() {
        if let Some(Identity::Pop3(in_name, uid, digest)) = Identity::parse(&file.base)
            && in_name == validity
        {
            known.insert(digest, uid);
        }
    }
    if remembered.validity == Some(validity) {
        let remembered = remembered.uids.iter();
        known.extend(remembered.map(|(uid, digest)| (*digest, *uid)));
    }
    // A UID that the source has reached is that of a message of INBOX, or of what was one.
    known.retain(|_, uid| uid.value() >= next);
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::UidList;
    use crate::plan::on_disk::DiskFile;

    fn uidl(text: &str) -> Uidl {
        Uidl::parse(text.as_bytes()).unwrap()
    }

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn numbered(next: u32, uidls: &[&str], disk: &OnDisk, remembered: &[(u32, &str)]) -> Vec<u32> {
        let uidls = uidls.iter().map(|text| UidlDigest::of(&uidl(text)));
        let uidls: Vec<UidlDigest> = uidls.collect();
        let remembered = remembered.iter();
        let remembered = Remembered {
            validity: UidValidity::new(7),
            uids: remembered
                .map(|(value, text)| (uid(*value), UidlDigest::of(&uidl(text))))
                .collect(),
            ..Remembered::default()
        };
        let validity = UidValidity::new(7).unwrap();
        let uids = number(validity, next, &uidls, disk, &remembered).unwrap();
        uids.iter().map(|uid| uid.value()).collect()
    }

    fn disk(files: &[String], list: &str) -> OnDisk {
        let files = files.iter().map(|base| DiskFile {
            base: base.as_str().into(),
            suffix: ":2,S".into(),
            in_new: false,
            mtime: None,
        });
        OnDisk {
            exists: true,
            files: files.collect(),
            uidlist: UidList::parse(list.as_bytes()).ok(),
            ..OnDisk::default()
        }
    }

    fn named(validity: u32, value: u32, text: &str) -> String {
        let validity = UidValidity::new(validity).unwrap();
        let identity = Identity::Pop3(validity, uid(value), UidlDigest::of(&uidl(text)));
        identity.base_name(1, 1).to_string()
    }

    #[test]
    fn new_copies_are_far_above_what_the_source_gives() {
        let none = OnDisk::default();
        assert_eq!(
            numbered(500, &["b", "a"], &none, &[]),
            [1_000_500, 1_000_501]
        );
        // No room for the whole gap.
        let next = u32::MAX - 11;
        assert_eq!(
            numbered(next, &["b", "a"], &none, &[]),
            [next + 4, next + 5]
        );
        // A list may have gone beyond it, by mail of the target's own.
        let list = disk(&[], "3 V7 N1000600\n");
        assert_eq!(numbered(500, &["a"], &list, &[]), [1_000_600]);
        let other = disk(&[], "3 V8 N1000600\n");
        assert_eq!(numbered(500, &["a"], &other, &[]), [1_000_500]);
    }

    #[test]
    fn there_may_be_no_uids_left() {
        let validity = UidValidity::new(7).unwrap();
        let uidls = ["a", "b"].map(|text| UidlDigest::of(&uidl(text)));
        let disk = OnDisk::default();
        let remembered = Remembered::default();
        let result = number(validity, u32::MAX - 1, &uidls, &disk, &remembered);
        assert_eq!(result.unwrap_err().kind, Kind::Unholdable);
    }

    #[test]
    fn copies_keep_the_uids_that_they_have() {
        // By what is remembered, also what was deleted on the target; new ones go above.
        let none = OnDisk::default();
        let remembered = [(1_000_500, "a"), (1_000_501, "b")];
        assert_eq!(
            numbered(700, &["c", "b", "a"], &none, &remembered),
            [1_000_700, 1_000_501, 1_000_500]
        );
        assert_eq!(
            numbered(500, &["c", "a"], &none, &remembered),
            [1_000_502, 1_000_500]
        );
        // By the name of the file, or by the list, where the record was lost.
        let there = disk(
            &[named(7, 1_000_500, "a"), named(8, 1_000_777, "c")],
            "3 V7 N1000502\n5 Pmoved :5.old\n1000501 Pb :b\n",
        );
        assert_eq!(
            numbered(600, &["b", "a", "c", "moved"], &there, &[]),
            [1_000_501, 1_000_500, 1_000_600, 1_000_601]
        );
        // The source has come as far as the copies: they make room.
        assert_eq!(
            numbered(1_000_501, &["a", "b"], &none, &remembered),
            [2_000_501, 1_000_501]
        );
    }
}
