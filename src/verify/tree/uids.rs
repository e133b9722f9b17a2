//! The UIDs that files get, by the list of the server that is looked at.

use std::collections::{HashMap, HashSet};

use super::{Numbering, Tree};
use crate::mail::Uid;
use crate::mail::courier::uiddb;
use crate::mail::uidlist::AsRead;
use crate::naming::Identity;
use crate::sink::courier::UIDDB;
use crate::verify::difference::What;
use crate::verify::disk::{Disk, File};

/// UIDs by base name.
pub(super) type Uids = HashMap<Box<str>, Uid>;

impl Tree {
    /// The UIDs that the files of `disk` get by their base names.
    pub(super) fn uids(&mut self, numbering: Numbering, disk: &Disk) -> Uids {
        let (name, uids) = match numbering {
            Numbering::Names => return self.by_name(&disk.files),
            Numbering::List(name) => {
                let list = disk.uid_list.as_deref().map(AsRead::of);
                (
                    name,
                    list.map(|list| self.by_list(name, &list, &disk.files)),
                )
            }
            Numbering::Courier => {
                let list = disk.uiddb.as_deref().map(uiddb::AsRead::of);
                (UIDDB, list.map(|list| self.by_courier(&list, &disk.files)))
            }
        };
        if let Some(uids) = uids {
            return uids;
        }
        if disk.files.is_empty() {
            return Uids::new();
        }
        self.doubt(format!(
            "there is no {name}: the server gives every message a new UID"
        ));
        // What else differs is worth knowing.
        let uids = self.by_name(&disk.files);
        self.validity = None;
        uids
    }

    fn by_list(&mut self, name: &str, list: &AsRead<'_>, files: &[File]) -> Uids {
        if let Some(fault) = &list.fault {
            self.doubt(format!(
                "{name} is broken, {fault}: what comes behind gets new UIDs"
            ));
        }
        if list.is_unfinished {
            self.doubt(format!(
                "the last line of {name} has no line end and is not read"
            ));
        }
        for name in &list.doubled {
            let name = String::from_utf8_lossy(name);
            self.doubt(format!(
                "{name} has more than one line; the last one counts"
            ));
        }
        if let Some(head) = &list.head {
            self.validity = Some(head.validity);
            self.uid_next = Some(head.next_uid);
        }
        let lines = list.lines.iter();
        let lines = lines.map(|line| (Uid::new(line.uid), String::from_utf8_lossy(line.name)));
        of_files(files, lines)
    }

    fn by_courier(&mut self, list: &uiddb::AsRead<'_>, files: &[File]) -> Uids {
        if list.head.is_none() {
            self.doubt(format!(
                "the first line of {UIDDB} makes no sense: Courier gives every message a new UID"
            ));
        }
        if list.bad_lines > 0 {
            self.doubt(format!(
                "{} lines of {UIDDB} make no sense, or have no line end: their messages get new UIDs",
                list.bad_lines
            ));
        }
        for name in &list.doubled {
            self.doubt(format!(
                "{name} has more than one line in {UIDDB}: which one counts is undefined"
            ));
        }
        self.validity = list.head.map(|(validity, _)| validity);
        self.uid_next = list.head.map(|(_, next)| next);
        let lines = list.lines.iter();
        of_files(files, lines.map(|(uid, name)| (Some(*uid), (*name).into())))
    }

    fn by_name(&mut self, files: &[File]) -> Uids {
        let mut uids = Uids::with_capacity(files.len());
        for file in files {
            if let Some(Identity::Imap(validity, uid) | Identity::Pop3(validity, uid, _)) =
                Identity::parse(file.base())
            {
                self.validity = self.validity.or(Some(validity));
                uids.insert(file.base().into(), uid);
            }
        }
        uids
    }

    fn doubt(&mut self, is: String) {
        self.fault(None, What::Doubt, "", is);
    }
}

/// Those of the lines whose files are there.
fn of_files<'l>(
    files: &[File],
    lines: impl Iterator<Item = (Option<Uid>, std::borrow::Cow<'l, str>)>,
) -> Uids {
    let there: HashSet<&str> = files.iter().map(File::base).collect();
    let lines = lines.filter(|(_, name)| there.contains(name.as_ref()));
    lines
        .filter_map(|(uid, name)| Some((name.into(), uid?)))
        .collect()
}
