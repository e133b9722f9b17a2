//! INBOX with copies of messages in other folders (`--pop3-collect inbox`).

use super::*;

const COPY: u32 = 1_000_500;

impl Source {
    /// The last `count` messages are copies; nothing is collected where this is not said.
    fn copies(mut self, count: usize) -> Self {
        let uidls = self.uidls.iter().flat_map(Announcements::iter);
        let uidls = uidls.skip(self.entries.len() - count).flatten();
        let digests = uidls.map(|announced| UidlDigest::of(&announced.uidl));
        self.copies = Some(digests.collect());
        self
    }

    /// Seen before, with these copies among them, when the target's UIDNEXT was `next`.
    fn seen_copies(self, messages: &[(&str, &[u32])], copies: &[u32], next: u32) -> Self {
        let mut source = self.seen(messages);
        if let Some(seen) = &mut source.seen {
            seen.collected = copies.iter().filter_map(|uid| Uid::new(*uid)).collect();
            seen.written_next = Some(next);
        }
        source
    }
}

/// The name of a copy.
fn copy(uid: u32, uidl: &str) -> String {
    let validity = UidValidity::new(VALIDITY).unwrap();
    let digest = UidlDigest::of(&Uidl::parse(uidl.as_bytes()).unwrap());
    let identity = Identity::Pop3(validity, Uid::new(uid).unwrap(), digest);
    identity.base_name(30, 34).to_string()
}

fn lines(disk: &OnDisk) -> Vec<String> {
    let text = list_text(disk.uidlist.as_ref().unwrap());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_copy_has_its_uidl_and_place_and_leaves_the_source_its_uids() {
    let source = Source::inbox(&[3, COPY]).uidls(&["a", "b"]).copies(1);
    let plan = source.plan(&OnDisk::default(), DOVECOT).unwrap();
    assert_eq!((plan.deliveries, plan.uidls), (2, 2));
    let done = after(&source, &OnDisk::default(), &plan, DOVECOT);
    assert_eq!(
        lines(&done),
        [
            format!("3 V{VALIDITY} N1000501 G{GUID}"),
            format!("3 Pa O1 :{}", ours(3)),
            format!("1000500 Pb O2 :{}", copy(COPY, "b")),
        ]
    );
    let source = source.seen_copies(&[("S", &[3, COPY])], &[COPY], COPY + 1);
    assert_eq!(source.steps(&done, DOVECOT), [""; 0]);

    // A Dovecot has read it, and has given a UID to a mail of its own.
    let mut read = done.clone();
    read.has_indexes = true;
    read.uidlist.as_mut().unwrap().next_uid = COPY + 2;
    let mut later = Source::inbox(&[3, 500, COPY, COPY + 1])
        .uidls(&["a", "c", "b", "d"])
        .copies(2)
        .seen_copies(&[("S", &[3, COPY])], &[COPY], COPY + 1);
    later.uid_next = 501;
    let plan = later.plan(&read, DOVECOT).unwrap();
    let uids: Vec<u32> = plan.uids.iter().flatten().map(|uid| uid.value()).collect();
    assert_eq!(uids, [3, 500, COPY, COPY + 2]);
    assert_eq!(plan.foreign.to_string(), "1000501");
    // What it has not seen lies below its UIDNEXT.
    assert!(plan.steps.contains(&Step::RemoveIndexes));
}

#[test]
fn a_copy_is_treated_like_any_message() {
    let name = copy(COPY, "b");
    let list = format!(
        "3 V{VALIDITY} N1000501 G{GUID}\n3 O1 Pa :{}\n1000500 O2 Pb :{name}\n",
        ours(3)
    );
    let seen: &[(&str, &[u32])] = &[("S", &[3, COPY])];
    let there = |suffix: &str| {
        let (three, copy) = (format!("{}:2,S", ours(3)), format!("{name}{suffix}"));
        disk(&[&three, &copy], &list)
    };
    // Its message is gone: it goes, unless it was touched.
    let gone = Source::inbox(&[3]).uidls(&["a"]).copies(0);
    let gone = gone.seen_copies(seen, &[COPY], COPY + 1);
    let plan = gone.plan(&there(":2,S"), DOVECOT).unwrap();
    assert_eq!(plan.removals, [(1, Uid::new(COPY))]);
    let plan = gone.plan(&there(":2,FS"), DOVECOT).unwrap();
    assert_eq!((plan.removals.len(), plan.copies.len()), (0, 0));
    // Its message has another flag: so has the copy.
    let mut flagged = Source::inbox(&[3, COPY]).uidls(&["a", "b"]).copies(1);
    flagged = flagged.seen_copies(seen, &[COPY], COPY + 1);
    flagged.entries[1].flags = Flags::SEEN.with(Flags::FLAGGED);
    assert_eq!(
        flagged.steps(&there(":2,S"), DOVECOT),
        ["rename 1 to :2,FS"]
    );
    // Deleted on the target: it stays so.
    let three = format!("{}:2,S", ours(3));
    let without = disk(&[&three], &list);
    let plan = flagged.plan(&without, DOVECOT).unwrap();
    assert_eq!((plan.deliveries, plan.left_deleted), (0, 1));
}

#[test]
fn copies_that_nobody_collects_any_more_stay() {
    let name = copy(COPY, "b");
    let list = format!(
        "3 V{VALIDITY} N1000501 G{GUID}\n3 O1 Pa :{}\n1000500 O2 Pb :{name}\n",
        ours(3)
    );
    let (three, copy) = (format!("{}:2,S", ours(3)), format!("{name}:2,S"));
    let there = disk(&[&three, &copy], &list);
    let seen: &[(&str, &[u32])] = &[("S", &[3, COPY])];
    let source = || {
        let source = Source::inbox(&[3]).uidls(&["a"]);
        source.seen_copies(seen, &[COPY], COPY + 1)
    };
    let plan = source().plan(&there, DOVECOT).unwrap();
    assert_eq!(plan.removals, []);
    assert_eq!(plan.copies.to_string(), "1000500");
    let done = after(&source(), &there, &plan, DOVECOT);
    assert_eq!(
        lines(&done)[2],
        format!("1000500 Pb :{name}"),
        "its place is none of the listing's"
    );
    assert_eq!(source().steps(&done, DOVECOT), [""; 0]);
    // In qmail's INBOX, whose names say nothing of copies.
    let list = list.replace(&name, "b").replace(&ours(3), "a");
    let named = disk(&["a:2,S", "b:2,S"], &list);
    let plan = source().plan(&named, QMAIL).unwrap();
    assert_eq!((plan.removals.len(), plan.copies.len()), (0, 1));
    // A mirror is like the source.
    let mirror = source().mode(Mode::Mirror);
    for (there, servers) in [(&there, DOVECOT), (&named, QMAIL)] {
        let plan = mirror.plan(there, servers).unwrap();
        assert_eq!(plan.removals, [(1, Uid::new(COPY))]);
        assert!(plan.copies.is_empty());
    }
}

/// A message is moved at the source from INBOX to another folder, or back: what lies there is what
/// it is, and nothing comes twice.
#[test]
fn a_message_that_moves_between_folders_is_there_already() {
    for servers in [DOVECOT, QMAIL, BOTH] {
        let name = |of_copy: bool| match (servers.qmail, of_copy) {
            (true, _) => "b".to_owned(),
            (false, true) => copy(COPY, "b"),
            (false, false) => ours(5),
        };
        let list =
            |uid: u32, name: &str| format!("3 V{VALIDITY} N1000501 G{GUID}\n{uid} Pb O1 :{name}\n");
        let there = |uid: u32, of_copy: bool| {
            let name = name(of_copy);
            disk(&[&format!("{name}:2,S")], &list(uid, &name))
        };
        // Away: the owner's clients see no change.
        let away = Source::inbox(&[COPY]).uidls(&["b"]).copies(1);
        let away = away.seen_copies(&[("S", &[5])], &[], 500);
        let before = there(5, false);
        let plan = away.plan(&before, servers).unwrap();
        assert_eq!(
            (plan.deliveries, plan.removals.len()),
            (0, 0),
            "{servers:?}"
        );
        assert_eq!(plan.uids, [Uid::new(5)]);
        assert_eq!(plan.renumbered, BTreeMap::from([(COPY, 5)]));
        let done = after(&away, &before, &plan, servers);
        assert_eq!(*done.files.get(0).unwrap().base, *name(true));
        let mut again = Source::inbox(&[COPY]).uidls(&["b"]).copies(1);
        again = again.seen_copies(&[("S", &[COPY])], &[COPY], COPY + 1);
        again.seen.as_mut().unwrap().renumbered = plan.renumbered.into();
        assert_eq!(again.steps(&done, servers), [""; 0], "{servers:?}");

        // Into INBOX: it has the UID that the source has given it now.
        let back = Source::inbox(&[7]).uidls(&["b"]).copies(0);
        let back = back.seen_copies(&[("S", &[COPY])], &[COPY], COPY + 1);
        let before = there(COPY, true);
        let plan = back.plan(&before, servers).unwrap();
        assert_eq!(
            (plan.deliveries, plan.removals.len()),
            (0, 0),
            "{servers:?}"
        );
        let done = after(&back, &before, &plan, servers);
        let want = match servers.qmail {
            true => "b".to_owned(),
            false => ours(7),
        };
        assert_eq!(lines(&done)[1..], [format!("7 Pb O1 :{want}")]);
        // It does so without the option, too.
        let mut without = Source::inbox(&[7]).uidls(&["b"]);
        without = without.seen_copies(&[("S", &[COPY])], &[COPY], COPY + 1);
        let plan = without.plan(&before, servers).unwrap();
        assert_eq!((plan.deliveries, plan.copies.len()), (0, 0), "{servers:?}");
    }
}

/// Two messages of one UIDL would be one for a POP3 client.
#[test]
fn a_uidl_that_has_moved_is_taken_from_what_stays() {
    let (five, name) = (ours(5), copy(COPY, "b"));
    // Both lie there: 5 had the UIDL, was touched and is gone; the copy has it now.
    let list = format!("3 V{VALIDITY} N1000501 G{GUID}\n5 Pb O1 :{five}\n1000500 Pb O1 :{name}\n");
    let there = disk(&[&format!("{five}:2,FS"), &format!("{name}:2,S")], &list);
    let source = Source::inbox(&[COPY]).uidls(&["b"]).copies(1);
    let source = source.seen_copies(&[("S", &[5, COPY])], &[COPY], COPY + 1);
    let plan = source.plan(&there, DOVECOT).unwrap();
    assert_eq!((plan.deliveries, plan.removals.len()), (0, 0));
    let done = after(&source, &there, &plan, DOVECOT);
    let with: Vec<String> = lines(&done)
        .into_iter()
        .filter(|it| it.contains('P'))
        .collect();
    assert_eq!(with, [format!("1000500 Pb O1 :{name}")]);
    // Each file keeps its name: no two may have one.
    let steps = plan.steps.iter();
    let renames = steps.filter(|step| matches!(step, Step::Rename { .. }));
    assert_eq!(renames.count(), 0, "{:?}", plan.steps);
}

/// The source has a new INBOX with the same messages: copies are known by their UIDLs.
#[test]
fn copies_outlive_a_uidvalidity() {
    let name = copy(COPY, "b");
    let list = format!("3 V{VALIDITY} N1000501 G{GUID}\n1000500 Pb O1 :{name}\n");
    let there = disk(&[&format!("{name}:2,S")], &list);
    let mut source = Source::inbox(&[COPY + 7]).uidls(&["b"]).copies(1);
    source = source.seen_copies(&[("S", &[COPY])], &[COPY], COPY + 1);
    source.validity = VALIDITY + 1;
    let plan = source.plan(&there, DOVECOT).unwrap();
    assert_eq!((plan.deliveries, plan.removals.len()), (0, 0));
    let done = after(&source, &there, &plan, DOVECOT);
    let head = format!("3 V{} ", VALIDITY + 1);
    assert!(lines(&done)[0].starts_with(&head), "{:?}", lines(&done));
    assert!(lines(&done)[1].starts_with("1000507 Pb O1 :"));
}
