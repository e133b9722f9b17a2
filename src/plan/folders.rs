//! Where each folder of the source goes: one folder, one directory.

use std::collections::HashMap;

use super::selection::Choice;
use crate::config::{FolderEncoding, Layout};
use crate::mail::FolderPath;
use crate::naming::MaildirFolder;
use crate::problem::{Kind, Problem, Reach};
use crate::source::{ListedFolder, SpecialUse};

const ANOTHER_NAME: &str = "give one of them another name by --map, or leave it out by --exclude";

/// A folder of the source and its place on the target.
#[derive(Debug)]
pub struct Placed {
    /// The folder as the source lists it.
    pub listed: ListedFolder,
    /// Its name on the target.
    pub destination: FolderPath,
    /// Its directory, or why it cannot have one.
    pub target: Result<MaildirFolder, Problem>,
}

/// Gives each selectable folder that is taken its directory: INBOX first, then the others in the
/// source's order, last those whose messages are to be links, \All before what shows a part of it.
/// Folders that would share a directory are all refused, but for INBOX: who takes its place
/// has to wait.
pub fn place(
    folders: &[ListedFolder],
    choice: &Choice<'_>,
    layout: Layout,
    encoding: FolderEncoding,
) -> Vec<Placed> {
    let mut placed: Vec<Placed> = folders
        .iter()
        .filter(|listed| listed.selectable && choice.takes(&listed.path))
        .map(|listed| {
            let destination = choice.destination(&listed.path);
            let target = match choice.reserved_for_another(&destination) {
                None => MaildirFolder::of(&destination, layout, encoding).map_err(|fault| {
                    let why = match destination == listed.path {
                        true => fault.to_string(),
                        false => format!("as {:?}: {fault}", destination.to_string()),
                    };
                    unholdable(&listed.path, &why).with_hint(fault.hint(layout))
                }),
                Some(theirs) => {
                    let why = format!("{theirs} is for the mail of another user");
                    Err(unholdable(&listed.path, &why).with_hint(ANOTHER_NAME))
                }
            };
            Placed {
                listed: listed.clone(),
                destination,
                target,
            }
        })
        .collect();
    let mut users: HashMap<MaildirFolder, Vec<usize>> = HashMap::new();
    for (index, folder) in placed.iter().enumerate() {
        if let Ok(target) = &folder.target {
            users.entry(target.clone()).or_default().push(index);
        }
    }
    for sharing in users.into_values().filter(|sharing| sharing.len() > 1) {
        let names: Vec<String> = sharing
            .iter()
            .map(|index| placed[*index].listed.wire_name.clone())
            .collect();
        for index in sharing {
            let path = placed[index].listed.path.clone();
            if path.is_inbox() {
                continue;
            }
            placed[index].target = Err(unholdable(
                &path,
                &format!(
                    "these folders would share one directory: {}",
                    names.join(", ")
                ),
            )
            .with_hint(ANOTHER_NAME));
        }
    }
    placed.sort_by_key(|Placed { listed, .. }| {
        let shows_all = listed.special_use == Some(SpecialUse::All);
        match choice.links(listed) {
            _ if listed.path.is_inbox() => 0,
            false => 1,
            true if shows_all => 2,
            true => 3,
        }
    });
    placed
}

fn unholdable(path: &FolderPath, why: &str) -> Problem {
    let reach = if path.is_inbox() {
        Reach::User
    } else {
        Reach::Folder
    };
    Problem::new(
        Kind::Unholdable,
        reach,
        format!("the target cannot hold this folder: {why}"),
    )
    .in_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::selection::AllMail;
    use crate::config::{Selection, User};
    use crate::source::FolderList;

    fn listed(wire_name: &str, parts: &[&str], selectable: bool) -> ListedFolder {
        ListedFolder {
            wire_name: wire_name.to_owned(),
            path: FolderPath::new(parts.iter().map(|part| (*part).to_owned()).collect()),
            selectable,
            special_use: None,
            repaired: false,
            marks: None,
        }
    }

    #[test]
    fn ten_thousand_folders_are_placed_in_no_time() {
        let names: Vec<String> = (0..10_000).map(|number| format!("f{number:05}")).collect();
        let folders = names.iter().map(|name| listed(name, &["Work", name], true));
        let list = FolderList {
            folders: folders.collect(),
            ..FolderList::default()
        };
        let (selection, user) = (Selection::default(), User::of_no_server("ann"));
        let choice = Choice::of(&selection, &user, &list);
        let start = std::time::Instant::now();
        let placed = place(&list.folders, &choice, Layout::Fs, FolderEncoding::Utf8);
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
        let mut places: Vec<String> = placed
            .iter()
            .map(|placed| placed.target.as_ref().unwrap().to_string())
            .collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 10_000);
    }

    #[test]
    fn what_shows_others_comes_last_where_it_is_linked() {
        let with_use = |name: &str, special_use| ListedFolder {
            special_use,
            ..listed(name, &[name], true)
        };
        let list = FolderList {
            folders: vec![
                with_use("Starred", Some(SpecialUse::Flagged)),
                with_use("All", Some(SpecialUse::All)),
                with_use("Sent", Some(SpecialUse::Sent)),
                with_use("INBOX", None),
                with_use("Work", None),
            ],
            ..FolderList::default()
        };
        let user = User::of_no_server("ann");
        for (all_mail, want) in [
            (AllMail::Link, ["INBOX", "Sent", "Work", "All", "Starred"]),
            (AllMail::Keep, ["INBOX", "Starred", "All", "Sent", "Work"]),
        ] {
            let selection = Selection {
                all_mail: Some(all_mail),
                ..Selection::default()
            };
            let choice = Choice::of(&selection, &user, &list);
            let (layout, encoding) = (Layout::Fs, FolderEncoding::Utf8);
            let placed = place(&list.folders, &choice, layout, encoding);
            let names = placed.iter().map(|it| it.listed.wire_name.as_str());
            assert_eq!(names.collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn each_folder_has_a_directory_of_its_own_or_a_refusal() {
        let list = FolderList {
            folders: vec![
                listed("v1.0", &["v1.0"], true),
                listed("A", &["A"], false),
                listed("A/B", &["A", "B"], true),
                listed("&AMk-", &["É"], true),
                listed("E&AwE-", &["É"], true),
                listed("INBOX", &["INBOX"], true),
            ],
            ..FolderList::default()
        };
        let (selection, user) = (Selection::default(), User::of_no_server("ann"));
        let choice = Choice::of(&selection, &user, &list);
        let placed = place(
            &list.folders,
            &choice,
            Layout::MaildirPlusPlus,
            FolderEncoding::Mutf7,
        );
        let told: Vec<String> = placed
            .iter()
            .map(|folder| match &folder.target {
                Ok(target) => format!("{} -> {target}", folder.listed.path),
                Err(problem) => problem.to_string(),
            })
            .collect();
        assert_eq!(told[0], "INBOX -> .");
        assert!(
            told[1].contains("dot inside a folder name (hint: use --layout fs"),
            "{}",
            told[1]
        );
        assert_eq!(told[2], "A/B -> .A.B");
        assert!(
            told[3].contains("share one directory: &AMk-, E&AwE-"),
            "{}",
            told[3]
        );
        assert!(told[4].contains("share one directory"), "{}", told[4]);
        assert_eq!(
            told.len(),
            5,
            "a folder without messages needs no directory"
        );
    }
}
