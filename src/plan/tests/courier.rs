//! Plans for Courier: its lists, the names that make its order.

use super::super::courier::{Present, There, wanted};
use super::*;
use crate::mail::courier::{CourierFiles, CourierKeywords, SizeList, uiddb};

const COURIER: Servers = Servers {
    qmail: false,
    dovecot: false,
    courier: true,
};
const ALL: Servers = Servers {
    qmail: true,
    dovecot: true,
    courier: true,
};

fn lenient() -> UidlPolicy {
    UidlPolicy {
        unholdable: Unholdable::Report,
        ..UidlPolicy::default()
    }
}

/// A folder in which Courier has been, with these lists.
fn served(files: &[&str], own: &str, uids: &str, sizes: &str) -> OnDisk {
    let mut disk = disk(files, own);
    let files = CourierFiles {
        uiddb: uiddb::parse(uids.as_bytes()),
        sizes: SizeList::parse(sizes.as_bytes()),
        ..CourierFiles::default()
    };
    disk.courier = Some(files);
    disk
}

/// The names under which the entries are delivered, and the two lists as they are to be.
fn made(source: &Source, disk: &OnDisk, servers: Servers, plan: &FolderPlan) -> Vec<String> {
    let folder = source.borrowed();
    let policy = Policy {
        servers,
        listed: servers,
        uidls: lenient(),
        rerun: source.rerun,
    };
    let mut names = Vec::new();
    let mut lines = Vec::new();
    for step in &plan.steps {
        if let Step::Deliver { entry, .. } = step {
            let index = *entry as usize;
            let name = base_name(&folder, &policy, plan, index, (30, 34));
            let line = uidlist::new_line(&folder, plan, index, name.as_str(), 30, 34);
            lines.push(line);
            names.push(name.as_str().to_owned());
        }
    }
    let lines = lines.into_iter().collect();
    let list = plan.list_with(&lines).unwrap().whole();
    let mut present = Present::after(plan, disk);
    for name in &names {
        let there = There {
            suffix: ":2,S".into(),
            in_new: false,
            octets: Some(35),
        };
        present.add(name, there);
    }
    let none = CourierFiles::default();
    let files = disk.courier.as_ref().unwrap_or(&none);
    let wanted = wanted(plan, files, &list, &present, true, NOW);
    let mut out = Vec::new();
    uiddb::write(&wanted.uiddb, &mut out).unwrap();
    wanted.sizes.unwrap().write_to(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn uidls_are_numbers_in_the_list_or_names_of_files() {
    let source = Source::inbox(&[3, 7, 8, 9]).uidls(&["UID5-7", "3.abc", "UID6", "4.a+b"]);
    let nothing = OnDisk::default();
    let refused = source.plan(&nothing, COURIER).unwrap_err();
    assert_eq!(refused.kind, Kind::Unholdable);
    assert!(
        refused.to_string().contains("Courier cannot hold 1"),
        "{refused}"
    );
    let plan = source.plan_under(&nothing, COURIER, lenient()).unwrap();
    // The first goes before a name that begins with 3, the others after it.
    let (first, third, fourth) = (format!("0.R0000000001-{}", ours(3)), ours(8), ours(9));
    let want = [
        format!("1 {VALIDITY} 500"),
        format!("3 {first}"),
        "7 3.abc".to_owned(),
        format!("8 {third}"),
        format!("9 {fourth}"),
        // New UIDLs have the time in them.
        format!("/3 1 {NOW}"),
        format!("{first}:2, 35 5:7:0"),
        "3.abc:2, 35 0:0:0".to_owned(),
        format!("{third}:2, 35 6:0:0"),
    ];
    assert_eq!(made(&source, &nothing, COURIER, &plan), want);
    assert_eq!((plan.uidls, plan.name_breaks), (3, 0));
}

#[test]
fn an_order_that_names_cannot_make_is_refused_or_counted() {
    let nothing = OnDisk::default();
    for (uidls, servers, breaks) in [
        (&["9.z", "10.a"][..], COURIER, 0),
        (&["10.a", "9.z"], COURIER, 1),
        (&["UID9-7", "UID10-7"], COURIER, 0),
        // For qmail they are names.
        (&["UID9-7", "UID10-7"], ALL, 1),
        (&["000000094d2b6938", "0000000a4d2b6938"], COURIER, 1),
    ] {
        let source = Source::inbox(&[3, 7]).uidls(uidls);
        let outcome = source.plan(&nothing, servers);
        let is_refused = outcome.is_err_and(|problem| problem.kind == Kind::Unholdable);
        assert_eq!(is_refused, breaks > 0, "{uidls:?}");
        let plan = source.plan_under(&nothing, servers, lenient()).unwrap();
        assert_eq!(plan.name_breaks, breaks, "{uidls:?}");
    }
}

#[test]
fn what_courier_has_given_stays_and_what_is_as_it_should_be_is_not_written() {
    let (first, second) = (ours(3), ours(7));
    let source = Source::inbox(&[3, 7]).uidls(&["UID5-7", "UID6-7"]);
    let files = [
        format!("{first}:2,S"),
        format!("{second}:2,S"),
        "9.new:2,".to_owned(),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let own = format!(
        "3 V{VALIDITY} N501 G0123456789abcdef0123456789abcdef\n3 PUID5-7 O1 :{first}\n7 PUID6-7 O2 :{second}\n500 :9.new\n"
    );
    let uids = format!("1 {VALIDITY} 501\n500 9.new\n7 {second}\n3 {first}\n");
    let sizes =
        format!("/3 2 99\n9.new:2, 12 1:99:1\n{second}:2,S 35 6:7:0\n{first}:2,S 35 5:7:0\n");
    let as_it_should_be = served(&files, &own, &uids, &sizes);
    let steps = |disk: &OnDisk| source.steps(disk, COURIER);
    assert_eq!(steps(&as_it_should_be), [""; 0]);
    // A line less, another UID, another UIDL, a line of a file that is gone.
    let lost = sizes.replace("6:7:0", "6:8:0");
    for (uids, sizes) in [
        (uids.replace("500 9.new\n", ""), sizes.clone()),
        (uids.replace("7 ", "8 "), sizes.clone()),
        (uids.clone(), lost),
        (format!("{uids}400 gone\n"), sizes.clone()),
    ] {
        let disk = served(&files, &own, &uids, &sizes);
        assert_eq!(steps(&disk), ["list"], "{uids} {sizes}");
        let plan = source.plan(&disk, COURIER).unwrap();
        let made = made(&source, &disk, COURIER, &plan);
        let want = [
            format!("1 {VALIDITY} 501"),
            format!("3 {first}"),
            format!("7 {second}"),
            "500 9.new".to_owned(),
            "/3 2 99".to_owned(),
            format!("{first}:2, 35 5:7:0"),
            format!("{second}:2, 35 6:7:0"),
            "9.new:2, 12 1:99:1".to_owned(),
        ];
        assert_eq!(made, want);
    }
}

#[test]
fn after_the_cutover_courier_s_lists_only_grow() {
    let (first, new) = (ours(3), ours(7));
    let source = Source::inbox(&[3, 7])
        .uidls(&["UID5-7", "UID99-99"])
        .seen(&[("S", &[3])])
        .mode(Mode::AfterCutover);
    let files = [format!("{first}:2,S"), "9.new:2,".to_owned()];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let own = format!(
        "3 V{VALIDITY} N501 G0123456789abcdef0123456789abcdef\n3 PUID5-7 O1 :{first}\n500 :9.new\n"
    );
    // The UIDL was given to other mail, and a file has gone: none of it is ours to change.
    let uids = format!("1 {VALIDITY} 501\n3 {first}\n400 gone\n500 9.new\n");
    let sizes = format!("/3 2 99\n{first}:2, 35 5:8:0\n9.new:2, 12 1:99:1\n");
    let disk = served(&files, &own, &uids, &sizes);
    let plan = source.plan(&disk, COURIER).unwrap();
    assert_eq!(
        made(&source, &disk, COURIER, &plan),
        [
            format!("1 {VALIDITY} 502"),
            format!("3 {first}"),
            "400 gone".to_owned(),
            "500 9.new".to_owned(),
            format!("501 {new}"),
            // The next new UIDL is above the one that has come.
            "/3 100 99".to_owned(),
            format!("{new}:2, 35 99:99:0"),
            format!("{first}:2, 35 5:8:0"),
            "9.new:2, 12 1:99:1".to_owned(),
        ]
    );
}

#[test]
fn keywords_that_a_cut_run_has_not_written_are_those_of_the_source() {
    let name = ours(3);
    let mut source = Source::inbox(&[3]);
    let work = source.keywords.intern(["Work"]).unwrap();
    source.entries[0].keywords = work;
    let own = format!("3 V{VALIDITY} N500 G0123456789abcdef0123456789abcdef\n3 :{name}\n");
    let uids = format!("1 {VALIDITY} 500\n3 {name}\n");
    let file = format!("{name}:2,S");
    for (seen, uids, has, want) in [
        // Neither listed nor seen: the run was cut.
        (None, "", "", Some("Work")),
        // Listed, and its owner has changed it.
        (Some("S Work"), uids.as_str(), "Mine", Some("Mine")),
        (Some("S Work"), uids.as_str(), "", None),
        // The source has changed it.
        (Some("S"), uids.as_str(), "", Some("Work")),
    ] {
        if let Some(words) = seen {
            source = source.seen(&[(words, &[3])]);
        }
        let mut disk = served(&[&file], &own, uids, "");
        if let Some(files) = &mut disk.courier {
            let update = (name.clone(), has.as_bytes().to_vec());
            files.keywords = CourierKeywords::gather(None, &[update]);
            files.keywords.updates.clear();
        }
        let plan = source.plan(&disk, COURIER).unwrap();
        let wanted = plan.courier_keywords.clone().unwrap_or_default();
        assert_eq!(wanted.of(&name).next(), want, "{seen:?} {has}");
        let is_written = plan.steps.contains(&Step::WriteCourierKeywords);
        assert_eq!(
            is_written,
            want.unwrap_or_default() != has,
            "{seen:?} {has}"
        );
    }
}
