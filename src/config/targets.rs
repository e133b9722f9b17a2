//! Which Maildirs are taken, and by whom: several users may share one only if each has a part of it
//! to itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Owner;
use crate::mail::FolderPath;

/// The Maildirs of the users so far.
#[derive(Debug, Default)]
pub(super) struct Targets(HashMap<PathBuf, Vec<Taken>>);

#[derive(Debug)]
struct Taken {
    line: Option<u64>,
    /// `None`: all of it but for the others' subfolders.
    subfolder: Option<FolderPath>,
    owner: Option<Owner>,
}

impl Targets {
    /// Gives `maildir`, or `subfolder` in it, to the user of `line`.
    ///
    /// # Errors
    /// Why it cannot be: what an earlier user has would be mixed with it; in words that go after
    /// the user's name.
    pub(super) fn take(
        &mut self,
        line: Option<u64>,
        maildir: &Path,
        subfolder: Option<&FolderPath>,
        owner: Option<Owner>,
    ) -> Result<(), String> {
        let taken = self.0.entry(maildir.to_owned()).or_default();
        for other in taken.iter() {
            let as_line = other
                .line
                .map_or(String::new(), |line| format!(" as line {line}"));
            let shown = maildir.display();
            match (subfolder, &other.subfolder) {
                (None, None) => {
                    return Err(format!(
                        "has the same Maildir{as_line}: {shown}; in one Maildir all users but one \
                         need a subfolder"
                    ));
                }
                (Some(ours), Some(theirs)) if ours.is_within(theirs) || theirs.is_within(ours) => {
                    return Err(format!(
                        "has the same Maildir{as_line}: {shown}; its subfolder {ours} and the \
                         other's, {theirs}, lie one in the other"
                    ));
                }
                _ if owner != other.owner => {
                    return Err(format!(
                        "has the same Maildir{as_line}: {shown}; both need the same owner"
                    ));
                }
                _ => {}
            }
        }
        taken.push(Taken {
            line,
            subfolder: subfolder.cloned(),
            owner,
        });
        Ok(())
    }

    /// The subfolders of `maildir` that are taken.
    pub(super) fn subfolders(&self, maildir: &Path) -> Vec<FolderPath> {
        let taken = self.0.get(maildir).into_iter().flatten();
        taken.filter_map(|taken| taken.subfolder.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maildir_is_shared_only_where_nothing_can_meet() {
        let me = Owner { uid: 5, gid: 5 };
        let other = Owner { uid: 6, gid: 6 };
        let folder = |name: &str| Some(FolderPath::from_display(name));
        let cases: [(&[_], Option<&str>); 8] = [
            (&[("/m", None, me), ("/n", None, other)], None),
            (
                &[
                    ("/m", None, me),
                    ("/m", folder("Old"), me),
                    ("/m", folder("New"), me),
                ],
                None,
            ),
            (
                &[("/m", folder("Old"), me), ("/m", folder("Older"), me)],
                None,
            ),
            (
                &[("/m", None, me), ("/m", None, me)],
                Some("all users but one"),
            ),
            (
                &[("/m", folder("Old"), me), ("/m", folder("Old"), me)],
                Some("one in the other"),
            ),
            (
                &[("/m", folder("Old"), me), ("/m", folder("Old/A"), me)],
                Some("one in the other"),
            ),
            (
                &[("/m", folder("Old/A"), me), ("/m", folder("Old"), me)],
                Some("one in the other"),
            ),
            (
                &[("/m", None, me), ("/m", folder("Old"), other)],
                Some("same owner"),
            ),
        ];
        for (rows, want) in cases {
            let mut targets = Targets::default();
            let outcome = (1..)
                .zip(rows)
                .try_for_each(|(line, (maildir, subfolder, owner))| {
                    targets.take(
                        Some(line),
                        Path::new(maildir),
                        subfolder.as_ref(),
                        Some(*owner),
                    )
                });
            match (outcome, want) {
                (Ok(()), None) => {}
                (Err(fault), Some(why)) => {
                    assert!(
                        fault.contains(why) && fault.contains("as line 1"),
                        "{fault}"
                    );
                }
                (outcome, _) => panic!("{rows:?}: {outcome:?}"),
            }
        }
        let mut targets = Targets::default();
        targets.take(None, Path::new("/m"), None, None).unwrap();
        targets
            .take(None, Path::new("/m"), folder("Old").as_ref(), None)
            .unwrap();
        assert_eq!(
            targets.subfolders(Path::new("/m")),
            [folder("Old").unwrap()]
        );
    }
}
