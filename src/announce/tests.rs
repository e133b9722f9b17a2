use super::*;

fn file(name: &str, size: u64, mtime: i64) -> MailFile {
    MailFile {
        name: name.as_bytes().into(),
        in_new: false,
        size,
        mtime,
    }
}

fn drop_of(names: &[&str]) -> Maildrop {
    Maildrop {
        files: names.iter().map(|name| file(name, 10, 0)).collect(),
        ..Maildrop::default()
    }
}

fn dovecot(list: Option<&str>, names: &[&str]) -> Listing {
    let mut maildrop = drop_of(names);
    maildrop.controls.dovecot_uidlist = list.map(|list| list.as_bytes().to_vec());
    let format = "%v.%u".parse().unwrap();
    super::list(&maildrop, &Server::Dovecot(format), 1000)
}

fn courier(list: Option<&str>, names: &[&str]) -> Listing {
    let mut maildrop = drop_of(names);
    maildrop.controls.courier_size_list = list.map(|list| list.as_bytes().to_vec());
    super::list(&maildrop, &Server::Courier, 1000)
}

/// UIDLs and what is known of octets.
fn told(listing: &Listing) -> Vec<String> {
    let entries = listing.entries.iter();
    entries
        .map(|entry| {
            let octets = match entry.octets {
                Octets::Known(octets) => octets.to_string(),
                Octets::BareLf => "bare".to_owned(),
                Octets::EachLf => "each".to_owned(),
            };
            format!("{} {octets}", String::from_utf8_lossy(&entry.uidl))
        })
        .collect()
}

#[test]
fn dovecot_goes_by_its_list_then_by_names() {
    for (list, names, want) in [
        // Order: by O, then UID; an O that is no number counts as 4294967295, one above as more.
        (
            "3 V77 N20\n1 Pp/1 O3 :a\n2 P O1 W5 :b,S=10\n3 Px:3 O2 :c\n4 Pgone :d\n5 :5\n",
            &["a:2,", "b,S=10:2,", "c:2,", "5:2,S"][..],
            &["b,S=10 5", "x:3 bare", "p/1 bare", "77.5 bare"][..],
        ),
        (
            "3 V77 N20\n1 Oxyz :a\n2 O :b\n3 O07 :c\n4 O4294967296 :d\n5 O7 :e\n6 O+1 :f\n",
            &["a", "b", "c", "d", "e", "f"],
            &[
                "77.3 bare",
                "77.5 bare",
                "77.1 bare",
                "77.2 bare",
                "77.6 bare",
                "77.4 bare",
            ],
        ),
        // The name has the size before the list has.
        (
            "3 V77 N20\n1 W5 :a,W=9\n2 W5 :b,W=x\n3 Wx :c\n",
            &["a,W=9", "b,W=x", "c,W=3:2,"],
            &["77.1 9", "77.2 5", "77.20 3"],
        ),
        // From the broken line on, UIDs are new, and above all that were read.
        (
            "3 V77 N2\n5 Pa :a\n9 Pb/ :b/x\n10 Pc :c\n",
            &["b:2,", "c:2,", "a:2,"],
            &["a bare", "77.10 bare", "77.11 bare"],
        ),
        ("1 77 4\n3 a\n", &["b", "a"], &["77.3 bare", "77.4 bare"]),
        ("1 77 4\n4 a\n", &["b", "a"], &["77.5 bare", "77.6 bare"]),
        // Of two lines for a name the last counts.
        ("3 V77 N9\n1 Pa :a\n2 Pb :a\n", &["a"], &["b bare"]),
    ] {
        assert_eq!(told(&dovecot(Some(list), names)), want, "{list}");
    }
}

#[test]
fn dovecot_gives_uids_in_an_order_of_names_where_there_is_one() {
    let order = |names: &[&str]| -> Vec<String> {
        let listing = dovecot(Some("3 V77 N1\n"), names);
        let maildrop = drop_of(names);
        let mut order: Vec<String> = listing
            .entries
            .iter()
            .map(|entry| String::from_utf8_lossy(&maildrop.files[entry.file].name).into_owned())
            .collect();
        if listing
            .doubts
            .iter()
            .any(|doubt| matches!(doubt, Doubt::Dovecot(DovecotDoubt::NameOrder(_))))
        {
            order.push("?".to_owned());
        }
        order
    };
    for (names, want) in [
        (
            &["10.a", "9.b", "x", "010.b"][..],
            &["x", "9.b", "10.a", "010.b"][..],
        ),
        (&["5.M20P1.h", "5.M3P1.h"], &["5.M3P1.h", "5.M20P1.h"]),
        (&["5.P1M20.h", "5.P9M3.h"], &["5.P9M3.h", "5.P1M20.h"]),
        (
            &["5.M20.h", "5.B.h", "5.M3.h"],
            &["5.B.h", "5.M3.h", "5.M20.h"],
        ),
        // A circle: by number 3 before 20, by text 20 before N before P.
        (
            &["5.M20.h", "5.N.h", "5.P3M3.h"],
            &["5.M20.h", "5.N.h", "5.P3M3.h", "?"],
        ),
        // Only 32 bits of a difference count.
        (&["3000000000.a", "5.a"], &["3000000000.a", "5.a"]),
        (&["4294967301.b", "5.a"], &["5.a", "4294967301.b"]),
        (
            &["0.a", "1500000000.a", "3000000000.a"],
            &["0.a", "1500000000.a", "3000000000.a", "?"],
        ),
        // The end of a name counts as what stands there: a colon, or nothing.
        (&["5.a,b", "5.a:2,"], &["5.a,b", "5.a:2,"]),
        (&["5.a,b", "5.a"], &["5.a", "5.a,b"]),
        (&["5.a\u{e9}", "5.a"], &["5.a\u{e9}", "5.a"]),
        (&["05.a:2,", "5.a:2,S"], &["05.a:2,", "5.a:2,S", "?"]),
    ] {
        assert_eq!(order(names), want, "{names:?}");
    }
}

#[test]
fn dovecot_says_what_is_doubtful() {
    let doubts = |list, names: &[&str]| -> Vec<String> {
        let listing = dovecot(list, names);
        let doubts = listing.doubts.iter().filter(|doubt| !doubt.is_note());
        doubts.map(Doubt::to_string).collect()
    };
    let good = Some("3 V77 N9\n1 :a\n");
    assert_eq!(doubts(good, &["a:2,", "b"]), Vec::<String>::new());
    assert_eq!(doubts(None, &[]), Vec::<String>::new());
    for (list, names, words) in [
        (
            None,
            &["a"][..],
            &["no dovecot-uidlist", "as if that were now (1000)"][..],
        ),
        (
            Some("3 V0 N1\n"),
            &["a"],
            &["line 1: the header makes no sense", "UIDVALIDITY"],
        ),
        (good, &["a,S=9"], &["1 file (a,S=9) not as long"]),
        (
            good,
            &["a:2,", "a:2,S"],
            &["1 file (a:2,S) with the base name"],
        ),
        (good, &[":2,S"], &["there is no name before the colon"]),
        (good, &["b\n"], &["1 file (b\\u{a}) not shown"]),
        (
            Some("3 V77 N9\n1 Px :a\n2 Px :b\n"),
            &["a", "b"],
            &["1 UIDL (x) announced more than once"],
        ),
        (
            Some("3 V77 N4294967294\n"),
            &["a", "b"],
            &["1 file (b) without a UID"],
        ),
    ] {
        let told = doubts(list, names);
        assert_eq!(told.len(), words.len(), "{told:?}");
        for (told, words) in told.iter().zip(words) {
            assert!(told.contains(words), "{told} is not {words}");
        }
    }
}

#[test]
fn a_new_uidvalidity_is_above_the_last() {
    for (told, numbers, index, want) in [
        (None, &[][..], false, (1000, ValiditySource::Clock)),
        (None, &[], true, (1000, ValiditySource::Index)),
        (
            Some("00000010"),
            &[0x10][..],
            false,
            (0x11, ValiditySource::File),
        ),
        (
            Some("00000010"),
            &[0x12, 0x19],
            false,
            (0x13, ValiditySource::File),
        ),
        (
            Some("00000010"),
            &[0x1a],
            false,
            (0x1b, ValiditySource::File),
        ),
        (Some("00000010"), &[], false, (1000, ValiditySource::Clock)),
        (Some("nonsense"), &[5, 7], false, (8, ValiditySource::File)),
    ] {
        let mut maildrop = drop_of(&["a"]);
        maildrop.controls = Controls {
            dovecot_uidvalidity: told.map(|told| told.as_bytes().to_vec()),
            dovecot_uidvalidities: numbers.to_vec(),
            has_dovecot_index: index,
            ..Controls::default()
        };
        let listing = list(&maildrop, &Server::Dovecot(UidlFormat::default()), 1000);
        let doubt = DovecotDoubt::NewValidity(want.0, want.1).into();
        assert!(
            listing.doubts.contains(&doubt),
            "{told:?}: {:?}",
            listing.doubts
        );
    }
}

#[test]
fn formats_are_those_of_either_dovecot() {
    for (format, want) in [
        ("%08Xu%08Xv", Ok("000001ad4d2b6938")),
        ("%v.%u", Ok("1294690616.429")),
        ("UID%Xu-%010v%%", Ok("UID1ad-1294690616%")),
        ("%f-%g", Ok("base-guid")),
        (
            "%{uid | hex(8)}%{uidvalidity | hex(8)}",
            Ok("000001ad4d2b6938"),
        ),
        ("%{uidvalidity}.%{uid}", Ok("1294690616.429")),
        ("%{filename}%{guid}%{uid|hex}", Ok("baseguid1ad")),
        ("%m", Err(())),
        ("%8Xu", Err(())),
        ("%Mf", Err(())),
        ("%{uid", Err(())),
        ("%{md5}", Err(())),
        ("%{uid | md5}", Err(())),
        ("%071u", Err(())),
        ("%", Err(())),
        ("same", Err(())),
        ("", Err(())),
    ] {
        let uidl = format
            .parse()
            .map_err(|_: String| ())
            .map(|format: UidlFormat| {
                let uidl = format.uidl(429, 1_294_690_616, b"base", b"guid");
                String::from_utf8(uidl.into()).unwrap()
            });
        let want: Result<&str, ()> = want;
        assert_eq!(uidl, want.map(str::to_owned), "{format}");
    }
}

#[test]
fn qmail_numbers_by_whole_seconds() {
    let dated = [
        ("a", 30),
        ("b:2,S", 10),
        ("d", 20),
        ("c", 20),
        ("e", 40),
        ("f", 50),
        ("g", 51),
    ];
    let maildrop = Maildrop {
        files: dated
            .iter()
            .map(|(name, date)| file(name, 7, *date))
            .collect(),
        ..Maildrop::default()
    };
    for (date, want) in [
        (30, qmail::Place::Number(4)),
        (10, qmail::Place::Number(1)),
        (20, qmail::Place::Between(2, 3)),
        (40, qmail::Place::Number(5)),
        (50, qmail::Place::Hidden),
        (51, qmail::Place::Hidden),
    ] {
        assert_eq!(qmail::place(&maildrop.files, date, 50), want, "{date}");
    }
    let listing = list(&maildrop, &Server::Qmail, 50);
    assert_eq!(told(&listing), ["b 7", "c 7", "d 7", "a 7", "e 7"]);
    let doubts: Vec<String> = listing.doubts.iter().map(Doubt::to_string).collect();
    assert!(doubts[0].starts_with("2 files (the first: c) with the date of another"));
    assert!(doubts[1].starts_with("2 files (the first: f) not shown before its date"));
}

#[test]
fn courier_goes_by_its_list_and_by_names() {
    for (list, names, want) in [
        (
            "/3 8 99\n10.z:2, 777 4:5:0\n9.z:2,S 6 0:0:0\nz:2, 5 3:0:1\n",
            &["10.z:2,FS", "9.z:2,", "010.a", "z:2,"][..],
            &["UID3 5", "9.z 6", "UID8-99 each", "UID4-5 777"][..],
        ),
        // The list's name has to have a colon where the file's has one.
        ("/3 8 99\n1.a 5 1:1:0\n", &["1.a:2,"], &["UID8-99 each"]),
        ("/3 8 99\n1.a:2, 5 1:1:0\n", &["1.a"], &["UID8-99 each"]),
        ("/3 8 99\n1.a 5 1:1:0\n", &["1.a"], &["UID1-1 5"]),
        // The name is escaped where it is the UIDL.
        (
            "/3 8 99\na+'\" \u{e9}: 5 0:0:0\n",
            &["a+'\" \u{e9}:2,"],
            &["a+2B+27+22+20+C3+A9 5"],
        ),
        // What is no line is not there; nor is a last line without its LF.
        ("/3 8 99\n1.a 5 1\n", &["1.a"], &["UID8-99 each"]),
        ("/3 8 99\n1.a 5 1:1:0", &["1.a"], &["UID8-99 each"]),
        ("/2 8 99\n1.a 5 1:1\n", &["1.a"], &["UID1-1 5"]),
        (
            "/3 8 99\n1.a 5 1:1:0\n1.a 6 2:1:0\n",
            &["1.a"],
            &["UID2-1 6"],
        ),
        ("/3 0 99\n", &["1.a", "2.b"], &["1.a each", "UID1-99 each"]),
        ("/3 8\n", &["1.a"], &["UID8-1000 each"]),
        ("/4 8 99\n", &["1.a"], &["UID8-99 each"]),
        ("/3\n", &["1.a"], &["UID1-1000 each"]),
        (
            "",
            &["-1.a", " 0.b", "+1.c", "\u{e9}"],
            &[
                "UID1-1000 each",
                "UID2-1000 each",
                "UID3-1000 each",
                "UID4-1000 each",
            ],
        ),
    ] {
        assert_eq!(told(&courier(Some(list), names)), want, "{list}");
    }
    let order = courier(None, &["a", "+1.c", " 0.b", "-1.a", "\u{e9}", "a\u{e9}"]);
    let order: Vec<usize> = order.entries.iter().map(|entry| entry.file).collect();
    assert_eq!(order, [3, 4, 2, 5, 0, 1]);
}

#[test]
fn courier_says_what_is_doubtful() {
    for (list, names, words) in [
        (
            None,
            &["a"][..],
            &["no courierpop3dsizelist", "as if that were now (1000)"][..],
        ),
        (Some("/4 8 99\n"), &["a"], &["of neither version 2 nor 3"]),
        (
            Some("x\n"),
            &["a"],
            &["its first line makes no sense", "as if that were now"],
        ),
        (Some("/3 8\na 5 1:1:0\n"), &["a"], &[]),
        (
            Some("/3 8 99\nx\n"),
            &["a"],
            &["1 line in courierpop3dsizelist that Courier cannot read"],
        ),
        (
            Some("/3 8 99\na 5 1:1:0\na 5 2:1:0\n"),
            &["a"],
            &["1 name (a) with more than one line"],
        ),
        (
            Some("/3 8 99\n"),
            &["a:2,", "a:2,S"],
            &["1 file (a) with the base name"],
        ),
        (None, &[], &[]),
    ] {
        let listing = courier(list, names);
        let doubts = listing.doubts.iter().filter(|doubt| !doubt.is_note());
        let told: Vec<String> = doubts.map(Doubt::to_string).collect();
        assert_eq!(told.len(), words.len(), "{told:?}");
        for (told, words) in told.iter().zip(words) {
            assert!(told.contains(words), "{told} is not {words}");
        }
    }
}

#[test]
fn each_server_counts_line_ends_its_own_way() {
    let mut maildrop = drop_of(&["a"]);
    let content = b"a\r\nb\nc\r";
    let count = |_: &MailFile| LineEnds::count(&mut &content[..]);
    for (server, octets) in [
        (Server::Dovecot(UidlFormat::default()), 8),
        (Server::Courier, 8),
        (Server::Qmail, 7),
    ] {
        maildrop.files[0].size = 7;
        let announced = list(&maildrop, &server, 1000).measured(&maildrop, count);
        let announced = announced.unwrap();
        assert_eq!(announced.entries[0].octets, octets, "{server:?}");
        assert_eq!(&*announced.entries[0].base_name, b"a");
    }
}
