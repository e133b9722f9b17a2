//! Which file of a folder holds which of its messages, once its plan has been carried out.

use std::collections::HashMap;

use crate::mail::{Uid, UidValidity};
use crate::naming::Identity;
use crate::plan::on_disk::{ByBase, DiskFile, OnDisk, Place};
use crate::plan::{self, FolderPlan, Policy, SourceFolder, Step};

/// The messages on the target by their entries, each with the base name of its file where that does
/// not tell by itself which message it is. `missing` are the entries that did not come.
pub(super) fn on_target(
    source: &SourceFolder<'_>,
    disk: &OnDisk,
    plan: &FolderPlan,
    policy: &Policy,
    missing: &dyn Fn(usize) -> bool,
) -> Vec<(usize, Option<Box<str>>)> {
    let renamed: HashMap<u32, &str> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Rename { file, to } => Some((*file, to.base.as_deref()?)),
            _ => None,
        })
        .collect();
    let messages = plan.uids.iter().enumerate().filter_map(|(index, uid)| {
        if uid.is_none() || missing(index) {
            return None;
        }
        let file = plan.files.get(index).copied().flatten().map(Place::at);
        let name: Box<str> = match file {
            Some(file) => match renamed.get(&file) {
                Some(name) => (*name).into(),
                None => disk.files.get(file)?.base,
            },
            None => plan::base_name(source, policy, plan, index, (0, 0))
                .as_str()
                .into(),
        };
        let is_told = Identity::parse(&name) == Some(plan::identity(source, index));
        Some((index, (!is_told).then_some(name)))
    });
    messages.collect()
}

/// The files of a folder.
pub(super) struct Files<'d> {
    /// By the UID that the name tells. A server may have moved a file here from a folder of the same
    /// UIDVALIDITY, so that two tell the same.
    by_uid: Vec<(Uid, u32)>,
    by_base: ByBase<'d>,
    disk: &'d OnDisk,
}

impl<'d> Files<'d> {
    /// Those of `disk`, a folder of this UIDVALIDITY.
    pub(super) fn of(disk: &'d OnDisk, validity: UidValidity) -> Self {
        let by_uid = (0..).zip(disk.files.iter()).filter_map(|(at, file)| {
            let (of, uid) = match Identity::parse(&file.base)? {
                Identity::Imap(of, uid) | Identity::Pop3(of, uid, _) => (of, uid),
            };
            (of == validity).then_some((uid, at))
        });
        let mut by_uid: Vec<(Uid, u32)> = by_uid.collect();
        by_uid.sort_unstable();
        Self {
            by_uid,
            by_base: disk.files.by_base(),
            disk,
        }
    }

    /// Those that may be the file of a message: `name` is as [`on_target`] gives it.
    pub(super) fn of_message(&self, uid: Uid, name: Option<&str>) -> Vec<DiskFile> {
        match name {
            Some(name) => {
                let at = self.by_base.get(name);
                at.and_then(|at| self.disk.files.get(at))
                    .into_iter()
                    .collect()
            }
            None => {
                let first = self.by_uid.partition_point(|(of, _)| *of < uid);
                let same = self.by_uid[first..].iter();
                same.take_while(|(of, _)| *of == uid)
                    .filter_map(|(_, at)| self.disk.files.get(*at))
                    .collect()
            }
        }
    }
}
