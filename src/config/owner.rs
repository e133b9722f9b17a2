//! `--owner` and the owner column: numbers or names to numbers.

use nix::unistd::{Gid, Group, Uid, User};

/// Who is to own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

const HINT: &str = "write UID:GID or USER:GROUP";
const MAKE_HINT: &str = "make it first, as with useradd, or give the numbers of the final host";

impl Owner {
    /// The owner written as `uid:gid`, as names, or as one user alone (its primary group then).
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if user.is_empty() || group == Some("") {
            return Err(format!("owner {text:?} is not complete: {HINT}"));
        }
        let number = user.parse::<u32>().ok();
        let known = match number {
            Some(uid) => User::from_uid(Uid::from_raw(uid)),
            None => User::from_name(user),
        }
        .map_err(|error| format!("owner {user:?} could not be looked up: {error}"))?;
        let uid = match (number, &known) {
            (Some(uid), _) => uid,
            (None, Some(user)) => user.uid.as_raw(),
            (None, None) => {
                return Err(format!(
                    "there is no user {user:?} on this system: {MAKE_HINT}"
                ));
            }
        };
        let gid = match (group, known) {
            (Some(group), _) => group_number(group)?,
            (None, Some(user)) => user.gid.as_raw(),
            (None, None) => {
                return Err(format!(
                    "owner {text:?} has no group, and no user here has that number: {HINT}"
                ));
            }
        };
        // chown(2) takes the highest number as "leave it".
        if uid == u32::MAX || gid == u32::MAX {
            return Err(format!("owner {text:?} is out of range"));
        }
        Ok(Self { uid, gid })
    }

    /// Whether giving files to this owner takes privileges that this process lacks, as far as can
    /// be told.
    pub fn needs_privilege(self) -> bool {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        !uid.is_root() && (self.uid != uid.as_raw() || self.gid != gid.as_raw())
    }

    /// Whether files that are given to nobody belong to root.
    pub fn is_root_by_itself() -> bool {
        Uid::effective().is_root()
    }
}

fn group_number(group: &str) -> Result<u32, String> {
    if let Ok(gid) = group.parse::<u32>() {
        return Ok(gid);
    }
    match Group::from_name(group) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(format!(
            "there is no group {group:?} on this system: {MAKE_HINT}"
        )),
        Err(error) => Err(format!("group {group:?} could not be looked up: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_numbers_names_or_refused() {
        let root = Owner { uid: 0, gid: 0 };
        for (text, want) in [
            (
                "5000:5001",
                Ok(Owner {
                    uid: 5000,
                    gid: 5001,
                }),
            ),
            ("root:root", Ok(root)),
            ("root:7", Ok(Owner { uid: 0, gid: 7 })),
            ("7:root", Ok(Owner { uid: 7, gid: 0 })),
            ("root", Ok(root)),
            ("0", Ok(root)),
            ("", Err("not complete")),
            (":root", Err("not complete")),
            ("root:", Err("not complete")),
            ("nobody-of-that-name:0", Err("no user")),
            ("0:nobody-of-that-name", Err("no group")),
            ("3999999999", Err("no group")),
            ("4294967295:0", Err("out of range")),
            ("0:0:0", Err("no group")),
        ] {
            match (Owner::parse(text), want) {
                (Ok(owner), Ok(want)) => assert_eq!(owner, want, "{text}"),
                (Err(fault), Err(want)) => assert!(fault.contains(want), "{text}: {fault}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
