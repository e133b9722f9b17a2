//! Plans as lines: what the source has, what lies on disk, what is to be done.

use super::on_disk::{DiskFile, OnDisk};
use super::*;
use crate::config::Unholdable;
use crate::mail::{Flags, UidLine};

const VALIDITY: u32 = 1_294_690_616;
const NOW: i64 = 2_000_000_000;
const DOVECOT: Servers = Servers {
    qmail: false,
    dovecot: true,
};
const QMAIL: Servers = Servers {
    qmail: true,
    dovecot: false,
};
const BOTH: Servers = Servers {
    qmail: true,
    dovecot: true,
};

/// A source folder under construction.
struct Source {
    path: FolderPath,
    validity: u32,
    uid_next: u32,
    entries: Vec<Entry>,
    keywords: KeywordTable,
    uidls: Option<Vec<Option<Announced>>>,
    selected: Option<UidSet>,
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
            selected: None,
        }
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

    fn plan(&self, disk: &OnDisk, servers: Servers) -> Result<FolderPlan, Problem> {
        self.plan_under(disk, servers, UidlPolicy::default())
    }

    fn plan_under(
        &self,
        disk: &OnDisk,
        servers: Servers,
        uidls: UidlPolicy,
    ) -> Result<FolderPlan, Problem> {
        let source = SourceFolder {
            owner: "ann",
            path: &self.path,
            validity: UidValidity::new(self.validity).unwrap(),
            uid_next: self.uid_next,
            in_root: self.path.is_inbox(),
            entries: &self.entries,
            selected: self.selected.as_ref(),
            keywords: &self.keywords,
            uidls: self.uidls.as_deref(),
            digests: None,
        };
        plan(&source, disk, &Policy { servers, uidls }, NOW)
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
                format!("deliver {uid} at {}", mtime.unwrap_or(-1))
            }
            Step::Rename { file, to } => format!("rename {file} to {to}"),
            Step::Redate { file, mtime } => format!("redate {file} to {mtime}"),
            Step::Arrange => "arrange".to_owned(),
            Step::RemoveIndexes => "remove indexes".to_owned(),
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
        internal_date: Some(i64::from(uid) * 1000),
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
    assert!(guid.len() == 32 && guid.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.replace(guid, "GUID")
}

/// What the folder looks like when `plan` has been carried out.
fn after(source: &Source, disk: &OnDisk, plan: &FolderPlan, servers: Servers) -> OnDisk {
    let folder = SourceFolder {
        owner: "ann",
        path: &source.path,
        validity: UidValidity::new(source.validity).unwrap(),
        uid_next: source.uid_next,
        in_root: source.path.is_inbox(),
        entries: &source.entries,
        selected: source.selected.as_ref(),
        keywords: &source.keywords,
        uidls: source.uidls.as_deref(),
        digests: None,
    };
    let policy = Policy {
        servers,
        uidls: UidlPolicy::default(),
    };
    let mut done = disk.clone();
    done.exists = true;
    let mut lines = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Deliver { entry, mtime } => {
                let index = *entry as usize;
                let name = base_name(&folder, &policy, index, 30, 34);
                lines.push(uidlist::new_line(&folder, index, name.as_str(), 30, 34));
                done.files.push(DiskFile {
                    base: name.as_str().into(),
                    suffix: ":2,S".into(),
                    in_new: false,
                    mtime: *mtime,
                });
            }
            Step::Rename { file, to } => done.files[*file as usize].base = to.as_str().into(),
            Step::Redate { file, mtime } => done.files[*file as usize].mtime = Some(*mtime),
            Step::RemoveIndexes => done.has_indexes = false,
            Step::WriteUidList => done.uidlist = plan.list_with(std::mem::take(&mut lines)),
            Step::WriteKeywords => done.keywords = plan.letters.clone(),
            Step::CreateFolder | Step::ReserveValidity | Step::Arrange => {}
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
    if let Some(Some(first)) = source.uidls.as_mut().map(|uidls| uidls[0].as_mut()) {
        first.position = 9;
    }
    let nothing = OnDisk::default();
    let plan = source.plan(&nothing, DOVECOT).unwrap();
    let done = after(&source, &nothing, &plan, DOVECOT);
    let (first, second, third) = (ours(3), ours(7), ours(9));
    assert_eq!(
        list_text(&done.uidlist.unwrap()),
        format!("3 V{VALIDITY} N500 GGUID\n3 Px:1 O9 :{first}\n7 :{second}\n9 Pabc O3 :{third}\n")
    );
    // Names that are UIDLs carry no sizes: the list does.
    let source = Source::inbox(&[3]).uidls(&["abc"]);
    let plan = source.plan(&nothing, BOTH).unwrap();
    let done = after(&source, &nothing, &plan, BOTH);
    assert_eq!(
        list_text(&done.uidlist.unwrap()),
        format!("3 V{VALIDITY} N500 GGUID\n3 Pabc O1 S30 W34 :abc\n")
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
        format!("3 V{VALIDITY} N500 GGUID\n3 :{three}\n7 :{seven}\n")
    );
    // A file under its UIDL, without a line.
    let source = Source::inbox(&[3, 7]).uidls(&["b", "a"]);
    let mut left = disk(&["a:2,"], "");
    left.files[0].mtime = Some(7000);
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
        "3 V{VALIDITY} N600 Gabc Xkeep\n3 W34 Zkeep :{three}\n501 Pmine :local\n502 :gone\n"
    );
    let source = Source::inbox(&[3, 7]).uidls(&["u3", "u7"]);
    let mut before = disk(&[&format!("{three}:2,"), "local", "unlisted"], &list);
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
            "3 V{VALIDITY} N600 Gabc Xkeep\n3 Pu3 O1 W34 Zkeep :{three}\n7 Pu7 O2 :{seven}\n\
             501 Pmine :local\n502 :gone\n"
        )
    );
}

#[test]
fn what_is_not_ours_to_change_is_a_conflict() {
    let three = ours(3);
    let other = three.replace(&VALIDITY.to_string(), "5");
    let source = Source::folder(&["A"], &[3, 7]);
    for (files, list, words) in [
        // Another UIDVALIDITY, with mail of somebody in it.
        (
            &["local"][..],
            "3 V5 N9\n8 :local\n",
            "the target has UIDVALIDITY 5",
        ),
        (&[&other], "3 V5 N9\n3 :x\n", "the target has UIDVALIDITY 5"),
        (&[&other], "", "messages of UIDVALIDITY 5"),
        // Delivered here under a UID that the source gave to another message.
        (
            &["local,S=9,W=9"],
            &format!("3 V{VALIDITY} N8\n7 :local,S=9,W=9\n"),
            "another message, the file local",
        ),
        (
            &["local"],
            &format!("3 V{VALIDITY} N8\n7 :local\n"),
            "another message",
        ),
    ] {
        let problem = source.plan(&disk(files, list), DOVECOT).unwrap_err();
        assert_eq!(
            (problem.kind, problem.reach),
            (Kind::Conflict, Reach::Folder)
        );
        assert!(problem.to_string().contains(words), "{problem}");
    }
    // What another tool staged under the same UIDs is the same mail.
    let staged = disk(
        &["local,S=30,W=34"],
        &format!("3 V{VALIDITY} N500 Gx\n7 :local,S=30,W=34\n"),
    );
    assert_eq!(
        source.steps(&staged, DOVECOT),
        ["deliver 3 at 3000", "list"]
    );
    // A list without mail is only a server's first look: it is replaced.
    let looked = disk(&[], "3 V5 N1\n");
    assert_eq!(
        source.steps(&looked, DOVECOT),
        ["deliver 3 at 3000", "deliver 7 at 7000", "list"]
    );
}

#[test]
fn qmail_keeps_the_order_in_the_dates() {
    let mut source = Source::inbox(&[3, 7, 9]).uidls(&["c", "b", "a"]);
    for (announced, position) in source.uidls.iter_mut().flatten().zip([3, 2, 1]) {
        announced.as_mut().unwrap().position = position;
    }
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
    for file in &mut broken.files {
        file.mtime = Some(5);
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
    let list = format!("3 V{VALIDITY} N500 G0\n3 :{three}\n7 :{seven}\n");
    let mut staged = disk(&[&format!("{three}:2,S"), &seven], &list);
    for (file, date) in staged.files.iter_mut().zip([3000, 7000]) {
        file.mtime = Some(date);
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
    for file in &mut staged.files {
        file.mtime = Some(5);
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
        format!("3 V{VALIDITY} N500 G0\n3 Pc O1 :c\n7 Pb O2 :b\n")
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
    assert_eq!(plan.list.unwrap().lines, Vec::<UidLine>::new());
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
