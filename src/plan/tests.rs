//! Plans as lines: what the source has, what lies on disk, what is to be done.

mod copies;
mod courier;

use super::on_disk::{DiskFile, DiskFiles, OnDisk};
use std::collections::BTreeMap;

use super::*;
use crate::config::{Pop3Order, Unholdable};
use crate::mail::{Flags, UidLines};
use crate::problem::{Kind, Reach};

/// A GUID of a folder; Dovecot takes no other form.
const GUID: &str = "0123456789abcdef0123456789abcdef";
const VALIDITY: u32 = 1_294_690_616;
const NOW: i64 = 2_000_000_000;
const DOVECOT: Servers = Servers {
    qmail: false,
    dovecot: true,
    courier: false,
};
const QMAIL: Servers = Servers {
    qmail: true,
    dovecot: false,
    courier: false,
};
const BOTH: Servers = Servers {
    qmail: true,
    dovecot: true,
    courier: false,
};

/// A source folder under construction.
struct Source {
    path: FolderPath,
    validity: u32,
    uid_next: u32,
    entries: Vec<Entry>,
    keywords: KeywordTable,
    uidls: Option<Announcements>,
    copies: Option<Vec<UidlDigest>>,
    selected: Option<UidSet>,
    seen: Option<Seen>,
    rematched: Option<HashMap<Box<str>, Uid>>,
    rerun: Rerun,
}

impl Source {
    /// INBOX with messages of these UIDs, each dated 1000 seconds times its UID.
    fn inbox(uids: &[u32]) -> Self {
        Self::folder(&["INBOX"], uids)
    }

    fn folder(parts: &[&str], uids: &[u32]) -> Self {
        Self {
            path: FolderPath::new(parts.iter().map(|part| (*part).to_owned()).collect()),
            validity: VALIDITY,
            uid_next: 500,
            entries: uids.iter().map(|uid| entry(*uid)).collect(),
            keywords: KeywordTable::default(),
            uidls: None,
            copies: None,
            selected: None,
            seen: None,
            rematched: None,
            rerun: Rerun::default(),
        }
    }

    /// Planned in another mode.
    fn mode(mut self, mode: Mode) -> Self {
        self.rerun.mode = mode;
        self
    }

    /// Seen before with these flags (Maildir letters), when the target's UIDNEXT was 500.
    fn seen(mut self, messages: &[(&str, &[u32])]) -> Self {
        let sets: BTreeMap<String, UidSet> = messages
            .iter()
            .map(|(words, uids)| {
                let uids = uids.iter().filter_map(|uid| Uid::new(*uid));
                ((*words).to_owned(), uids.collect())
            })
            .collect();
        self.seen = Some(Seen {
            validity: UidValidity::new(self.validity).unwrap(),
            marked: seen::marked(&sets),
            pending: UidSet::default(),
            renumbered: seen::Renumbered::default(),
            written_next: Some(500),
            foreign: UidSet::default(),
            writing: None,
            paired: UidSet::default(),
            collected: UidSet::default(),
            deleted_at_source: UidSet::default(),
        });
        self
    }

    /// Of which `--delete-source` has taken these away, or was about to.
    fn deleted_at_source(mut self, uids: &[u32]) -> Self {
        if let Some(seen) = &mut self.seen {
            seen.deleted_at_source = uids.iter().map(|uid| Uid::new(*uid).unwrap()).collect();
        }
        self
    }

    /// With only these to be delivered.
    fn selected(mut self, uids: &[u32]) -> Self {
        let uids = uids.iter().map(|uid| Uid::new(*uid).unwrap());
        self.selected = Some(uids.collect());
        self
    }

    /// With UIDLs, in UID order; an empty one means none.
    fn uidls(mut self, uidls: &[&str]) -> Self {
        let announced = (1..).zip(uidls).map(|(position, uidl)| {
            let uidl = Uidl::parse(uidl.as_bytes()).ok()?;
            Some(Announced { position, uidl })
        });
        self.uidls = Some(announced.collect());
        self
    }

    /// Its UIDLs are listed at these places.
    fn listed_at(&mut self, positions: &[u32]) {
        let uidls = self.uidls.take().unwrap_or_default();
        let placed = uidls.iter().zip(positions).map(|(announced, position)| {
            let position = *position;
            announced.map(|it| Announced { position, ..it })
        });
        self.uidls = Some(placed.collect());
    }

    fn plan(&self, disk: &OnDisk, servers: Servers) -> Result<FolderPlan, Problem> {
        self.plan_under(disk, servers, UidlPolicy::default())
    }

    fn plan_under(
        &self,
        disk: &OnDisk,
        servers: Servers,
        uidls: UidlPolicy,
    ) -> Result<FolderPlan, Problem> {
        let source = self.borrowed();
        let past = Past {
            seen: self.seen.as_ref(),
            rematched: self.rematched.as_ref(),
        };
        plan(&source, &past, disk, &self.policy(servers, uidls), NOW)
    }

    fn policy(&self, servers: Servers, uidls: UidlPolicy) -> Policy {
        Policy {
            servers,
            listed: servers,
            uidls,
            rerun: self.rerun,
        }
    }

    fn borrowed(&self) -> SourceFolder<'_> {
        SourceFolder {
            owner: "ann",
            path: &self.path,
            validity: UidValidity::new(self.validity).unwrap(),
            uid_next: self.uid_next,
            in_root: self.path.is_inbox(),
            entries: &self.entries,
            selected: self.selected.as_ref(),
            keywords: &self.keywords,
            uidls: self.uidls.as_ref(),
            digests: None,
            collected: self.copies.as_deref(),
            is_whole: true,
        }
    }

    fn steps(&self, disk: &OnDisk, servers: Servers) -> Vec<String> {
        self.told(&self.plan(disk, servers).unwrap())
    }

    /// Each step in a few words.
    fn told(&self, plan: &FolderPlan) -> Vec<String> {
        let tell = |step: &Step| match step {
            Step::CreateFolder => "create".to_owned(),
            Step::ReserveValidity => "reserve".to_owned(),
            Step::WriteKeywords => "keywords".to_owned(),
            Step::Deliver { entry, mtime } => {
                let uid = self.entries[*entry as usize].uid;
                format!("deliver {uid} at {}", mtime.map_or(-1, i64::from))
            }
            Step::Rename { file, to } => format!(
                "rename {file} to {}{}",
                to.base.as_deref().unwrap_or_default(),
                to.suffix.as_deref().unwrap_or_default()
            ),
            Step::Redate { file, mtime } => format!("redate {file} to {mtime}"),
            Step::Arrange => "arrange".to_owned(),
            Step::RemoveIndexes => "remove indexes".to_owned(),
            Step::WriteCourierKeywords => "courier keywords".to_owned(),
            Step::WriteUidList => "list".to_owned(),
        };
        plan.steps.iter().map(tell).collect()
    }
}

fn entry(uid: u32) -> Entry {
    Entry {
        uid: Uid::new(uid).unwrap(),
        flags: Flags::SEEN,
        keywords: crate::mail::KeywordSet::default(),
        internal_date: Some((i64::from(uid) * 1000).into()),
        size: 34,
    }
}

/// A target folder with these files and this list.
fn disk(files: &[&str], list: &str) -> OnDisk {
    let files = files.iter().map(|name| {
        let (base, suffix) = name.split_at(name.find(':').unwrap_or(name.len()));
        DiskFile {
            base: base.into(),
            suffix: suffix.into(),
            in_new: false,
            mtime: None,
        }
    });
    OnDisk {
        exists: true,
        files: files.collect(),
        uidlist: (!list.is_empty()).then(|| UidList::parse(list.as_bytes()).unwrap()),
        ..OnDisk::default()
    }
}

fn change(files: &mut DiskFiles, at: u32, change: impl Fn(&mut DiskFile)) {
    let all = (0..).zip(files.iter()).map(|(place, mut file)| {
        if place == at {
            change(&mut file);
        }
        file
    });
    *files = all.collect();
}

fn ours(uid: u32) -> String {
    let validity = UidValidity::new(VALIDITY).unwrap();
    let identity = Identity::Imap(validity, Uid::new(uid).unwrap());
    identity.base_name(30, 34).to_string()
}

fn list_text(list: &UidList) -> String {
    let mut out = Vec::new();
    list.write_to(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    // The GUID is a digest; its form is what matters.
    let guid = list.guid.as_deref().unwrap();
    let is_whole = guid.len() == 32 && guid.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_whole, "{guid}");
    text.replace(guid, GUID)
}

/// What the folder looks like when `plan` has been carried out.
fn after(source: &Source, disk: &OnDisk, plan: &FolderPlan, servers: Servers) -> OnDisk {
    let folder = source.borrowed();
    let policy = source.policy(servers, UidlPolicy::default());
    let mut done = disk.clone();
    done.exists = true;
    let mut lines = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Deliver { entry, mtime } => {
                let index = *entry as usize;
                let name = base_name(&folder, &policy, plan, index, (30, 34));
                lines.push(uidlist::new_line(
                    &folder,
                    plan,
                    index,
                    name.as_str(),
                    30,
                    34,
                ));
                done.files.push(&DiskFile {
                    base: name.as_str().into(),
                    suffix: ":2,S".into(),
                    in_new: false,
                    mtime: mtime.map(i64::from),
                });
            }
            Step::Rename { file, to } => change(&mut done.files, *file, |file| {
                if let Some(base) = &to.base {
                    file.base = base.clone();
                }
                if let Some(suffix) = &to.suffix {
                    (file.suffix, file.in_new) = (suffix.clone(), false);
                }
            }),
            Step::Redate { file, mtime } => {
                change(&mut done.files, *file, |file| file.mtime = Some(*mtime));
            }
            Step::RemoveIndexes => done.has_indexes = false,
            Step::WriteUidList => {
                let new = std::mem::take(&mut lines).into_iter().collect();
                let lines = plan.list_with(&new).map(|list| list.lines().collect());
                done.uidlist = plan.list.as_ref().map(UidList::clone_head);
                if let (Some(list), Some(lines)) = (&mut done.uidlist, lines) {
                    list.lines = lines;
                }
            }
            Step::WriteKeywords => done.keywords = plan.letters.clone(),
            Step::CreateFolder
            | Step::ReserveValidity
            | Step::Arrange
            | Step::WriteCourierKeywords => {}
        }
    }
    done
}

#[test]
fn a_new_folder_is_made_filled_and_listed_and_then_nothing_is_left() {
    for servers in [DOVECOT, QMAIL, BOTH] {
        for source in [
            Source::inbox(&[3, 7]).uidls(&["b", "a"]),
            Source::inbox(&[3, 7]),
            Source::folder(&["A"], &[3, 7]),
            Source::folder(&["A"], &[]),
        ] {
            let nothing = OnDisk::default();
            let plan = source.plan(&nothing, servers).unwrap();
            assert_eq!(plan.steps[0], Step::CreateFolder);
            assert_eq!(plan.deliveries, source.entries.len() as u64);
            let done = after(&source, &nothing, &plan, servers);
            let again = source.plan(&done, servers).unwrap();
            assert_eq!(source.told(&again), [""; 0], "{servers:?} {}", source.path);
            assert_eq!(again.kept, source.entries.len() as u64);
        }
    }
}

#[test]
fn the_list_holds_uids_uidls_and_order_and_starts_above_the_source() {
    let mut source = Source::inbox(&[3, 7, 9]).uidls(&["x:1", "", "abc"]);
    source.listed_at(&[9, 2, 3]);
    let nothing = OnDisk::default();
    let plan = source.plan(&nothing, DOVECOT).unwrap();
    let done = after(&source, &nothing, &plan, DOVECOT);
    let (first, second, third) = (ours(3), ours(7), ours(9));
    assert_eq!(
        list_text(&done.uidlist.unwrap()),
        format!(
            "3 V{VALIDITY} N500 G{GUID}\n3 Px:1 O9 :{first}\n7 :{second}\n9 Pabc O3 :{third}\n"
        )
    );
    // Names that are UIDLs carry no sizes: the list does.
    let source = Source::inbox(&[3]).uidls(&["abc"]);
    let plan = source.plan(&nothing, BOTH).unwrap();
    let done = after(&source, &nothing, &plan, BOTH);
    assert_eq!(
        list_text(&done.uidlist.unwrap()),
        format!("3 V{VALIDITY} N500 G{GUID}\n3 Pabc O1 S30 W34 :abc\n")
    );
}

#[test]
fn what_a_cut_run_left_is_kept_and_listed() {
    let (three, seven) = (ours(3), ours(7));
    // The file is there, its line is not.
    let source = Source::folder(&["A"], &[3, 7]);
    let left = disk(&[&format!("{seven}:2,S")], "");
    assert_eq!(source.steps(&left, DOVECOT), ["deliver 3 at 3000", "list"]);
    // The file is there, the list knows only another.
    let left = disk(
        &[&three, &seven],
        &format!("3 V{VALIDITY} N500\n3 :{three}\n"),
    );
    let plan = source.plan(&left, DOVECOT).unwrap();
    assert_eq!(source.told(&plan), ["list"]);
    assert_eq!(
        list_text(plan.list.as_ref().unwrap()),
        format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n7 :{seven}\n")
    );
    // A file under its UIDL, without a line.
    let source = Source::inbox(&[3, 7]).uidls(&["b", "a"]);
    let mut left = disk(&["a:2,"], "");
    change(&mut left.files, 0, |file| file.mtime = Some(7000));
    assert_eq!(source.steps(&left, QMAIL), ["deliver 3 at 3000", "list"]);
    // A list that a server made of what a cut run had left, under a UIDVALIDITY of its own.
    let source = Source::folder(&["A"], &[3, 7]);
    let mut left = disk(&[&three], &format!("3 V77 N2\n1 :{three}\n"));
    left.has_indexes = true;
    assert_eq!(
        source.steps(&left, DOVECOT),
        ["deliver 7 at 7000", "remove indexes", "list"]
    );
}

#[test]
fn foreign_mail_and_foreign_fields_stay() {
    let (three, seven) = (ours(3), ours(7));
    let list = format!(
        "3 V{VALIDITY} N600 G{GUID} Xkeep\n3 W34 Zkeep :{three}\n501 Pmine :local\n502 :gone\n"
    );
    let mut source = Source::inbox(&[3, 7])
        .seen(&[("S", &[3])])
        .uidls(&["u3", "u7"]);
    // Nobody but us has given UIDs below 501.
    if let Some(seen) = &mut source.seen {
        seen.written_next = Some(501);
    }
    let mut before = disk(&[&format!("{three}:2,S"), "local", "unlisted"], &list);
    before.has_indexes = true;
    let plan = source.plan(&before, DOVECOT).unwrap();
    // UID 7 is below what the indexes have seen.
    assert_eq!(
        source.told(&plan),
        ["deliver 7 at 7000", "remove indexes", "list"]
    );
    let done = after(&source, &before, &plan, DOVECOT);
    let mut out = Vec::new();
    done.uidlist.unwrap().write_to(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "3 V{VALIDITY} N600 G{GUID} Xkeep\n3 Pu3 O1 W34 Zkeep :{three}\n7 Pu7 O2 :{seven}\n\
             501 Pmine :local\n502 :gone\n"
        )
    );
}

#[test]
fn a_target_that_a_server_has_numbered_takes_over_the_uids_of_the_source() {
    let source = Source::folder(&["A"], &[3, 7]);
    // Mail of the target's own goes above what the source will give soon.
    let own = disk(
        &["local"],
        &format!("3 V5 N9 G{GUID}\n8 Pmine W34 :local\n"),
    );
    let plan = source.plan(&own, DOVECOT).unwrap();
    assert_eq!(
        source.told(&plan),
        ["deliver 3 at 3000", "deliver 7 at 7000", "list"]
    );
    assert_eq!(
        list_text(plan.list.as_ref().unwrap()),
        format!("3 V{VALIDITY} N100501 G{GUID}\n100500 Pmine W34 :local\n")
    );
    // Ours, under another UIDVALIDITY, of which nothing more is known: it stays.
    let other = ours(3).replace(&VALIDITY.to_string(), "5");
    let stale = disk(&[&other], &format!("3 V5 N9\n3 :{other}\n"));
    let plan = source.plan(&stale, DOVECOT).unwrap();
    assert_eq!((plan.deliveries, plan.removals.len()), (2, 0));
    // A list without mail is only a server's first look: it is replaced.
    let looked = disk(&[], "3 V5 N1\n");
    assert_eq!(
        source.steps(&looked, DOVECOT),
        ["deliver 3 at 3000", "deliver 7 at 7000", "list"]
    );
}

#[test]
fn what_another_tool_staged_under_the_same_uids_is_the_same_mail_if_size_and_date_agree() {
    let source = Source::folder(&["A"], &[3, 7]);
    let list = format!("3 V{VALIDITY} N500 G{GUID}\n7 :local,S=30,W=34\n");
    let mut staged = disk(&["local,S=30,W=34"], &list);
    change(&mut staged.files, 0, |file| file.mtime = Some(7000));
    assert_eq!(
        source.steps(&staged, DOVECOT),
        ["deliver 3 at 3000", "list"]
    );
    change(&mut staged.files, 0, |file| file.mtime = Some(7001));
    let plan = source.plan(&staged, DOVECOT).unwrap();
    assert_eq!((plan.deliveries, plan.moved), (2, 1));
}

/// What a cell of the decision table does with UID 7 of a folder that has UID 3 too.
fn decided(in_source: bool, last_seen: bool, on_disk: bool, rerun: Rerun) -> Vec<String> {
    let uids: &[u32] = if in_source { &[3, 7] } else { &[3] };
    let known: &[u32] = if last_seen { &[3, 7] } else { &[3] };
    let mut source = Source::folder(&["A"], uids).seen(&[("S", known)]);
    source.rerun = rerun;
    let (three, seven) = (ours(3), ours(7));
    let mut names = vec![format!("{three}:2,S")];
    let mut list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n");
    if on_disk {
        names.push(format!("{seven}:2,S"));
        list.push_str(&format!("7 :{seven}\n"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = source.plan(&disk(&names, &list), DOVECOT).unwrap();
    let mut told = source.told(&plan);
    told.retain(|step| step != "list");
    told.extend(
        plan.removals
            .iter()
            .map(|(file, _)| format!("remove {file}")),
    );
    told
}

#[test]
fn every_row_of_the_decision_table() {
    let merge = Rerun::default();
    let mirror = Rerun {
        mode: Mode::Mirror,
        ..merge
    };
    let keep = Rerun {
        keep_deleted: true,
        ..merge
    };
    let late = Rerun {
        mode: Mode::AfterCutover,
        ..merge
    };
    let deliver: &[&str] = &["deliver 7 at 7000"];
    let nothing: &[&str] = &[];
    let remove: &[&str] = &["remove 1"];
    for ((s, l, d), in_merge, in_mirror, keeping, after) in [
        ((true, false, false), deliver, deliver, deliver, deliver),
        ((true, true, true), nothing, nothing, nothing, nothing),
        ((true, true, false), nothing, deliver, nothing, nothing),
        ((false, true, true), remove, remove, nothing, nothing),
        ((false, true, false), nothing, nothing, nothing, nothing),
        ((false, false, true), nothing, remove, nothing, nothing),
        ((false, false, false), nothing, nothing, nothing, nothing),
    ] {
        let cell = format!("source {s}, last seen {l}, on disk {d}");
        assert_eq!(decided(s, l, d, merge), in_merge, "merge: {cell}");
        assert_eq!(decided(s, l, d, mirror), in_mirror, "mirror: {cell}");
        assert_eq!(decided(s, l, d, keep), keeping, "keep deleted: {cell}");
        assert_eq!(decided(s, l, d, late), after, "after cutover: {cell}");
    }
}

#[test]
fn flags_follow_the_source_or_both_sides() {
    for (on_disk, before, now, merge, mirror) in [
        ("S", "S", "S", None, None),
        ("S", "S", "FS", Some("FS"), Some("FS")),
        ("FS", "S", "S", None, Some("S")),
        ("F", "S", "S", None, Some("S")),
        ("FS", "S", "", Some("F"), Some("")),
        ("FS", "S", "RS", Some("FRS"), Some("RS")),
    ] {
        let source = |mode| {
            let mut source = Source::folder(&["A"], &[3])
                .seen(&[(before, &[3])])
                .mode(mode);
            source.entries[0].flags = now
                .chars()
                .filter_map(Flags::from_maildir)
                .fold(Flags::empty(), Flags::with);
            source
        };
        let three = ours(3);
        let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n");
        let there = disk(&[&format!("{three}:2,{on_disk}")], &list);
        let steps = |want: Option<&str>| -> Vec<String> {
            let step = want.map(|flags| format!("rename 0 to :2,{flags}"));
            step.into_iter().collect()
        };
        let cell = format!("{on_disk} {before} {now}");
        assert_eq!(
            source(Mode::Merge).steps(&there, DOVECOT),
            steps(merge),
            "{cell}"
        );
        assert_eq!(
            source(Mode::Mirror).steps(&there, DOVECOT),
            steps(mirror),
            "{cell}"
        );
        assert_eq!(
            source(Mode::AfterCutover).steps(&there, DOVECOT),
            [""; 0],
            "{cell}"
        );
        // What was changed on the target is not removed with the source's copy.
        let mut gone = source(Mode::Merge);
        gone.entries.clear();
        let plan = gone.plan(&there, DOVECOT).unwrap();
        assert_eq!(plan.removals.is_empty(), on_disk != before, "{cell}");
    }
    // Nothing is known of the past: what is on the target stays.
    let unknown = Source::folder(&["A"], &[3]);
    let three = ours(3);
    let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n");
    let there = disk(&[&format!("{three}:2,F")], &list);
    assert_eq!(unknown.steps(&there, DOVECOT), [""; 0]);
}

#[test]
fn a_message_that_was_listed_in_words_without_sense_is_not_taken_for_deleted() {
    let (three, seven) = (ours(3), ours(7));
    let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n7 :{seven}\n");
    let there = disk(&[&format!("{three}:2,S"), &format!("{seven}:2,S")], &list);
    for mode in [Mode::Merge, Mode::Mirror] {
        let source = Source::folder(&["A"], &[3])
            .seen(&[("S", &[3, 7])])
            .mode(mode);
        let folder = |is_whole| SourceFolder {
            is_whole,
            ..source.borrowed()
        };
        let past = Past {
            seen: source.seen.as_ref(),
            rematched: None,
        };
        let policy = source.policy(DOVECOT, UidlPolicy::default());
        for (is_whole, removals) in [(true, 1), (false, 0)] {
            let plan = plan(&folder(is_whole), &past, &there, &policy, NOW).unwrap();
            assert_eq!(plan.removals.len(), removals, "{mode:?} {is_whole}");
            // In any case it is remembered: until it is gone, or because it may be there.
            let seen = seen::after(&folder(is_whole), past.seen, &plan, &|_| false);
            assert_eq!(seen["S"].to_string(), "3,7", "{mode:?} {is_whole}");
        }
    }
}

#[test]
fn to_mirror_over_mail_of_the_targets_own_needs_a_word() {
    let source = || Source::inbox(&[3]).seen(&[("S", &[3])]).mode(Mode::Mirror);
    let three = ours(3);
    let list = format!("3 V{VALIDITY} N501 G{GUID}\n3 :{three}\n500 :local\n");
    let there = disk(&[&format!("{three}:2,S"), "local"], &list);
    let problem = source().plan(&there, DOVECOT).unwrap_err();
    assert_eq!((problem.kind, problem.reach), (Kind::Conflict, Reach::User));
    assert!(problem.to_string().contains("--delete-local"), "{problem}");
    let mut told = source();
    told.rerun.delete_local = true;
    let plan = told.plan(&there, DOVECOT).unwrap();
    assert_eq!(plan.removals, [(1, None)]);
}

/// By their names, or as qmail has them, by their lines.
#[test]
fn what_was_deleted_at_the_source_for_its_copy_here_stays_here() {
    let (three, seven) = (ours(3), ours(7));
    for (name, uidls, servers) in [
        (seven.as_str(), None, DOVECOT),
        ("uidl-of-7", Some(["a"]), BOTH),
    ] {
        let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n7 Pb :{name}\n");
        let there = disk(&[&format!("{three}:2,S"), &format!("{name}:2,S")], &list);
        let source = |mode| {
            let source = Source::inbox(&[3]).seen(&[("S", &[3])]).mode(mode);
            let source = source.deleted_at_source(&[7]);
            match &uidls {
                Some(uidls) => source.uidls(uidls),
                None => source,
            }
        };
        for mode in [Mode::Merge, Mode::AfterCutover] {
            let plan = source(mode).plan(&there, servers).unwrap();
            assert_eq!(plan.removals, [], "{mode:?} {name}");
            let lines = plan.list.as_ref().map(|list| list.lines.len());
            assert_eq!(lines, Some(2), "{mode:?} {name}");
        }
        // It is the only copy: to mirror the source takes a word.
        let problem = source(Mode::Mirror).plan(&there, servers).unwrap_err();
        assert!(problem.to_string().contains("--delete-source"), "{problem}");
    }
}

/// A run was cut between marking and removing: flags, and what its owner did here in between.
#[test]
fn what_is_marked_to_be_deleted_at_the_source_is_no_change_of_the_source() {
    let (three, seven) = (ours(3), ours(7));
    let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n7 :{seven}\n");
    let both = disk(&[&format!("{three}:2,S"), &format!("{seven}:2,FS")], &list);
    let source = Source::inbox(&[3, 7]).seen(&[("S", &[3])]);
    let source = source.deleted_at_source(&[7]);
    let plan = source.plan(&both, DOVECOT).unwrap();
    assert_eq!((plan.kept, plan.steps.len()), (2, 0));
    let inner = source.borrowed();
    let sets = seen::after(&inner, source.seen.as_ref(), &plan, &|_| false);
    let seen: Vec<String> = sets.values().map(UidSet::to_string).collect();
    assert_eq!(
        seen,
        ["3"],
        "should it vanish, it is not the source's doing"
    );
    // Deleted here since: it does not come again.
    let one = disk(&[&format!("{three}:2,S")], &list);
    let plan = source.plan(&one, DOVECOT).unwrap();
    assert_eq!((plan.deliveries, plan.left_deleted), (0, 1));
}

#[test]
fn no_uid_has_two_contents() {
    let three = ours(3);
    // A server has given 500 to a mail of its own; the source gives 500 and 501.
    let list = format!("3 V{VALIDITY} N501 G{GUID}\n3 :{three}\n500 W9 :local\n");
    let mut there = disk(&[&format!("{three}:2,S"), "local"], &list);
    there.has_indexes = true;
    let mut source = Source::inbox(&[3, 500, 501])
        .seen(&[("S", &[3])])
        .uidls(&["a", "b", "c"]);
    source.uid_next = 502;
    let plan = source.plan(&there, DOVECOT).unwrap();
    let uids: Vec<u32> = plan.uids.iter().flatten().map(|uid| uid.value()).collect();
    assert_eq!(
        uids,
        [3, 100_502, 501],
        "501 is free, 500 is nobody's any more"
    );
    assert_eq!(plan.renumbered, BTreeMap::from([(500, 100_502)]));
    assert_eq!(
        list_text(&plan.list.clone().unwrap())
            .lines()
            .skip(1)
            .collect::<Vec<_>>(),
        [format!("3 Pa O1 :{three}"), "100503 W9 :local".to_owned()]
    );
    assert_eq!((plan.moved, plan.foreign.to_string().as_str()), (1, "500"));
    let done = after(&source, &there, &plan, DOVECOT);
    // The next run knows all of them, and moves nobody again.
    let mut seen = source.seen.clone().unwrap();
    seen.marked = seen::marked(&seen::after(
        &source.borrowed(),
        source.seen.as_ref(),
        &plan,
        &|_| false,
    ));
    seen.renumbered = plan.renumbered.clone().into();
    seen.foreign = plan.foreign.clone();
    seen.written_next = done.uidlist.as_ref().map(|list| list.next_uid);
    source.seen = Some(seen);
    assert_eq!(source.steps(&done, DOVECOT), [""; 0]);
    // 500 stays spent even when its mail is gone, and new mail of the source keeps its UID.
    let mut later = Source::inbox(&[3, 500, 501, 502]).uidls(&["a", "b", "c", "d"]);
    later.uid_next = 503;
    later.seen = source.seen.clone();
    let plan = later.plan(&done, DOVECOT).unwrap();
    let uids: Vec<u32> = plan.uids.iter().flatten().map(|uid| uid.value()).collect();
    assert_eq!(uids, [3, 100_502, 501, 502]);
    // In a mirror the source's UIDs hold, and the target's own mail goes.
    let mut mirror = later.mode(Mode::Mirror);
    mirror.rerun.delete_local = true;
    let plan = mirror.plan(&there, DOVECOT).unwrap();
    let uids: Vec<u32> = plan.uids.iter().flatten().map(|uid| uid.value()).collect();
    assert_eq!(uids, [3, 500, 501, 502]);
    assert!(plan.steps.contains(&Step::RemoveIndexes));
    assert_eq!(plan.removals, [(1, None)]);
}

#[test]
fn a_local_mail_that_no_list_has_leaves_the_source_its_uid() {
    let three = ours(3);
    let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n");
    let there = disk(&[&format!("{three}:2,S"), "local"], &list);
    let mut source = Source::inbox(&[3, 500]).seen(&[("S", &[3])]);
    source.uid_next = 501;
    let plan = source.plan(&there, DOVECOT).unwrap();
    assert_eq!(plan.uids[1].map(Uid::value), Some(500));
    assert_eq!((plan.kept, plan.moved), (1, 0));
    let done = after(&source, &there, &plan, DOVECOT);
    assert_eq!(done.uidlist.unwrap().next_uid, 501);
}

#[test]
fn after_the_cutover_lists_only_grow() {
    let (three, four) = (ours(3), ours(4));
    let list =
        format!("3 V{VALIDITY} N503 G{GUID}\n3 Pu3 O1 :{three}\n4 Pu4 O2 :{four}\n502 :local\n");
    let mut there = disk(
        &[&format!("{three}:2,FS"), &format!("{four}:2,"), "local"],
        &list,
    );
    there.has_indexes = true;
    // At the source 4 has gone, 500 and 600 have come, flags and order have changed.
    let mut source = Source::inbox(&[3, 500, 600])
        .seen(&[("S", &[3, 4])])
        .uidls(&["u3", "u500", "u600"])
        .mode(Mode::AfterCutover);
    source.uid_next = 601;
    let plan = source.plan(&there, DOVECOT).unwrap();
    assert!(plan.steps.iter().all(Step::only_adds), "{:?}", plan.steps);
    assert_eq!(plan.removals, []);
    let done = after(&source, &there, &plan, DOVECOT);
    let before = there.uidlist.unwrap();
    let now = done.uidlist.unwrap();
    assert!(before.is_extended_by(&now.with(&UidLines::default())));
    let (late, latest) = (ours(500), ours(600));
    assert!(
        list_text(&now).ends_with(&format!(
            "502 :local\n503 Pu500 :{late}\n600 Pu600 :{latest}\n"
        )),
        "{}",
        list_text(&now)
    );
    // The target has a UIDVALIDITY of its own: it stays, and everything is new there.
    let own = disk(&["local"], &format!("3 V5 N9 G{GUID}\n8 :local\n"));
    let mut source = Source::inbox(&[3]).mode(Mode::AfterCutover);
    source.uid_next = 4;
    let plan = source.plan(&own, DOVECOT).unwrap();
    let now = after(&source, &own, &plan, DOVECOT).uidlist.unwrap();
    assert!(
        own.uidlist
            .unwrap()
            .is_extended_by(&now.with(&UidLines::default()))
    );
    assert_eq!(now.lines.uids()[1].value(), 9);
}

/// Otherwise a run that is cut before it makes an empty folder would lose it.
#[test]
fn a_folder_that_is_gone_stays_so_unless_a_cut_run_was_to_make_it() {
    let gone = OnDisk::default();
    assert!(!gone.exists);
    let mut source = Source::inbox(&[]).seen(&[]);
    assert_eq!(source.plan(&gone, DOVECOT).unwrap().steps, []);
    if let Some(seen) = &mut source.seen {
        seen.writing = Some((1, UidSet::default()));
    }
    let plan = source.plan(&gone, DOVECOT).unwrap();
    assert_eq!(source.told(&plan), ["create", "list"]);
}

#[test]
fn what_the_source_calls_by_another_uid_is_renamed_and_not_fetched() {
    let old = |uid| ours(uid).replace(&VALIDITY.to_string(), "5");
    let names = [format!("{}:2,FS", old(8)), format!("{}:2,S", old(9))];
    let list = format!(
        "3 V5 N10 G{GUID}\n8 Pu3 O1 :{}\n9 Pu9 O2 :{}\n",
        old(8),
        old(9)
    );
    let there = disk(&[&names[0], &names[1]], &list);
    let mut source = Source::inbox(&[3, 7]).uidls(&["u3", "u7"]);
    let uid = |value| Uid::new(value).unwrap();
    source.rematched = Some(HashMap::from([(old(8).into(), uid(3))]));
    let sets = BTreeMap::from([("S".to_owned(), [uid(8), uid(9)].into_iter().collect())]);
    source.seen = Some(Seen {
        validity: UidValidity::new(5).unwrap(),
        marked: seen::marked(&sets),
        pending: UidSet::default(),
        renumbered: seen::Renumbered::default(),
        written_next: Some(10),
        foreign: UidSet::default(),
        writing: None,
        paired: [uid(8), uid(9)].into_iter().collect(),
        collected: UidSet::default(),
        deleted_at_source: UidSet::default(),
    });
    let plan = source.plan(&there, DOVECOT).unwrap();
    // The flag that was set here stays.
    assert_eq!(
        source.told(&plan),
        [
            "deliver 7 at 7000".to_owned(),
            format!("rename 0 to {}", ours(3)),
            "list".to_owned()
        ]
    );
    // Under which UID is of no interest any more: that is another message's now.
    assert_eq!(plan.removals, [(1, None)]);
    let done = after(&source, &there, &plan, DOVECOT);
    let (three, seven) = (ours(3), ours(7));
    let text = list_text(&done.uidlist.unwrap());
    assert!(
        text.contains(&format!("\n3 Pu3 O1 :{three}\n7 Pu7 O2 :{seven}\n")),
        "{text}"
    );
}

/// A server takes two files of one base name for one message.
#[test]
fn a_file_is_not_given_the_base_name_of_another() {
    let old = ours(8).replace(&VALIDITY.to_string(), "5");
    let list = format!("3 V5 N10 G{GUID}\n8 Pu3 O1 :{old}\n");
    let uid = |value| Uid::new(value).unwrap();
    let mut source = Source::inbox(&[3]).uidls(&["u3"]);
    source = source.seen(&[("S", &[3])]);
    source.rematched = Some(HashMap::from([(old.as_str().into(), uid(3))]));
    let rename = format!("rename 0 to {}", ours(3));
    let alone = disk(&[&format!("{old}:2,S")], &list);
    assert!(source.steps(&alone, DOVECOT).contains(&rename));
    // What has the name is known to be another message.
    let beside = disk(&[&format!("{old}:2,S"), &format!("{}:2,T", ours(3))], &list);
    let found = source.rematched.as_mut().unwrap();
    found.insert(ours(3).into(), uid(99));
    assert!(!source.steps(&beside, DOVECOT).contains(&rename));
}

#[test]
fn a_uidl_that_changes_under_a_message_follows_in_a_mirror_and_stays_in_a_merge() {
    let three = ours(3);
    let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 Pold O1 :{three}\n");
    let there = disk(&[&format!("{three}:2,S")], &list);
    let source = |mode, was_paired| {
        let mut source = Source::inbox(&[3])
            .seen(&[("S", &[3])])
            .uidls(&["new"])
            .mode(mode);
        if let Some(seen) = source.seen.as_mut().filter(|_| was_paired) {
            seen.paired = Uid::new(3).into_iter().collect();
        }
        source
    };
    let held = |source: Source| {
        let plan = source.plan(&there, DOVECOT).unwrap();
        let list = plan.list.unwrap();
        let uidl = list.lines.get(0).unwrap().field('P').unwrap().to_owned();
        (uidl, plan.changed_uidls)
    };
    assert_eq!(held(source(Mode::Mirror, true)), ("new".to_owned(), 1));
    assert_eq!(held(source(Mode::Merge, true)), ("old".to_owned(), 1));
    // Set by a server on the target, not by us.
    assert_eq!(held(source(Mode::Merge, false)), ("new".to_owned(), 0));
}

#[test]
fn qmail_keeps_the_order_in_the_dates() {
    let mut source = Source::inbox(&[3, 7, 9]).uidls(&["c", "b", "a"]);
    source.listed_at(&[3, 2, 1]);
    let nothing = OnDisk::default();
    let plan = source.plan(&nothing, QMAIL).unwrap();
    assert_eq!(
        source.told(&plan),
        [
            "create",
            "deliver 3 at 9002",
            "deliver 7 at 9001",
            "deliver 9 at 9000",
            "list"
        ]
    );
    assert_eq!(plan.max_date_shift, 6002);
    // The same files, put out of order by a copy that did not keep dates.
    let mut broken = after(&source, &nothing, &plan, QMAIL);
    for at in 0..3 {
        change(&mut broken.files, at, |file| file.mtime = Some(5));
    }
    assert_eq!(
        source.steps(&broken, QMAIL),
        ["redate 0 to 9002", "redate 1 to 9001", "redate 2 to 9000"]
    );
    let by_date = UidlPolicy {
        pop3_order: Pop3Order::Date,
        ..UidlPolicy::default()
    };
    let plan = source.plan_under(&nothing, QMAIL, by_date).unwrap();
    assert_eq!((plan.order_breaks, plan.max_date_shift), (2, 0));
    assert!(source.told(&plan).contains(&"deliver 3 at 3000".to_owned()));
}

#[test]
fn pop3_given_later_renames_for_qmail_and_only_lists_for_dovecot() {
    let (three, seven) = (ours(3), ours(7));
    let list = format!("3 V{VALIDITY} N500 G{GUID}\n3 :{three}\n7 :{seven}\n");
    let mut staged = disk(&[&format!("{three}:2,S"), &seven], &list);
    for (at, date) in [(0, 3000), (1, 7000)] {
        change(&mut staged.files, at, |file| file.mtime = Some(date));
    }
    let source = Source::inbox(&[3, 7]).uidls(&["c", "b"]);
    assert_eq!(source.steps(&staged, DOVECOT), ["list"]);
    let plan = source.plan(&staged, BOTH).unwrap();
    assert_eq!(
        source.told(&plan),
        ["rename 0 to c", "rename 1 to b", "list"]
    );
    let done = after(&source, &staged, &plan, BOTH);
    assert_eq!(source.steps(&done, BOTH), [""; 0]);
    // qmail left out again, with or without its list: the names may stay.
    assert_eq!(source.steps(&done, DOVECOT), [""; 0]);
    let mut unlisted = done.clone();
    unlisted.uidlist = None;
    assert_eq!(source.steps(&unlisted, DOVECOT), ["list"]);
    // Dates are set while the files have their old names.
    for at in 0..2 {
        change(&mut staged.files, at, |file| file.mtime = Some(5));
    }
    assert_eq!(
        source.steps(&staged, BOTH),
        [
            "redate 0 to 3000",
            "redate 1 to 7000",
            "rename 0 to c",
            "rename 1 to b",
            "list"
        ]
    );
    let mut out = Vec::new();
    plan.list.as_ref().unwrap().write_to(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!("3 V{VALIDITY} N500 G{GUID}\n3 Pc O1 :c\n7 Pb O2 :b\n")
    );
}

#[test]
fn uidls_that_are_no_names_stop_the_user_or_are_listed() {
    let source = Source::inbox(&[3, 7]).uidls(&["a/b", "ok"]);
    let nothing = OnDisk::default();
    let problem = source.plan(&nothing, QMAIL).unwrap_err();
    assert_eq!(
        (problem.kind, problem.reach),
        (Kind::Unholdable, Reach::User)
    );
    assert!(source.plan(&nothing, DOVECOT).is_ok());
    let lenient = UidlPolicy {
        unholdable: Unholdable::Report,
        ..UidlPolicy::default()
    };
    let plan = source.plan_under(&nothing, QMAIL, lenient).unwrap();
    assert_eq!((plan.deliveries, plan.uidls), (2, 1));
    assert_eq!(plan.unholdable.len(), 1);
    // Dovecot announces it all the same.
    let plan = source.plan_under(&nothing, BOTH, lenient).unwrap();
    assert_eq!(plan.uidls, 2);
}

#[test]
fn keywords_get_letters_before_their_messages() {
    let mut source = Source::folder(&["A"], &[3]);
    source.entries[0].keywords = source.keywords.intern(["$Label1"]).unwrap();
    let nothing = OnDisk::default();
    assert_eq!(
        source.steps(&nothing, DOVECOT),
        ["create", "keywords", "deliver 3 at 3000", "list"]
    );
    let plan = source.plan(&nothing, QMAIL).unwrap();
    assert_eq!(source.told(&plan), ["create", "deliver 3 at 3000"]);
    assert_eq!(plan.homeless_keywords, ["$Label1"]);
}

#[test]
fn a_line_of_a_message_still_to_come_is_written_with_its_file() {
    // The file that the list names was deleted on the target.
    let source = Source::folder(&["A"], &[3]);
    let three = ours(3);
    let gone = disk(&[], &format!("3 V{VALIDITY} N500\n3 Pold :{three}\n"));
    let plan = source.plan(&gone, DOVECOT).unwrap();
    assert_eq!(source.told(&plan), ["deliver 3 at 3000", "list"]);
    assert!(plan.list.unwrap().lines.is_empty());
}

#[test]
fn sizes_in_a_preserved_name_are_believed_by_dovecot_so_they_must_be_true() {
    for (name, contradicts) in [
        (
            "1379790535.M813973P12875V04F0697EI019E250D_0.mx005,S=30",
            false,
        ),
        (
            "1379790535.M813973P12875V04F0697EI019E250D_0.mx005,S=31",
            true,
        ),
        ("a,S=30,W=34", false),
        ("a,S=30,W=30", true),
        ("a,S=x", false),
        ("plain", false),
    ] {
        assert_eq!(contradicts_size(name, 30, 34), contradicts, "{name}");
    }
}

#[test]
fn what_is_not_selected_is_not_delivered_and_stays_where_it_is_on_disk() {
    let selected = Source::inbox(&[3, 7, 9]).selected(&[7]);
    for servers in [DOVECOT, QMAIL, BOTH] {
        let source = Source::inbox(&[3, 7, 9]).uidls(&["a", "b", "c"]);
        let source = Source {
            selected: selected.selected.clone(),
            ..source
        };
        let empty = OnDisk::default();
        let plan = source.plan(&empty, servers).unwrap();
        let delivered = source.told(&plan);
        let delivered = delivered.iter().filter(|step| step.starts_with("deliver"));
        assert_eq!(delivered.count(), 1, "{servers:?}");
        assert_eq!((plan.deliveries, plan.left_out, plan.uidls), (1, 2, 1));
        assert_eq!((plan.bytes, plan.left_out_bytes), (34, 68));
        let done = after(&source, &empty, &plan, servers);
        assert_eq!(source.steps(&done, servers), Vec::<String>::new());

        // What lies there stays there, selected or not, and is counted.
        let whole = Source {
            selected: None,
            ..source
        };
        let plan = whole.plan(&empty, servers).unwrap();
        let disk = after(&whole, &empty, &plan, servers);
        let narrowed = whole.selected(&[7]);
        let plan = narrowed.plan(&disk, servers).unwrap();
        assert_eq!(narrowed.told(&plan), Vec::<String>::new(), "{servers:?}");
        assert_eq!((plan.kept, plan.left_out, plan.uidls), (3, 0, 3));
    }
}

#[test]
fn only_selected_messages_take_letters_and_trouble_the_target() {
    let mut source = Source::inbox(&[3, 7]).uidls(&["a/b", "c"]).selected(&[7]);
    source.entries[0].keywords = source.keywords.intern(["$Label1"]).unwrap();
    let plan = source.plan(&OnDisk::default(), BOTH).unwrap();
    assert_eq!(plan.letters, KeywordLetters::default());
    assert_eq!(plan.unholdable, []);
}

#[test]
fn a_line_without_a_file_stays_in_the_list_if_its_message_is_not_selected() {
    let source = Source::inbox(&[3, 7]).selected(&[7]);
    let list = format!("3 V{VALIDITY} N500 G{:032}\n3 :gone\n", 0);
    let plan = source.plan(&disk(&[], &list), DOVECOT).unwrap();
    let list = list_text(&plan.list.unwrap());
    assert!(list.contains("3 :gone"), "{list}");
}

/// There are a million of each.
#[test]
fn what_there_is_of_each_message_is_small() {
    assert!(size_of::<Entry>() <= 24);
    assert!(size_of::<Step>() <= 16);
    assert!(size_of::<Option<on_disk::Place>>() <= 4);
}
