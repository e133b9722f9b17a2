//! Mailboxes with a known truth, from small tables and from a generator that means harm.

mod elsewhere;
mod properties;
mod world;

use super::*;
use crate::mail::{Flags, KeywordSet, PopEntries, PopEntry};

use world::*;

/// Stages of all pairs, in POP3 order.
fn stages(pairing: &Pairing) -> Vec<String> {
    pairing
        .pairs
        .iter()
        .map(|pair| pair.stage.to_string())
        .collect()
}

fn reasons(pairing: &Pairing) -> Vec<Why> {
    pairing.extra.iter().map(|extra| extra.reason).collect()
}

fn reversed(n: u16) -> Vec<u16> {
    (0..n).rev().collect()
}

/// The table "Weak spots" of Dovecot's plugin, and what is to happen instead.
#[test]
fn where_dovecots_plugin_errs_nothing_is_wrong_and_nothing_is_lost() {
    let plain = vec![message(1, 1), message(2, 2), message(3, 3), message(5, 4)];
    let twins = vec![message(1, 1), message(1, 2), message(1, 3)];
    let copies = vec![message(1, 1), message(1, 1), message(2, 1), message(1, 1)];
    let one_gone = |pop: bool| {
        let mut messages = plain.clone();
        messages[1].in_pop = !pop;
        messages[1].in_imap = pop;
        messages
    };
    let liars = |sizes: [u64; 4]| {
        let sized = plain.iter().cloned().zip(sizes);
        sized
            .map(|(message, size)| Message {
                pop_size: Some(size),
                ..message
            })
            .collect()
    };
    let backwards = |messages: Vec<Message>| World {
        pop_order: reversed(messages.len() as u16),
        ..world(messages, Scheme::Opaque)
    };
    let h = "header";
    for (what, world, want) in [
        ("equal sizes, swapped", backwards(plain.clone()), vec![h; 4]),
        (
            "twins of one size, swapped",
            backwards(twins.clone()),
            vec!["content"; 3],
        ),
        (
            "copies",
            backwards(copies),
            vec!["identical", h, "identical", "identical"],
        ),
        (
            "LIST counts LF",
            World {
                sizes: Sizes::Lines,
                ..backwards(plain.clone())
            },
            vec![h; 4],
        ),
        (
            "LIST lies",
            world(liars([9, 9, 1, 0]), Scheme::Opaque),
            vec![h; 4],
        ),
        (
            "one gone from POP3",
            world(one_gone(false), Scheme::Opaque),
            vec![h; 3],
        ),
        (
            "one gone from IMAP",
            world(one_gone(true), Scheme::Opaque),
            vec![h; 3],
        ),
        (
            "rebuilt headers",
            World {
                rebuilt: true,
                ..backwards(plain.clone())
            },
            vec!["identity"; 4],
        ),
        (
            "rebuilt headers of twins",
            World {
                rebuilt: true,
                ..backwards(twins.clone())
            },
            vec!["identity"; 3],
        ),
        (
            "Status in POP3",
            world(
                plain
                    .iter()
                    .map(|m| Message {
                        status: true,
                        ..m.clone()
                    })
                    .collect(),
                Scheme::Opaque,
            ),
            vec!["header-loose"; 4],
        ),
        (
            "no TOP",
            World {
                top: false,
                ..backwards(plain.clone())
            },
            vec![h; 4],
        ),
        (
            "a second run with another order",
            World {
                known: vec![0, 2],
                ..backwards(plain.clone())
            },
            vec![h, "known", h, "known"],
        ),
        (
            "a counter that looks like UIDs, in another order",
            World {
                pop_order: reversed(4),
                ..world(plain.clone(), Scheme::Counter(Template::U))
            },
            vec![h; 4],
        ),
        (
            "UIDs for UIDLs",
            World {
                pop_order: reversed(4),
                ..world(plain.clone(), Scheme::True(Template::U))
            },
            vec!["template(u)"; 4],
        ),
        (
            "a UIDVALIDITY that is no time",
            World {
                validity: Some(1),
                ..world(plain.clone(), Scheme::Shifted(Template::V_DASH_U, 1))
            },
            vec![h; 4],
        ),
        (
            "two UIDLs of a template swapped",
            world(plain.clone(), Scheme::Swapped(Template::U8V8, 1, 2)),
            vec![h; 4],
        ),
        (
            "two UIDLs of twins swapped",
            world(twins.clone(), Scheme::Swapped(Template::U8V8, 1, 2)),
            vec!["content"; 3],
        ),
        (
            "two templates",
            world(
                plain.clone(),
                Scheme::Mixed(Template::V8U8, Template::V_DOT_U),
            ),
            vec![
                "template(v8u8)",
                "template(v.u)",
                "template(v8u8)",
                "template(v.u)",
            ],
        ),
        (
            "migrated before",
            world(plain.clone(), Scheme::Half(Template::V_DOT_U)),
            vec!["template(v.u)", h, "template(v.u)", h],
        ),
        (
            "a template and a UIDL twice",
            World {
                duplicates: vec![1],
                ..world(plain.clone(), Scheme::True(Template::U8V8))
            },
            vec![h, "template(u8v8)", "template(u8v8)"],
        ),
        (
            "X-GUID",
            world(
                plain.clone(),
                Scheme::Made(Attribute::XGuid, false, Trap::None),
            ),
            vec!["x-guid"; 4],
        ),
        (
            "MD5 of X-GUID",
            world(
                plain.clone(),
                Scheme::Made(Attribute::XGuid, true, Trap::None),
            ),
            vec!["md5-guid"; 4],
        ),
    ] {
        assert_eq!(stages(&world.paired().0), want, "{what}");
    }
}

#[test]
fn twins_of_which_each_side_has_another_are_not_paired() {
    let mut twins = vec![message(1, 1), message(1, 2)];
    twins[0].in_imap = false;
    twins[1].in_pop = false;
    for (scheme, rebuilt) in [
        (Scheme::Opaque, false),
        (Scheme::Opaque, true),
        // The UIDL says that it is the other one.
        (Scheme::Shifted(Template::U8V8, 1), false),
        (Scheme::Shifted(Template::U, 1), false),
    ] {
        let (pairing, _) = World {
            rebuilt,
            ..world(twins.clone(), scheme)
        }
        .paired();
        assert_eq!(reasons(&pairing), [Why::OtherBody], "{scheme:?} {rebuilt}");
        assert_eq!(pairing.missing, [uid(1)]);
        assert!(pairing.template.is_none());
    }
}

#[test]
fn a_template_that_was_contradicted_is_said_to_be() {
    let plain = vec![message(1, 1), message(2, 2), message(3, 3)];
    for scheme in [
        Scheme::Swapped(Template::V_DOT_U, 0, 2),
        Scheme::Swapped(Template::U, 0, 2),
    ] {
        let (Scheme::Swapped(template, ..), (pairing, _)) =
            (scheme, world(plain.clone(), scheme).paired())
        else {
            unreachable!("both rows are swapped");
        };
        assert_eq!((pairing.rejected, pairing.template), (vec![template], None));
    }
    let known = World {
        known: vec![0],
        ..world(plain, Scheme::True(Template::V_DOT_U))
    };
    let (pairing, _) = known.paired();
    assert_eq!(
        stages(&pairing),
        ["known", "template(v.u)", "template(v.u)"]
    );
    assert_eq!(pairing.template, Some(Template::V_DOT_U));
}

#[test]
fn a_rejected_template_does_not_come_back_in_upper_case() {
    let messages = vec![message(1, 1), message(2, 2), message(3, 3)];
    let v = UidValidity::new(0x1234_5678);
    let (entries, mut drop, mut servers, _) = world(messages, Scheme::Opaque).build();
    let uidls = ["0000000412345678", "0000000112345678", "opaque"];
    let mut uidls = uidls.iter();
    change(&mut drop, |entry| {
        entry.uidl = uidls
            .next()
            .and_then(|uidl| Uidl::parse(uidl.as_bytes()).ok());
    });
    let side = ImapSide {
        uid_validity: v,
        entries: &entries,
    };
    let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
    assert_eq!(pairing.rejected, [Template::U8V8]);
    assert_eq!(stages(&pairing), ["header"; 3]);
}

/// Changes every entry.
fn change(drop: &mut Maildrop, mut change: impl FnMut(&mut PopEntry)) {
    let mut entries: Vec<PopEntry> = drop.entries.iter().collect();
    entries.iter_mut().for_each(&mut change);
    drop.entries = entries.into_iter().collect();
}

/// As [`World::paired`], with messages too large to be read without need.
fn pair_heavy(world: &World, uidls: &[&str]) -> (Pairing, Servers) {
    let (mut entries, mut drop, mut servers, _) = world.build();
    entries.iter_mut().for_each(|entry| entry.size *= 100_000);
    let mut uidls = uidls.iter();
    change(&mut drop, |entry| {
        entry.size *= 100_000;
        if let Some(uidl) = uidls.next() {
            entry.uidl = Some(Uidl::parse(uidl.as_bytes()).unwrap());
        }
    });
    let side = ImapSide {
        uid_validity: UidValidity::new(V),
        entries: &entries,
    };
    let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
    for pair in &pairing.pairs {
        let classes = [servers.pop[&pair.position()].0, servers.imap[&pair.uid].0]
            .map(|at| world.messages[at].class());
        assert_eq!(classes[0], classes[1], "wrong pair {pair:?}");
    }
    (pairing, servers)
}

#[test]
fn bodies_of_large_messages_are_read_where_there_is_doubt_and_only_there() {
    let plain = vec![message(1, 1), message(2, 2), message(3, 3)];
    for scheme in [Scheme::Opaque, Scheme::True(Template::U8V8)] {
        let (pairing, servers) = pair_heavy(&world(plain.clone(), scheme), &[]);
        assert_eq!((pairing.pairs.len(), servers.contents), (3, (0, 0)));
    }
    // Twins whose UIDLs claim each other: the headers agree.
    let twins = vec![message(1, 1), message(1, 2), message(2, 1)];
    let swapped = world(twins, Scheme::Swapped(Template::U8V8, 0, 1));
    assert_eq!(pair_heavy(&swapped, &[]).0.rejected, [Template::U8V8]);
    // No Message-ID.
    let (pairing, servers) = pair_heavy(&world(vec![message(4, 1)], Scheme::Opaque), &[]);
    assert_eq!((pairing.pairs.len(), servers.contents), (1, (1, 1)));
    // Messages are missing on both sides, and among them a twin on each.
    let here_and_there = vec![
        Message {
            in_imap: false,
            ..message(1, 1)
        },
        Message {
            in_pop: false,
            ..message(1, 2)
        },
        Message {
            in_imap: false,
            ..message(2, 1)
        },
        Message {
            in_pop: false,
            ..message(3, 1)
        },
    ];
    let (pairing, _) = pair_heavy(&world(here_and_there, Scheme::Opaque), &[]);
    assert_eq!(reasons(&pairing), [Why::OtherBody, Why::NoMessage]);
}

#[test]
fn a_message_that_two_uidls_claim_is_left_to_its_header() {
    let plain = vec![message(1, 1), message(2, 2), message(3, 3)];
    let uidls = ["000000014d2b6938", "1294690616.1", "000000074d2b6938"];
    let (pairing, _) = pair_heavy(&world(plain, Scheme::Opaque), &uidls);
    assert_eq!(stages(&pairing), ["header", "header", "template(u8v8)"]);
}

#[test]
fn copies_that_only_lost_fields_would_tell_apart_are_not_paired() {
    let copy = |fields: &str| {
        digest(&format!(
            "{fields}Message-ID: <a@b>\r\nFrom: a@b\r\n\r\nbody"
        ))
    };
    let (entries, drop, mut servers, _) =
        world(vec![message(1, 1), message(2, 1)], Scheme::Opaque).build();
    let side = ImapSide {
        uid_validity: None,
        entries: &entries,
    };
    for (list, want) in [("Received: by a list\r\n", 0), ("Received: direct\r\n", 2)] {
        servers.pop.insert(1, (0, copy("Received: direct\r\n")));
        servers.pop.insert(2, (1, copy(list)));
        for at in 0..2 {
            servers.imap.insert(uid(at), (at, copy("")));
        }
        let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
        assert_eq!(pairing.pairs.len(), want);
        assert!(reasons(&pairing).iter().all(|why| *why == Why::Ambiguous));
    }
}

#[test]
fn a_uidvalidity_that_may_be_a_counter_does_not_spare_reading_headers() {
    let (entries, drop, mut servers) = large(1000, 1000, |at| format!("1-{}", uid(at)));
    let side = ImapSide {
        uid_validity: UidValidity::new(1),
        entries: &entries,
    };
    let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
    assert_eq!(
        pairing.counts(),
        [(Stage::Template(Template::V_DASH_U), 1000)]
    );
    assert_eq!(servers.headers, (1000, 1000));
}

#[test]
fn a_server_that_encodes_every_body_anew_is_recognised() {
    let shown = |at: usize, body: &str, marks: &str| {
        digest(&format!("{marks}Message-ID: <{at}@x>\r\n\r\n{body}"))
    };
    // One body or header that survives shows that the others are other messages.
    for (first_body, first_marks, want) in
        [("imap", "", 9), ("pop", "", 1), ("imap", "X: 1\r\n", 0)]
    {
        let (entries, drop, mut servers) = large(9, 9, |at| format!("x{at}"));
        for at in 0..9 {
            let (body, marks) = match at {
                0 => (first_body, first_marks),
                _ => ("imap", ""),
            };
            servers
                .pop
                .insert(at as u32 + 1, (at, shown(at, "pop", "X: 1\r\n")));
            servers.imap.insert(uid(at), (at, shown(at, body, marks)));
        }
        let side = ImapSide {
            uid_validity: None,
            entries: &entries,
        };
        let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
        assert_eq!(pairing.pairs.len(), want);
        // Only the sizes speak for a message of another body.
        let policy = Policy {
            skip_sizes: true,
            ..Policy::default()
        };
        let pairing = pair(policy, &side, &drop, [], &mut servers).unwrap();
        let left = if want == 9 { 0 } else { want };
        assert_eq!(pairing.pairs.len(), left);
    }
}

#[test]
fn a_uidl_is_given_once_and_only_if_it_is_one() {
    let mut messages = vec![message(1, 1), message(1, 1), message(2, 1), message(3, 1)];
    let listing = |messages: &[Message]| World {
        duplicates: vec![1],
        faulty: vec![2],
        ..world(messages.to_vec(), Scheme::Opaque)
    };
    let (pairing, _) = listing(&messages).paired();
    assert_eq!(stages(&pairing), ["identical", "header"]);
    assert_eq!(reasons(&pairing), [Why::DuplicateUidl(1), Why::NoUidl]);
    assert_eq!(pairing.missing, [uid(1), uid(2)]);

    // The first of two has gone: the second has the UIDL as well.
    messages[0] = Message {
        in_imap: false,
        ..message(9, 9)
    };
    let (pairing, _) = listing(&messages).paired();
    assert_eq!(reasons(&pairing), [Why::DuplicateUidl(2), Why::NoUidl]);
    assert!(pairing.by_uid().get(uid(1)).is_some());
}

#[test]
fn without_evidence_nothing_is_claimed() {
    let plain = vec![message(1, 1), message(2, 2), message(3, 3)];
    for scheme in [
        Scheme::Opaque,
        Scheme::True(Template::U8V8),
        Scheme::True(Template::U),
    ] {
        let (entries, drop, ..) = world(plain.clone(), scheme).build();
        let side = ImapSide {
            uid_validity: UidValidity::new(V),
            entries: &entries,
        };
        let pairing = pair(Policy::default(), &side, &drop, [], &mut Servers::default()).unwrap();
        assert!(pairing.pairs.is_empty());
        assert_eq!(reasons(&pairing), [Why::Unread; 3]);
    }
}

#[test]
fn messages_that_vanish_after_the_listing_cost_only_themselves() {
    let plain: Vec<Message> = (1..6).map(|kind| message(kind * 5, 1)).collect();
    for scheme in [
        Scheme::Opaque,
        Scheme::Made(Attribute::XGuid, false, Trap::None),
        Scheme::True(Template::V_DASH_U),
    ] {
        let (entries, drop, mut servers, _) = world(plain.clone(), scheme).build();
        servers.imap.remove(&uid(1));
        servers.pop.remove(&4);
        let side = ImapSide {
            uid_validity: UidValidity::new(V),
            entries: &entries,
        };
        let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
        let paired: Vec<u32> = pairing.pairs.iter().map(Pair::position).collect();
        for sure in [1, 3, 5] {
            assert!(paired.contains(&sure), "{scheme:?} {paired:?}");
        }
        assert!(
            pairing
                .pairs
                .iter()
                .all(|pair| uid(pair.place.index()) == pair.uid)
        );
    }
}

#[test]
fn copies_are_told_apart_by_a_raw_subject_only_where_both_sides_show_it() {
    let header = |subject: &[u8]| {
        let text = [b"From: a@b\r\nSubject: ", subject, b"\r\n\r\nbody"].concat();
        let mut hasher = ContentHasher::new();
        hasher.update(&text);
        hasher.finish()
    };
    for (pop, imap, want) in [
        (
            [&b"Gr\xf6sse"[..], b"Gr\xe4sse"],
            [&b"Gr\xe4sse"[..], b"Gr\xf6sse"],
            2,
        ),
        ([b"Gr?sse", b"Gr?sse"], [b"Gr\xe4sse", b"Gr\xf6sse"], 0),
        ([b"Gr?sse", b"other"], [b"Gr\xe4sse", b"other"], 1),
    ] {
        let (entries, drop, mut servers, _) =
            world(vec![message(1, 1), message(2, 1)], Scheme::Opaque).build();
        for at in 0..2 {
            servers.pop.insert(at as u32 + 1, (at, header(pop[at])));
            servers.imap.insert(uid(at), (at, header(imap[at])));
        }
        let side = ImapSide {
            uid_validity: None,
            entries: &entries,
        };
        let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
        assert_eq!(pairing.pairs.len(), want, "{pop:?}");
        if pop[0] == imap[1] {
            assert_eq!(pairing.by_uid().get(uid(1)).unwrap().position(), 1);
        }
    }
}

#[test]
fn a_listing_that_names_a_message_twice_is_refused() {
    let (mut entries, drop, mut servers, _) = world(vec![message(1, 1)], Scheme::Opaque).build();
    entries.push(entries[0]);
    let side = ImapSide {
        uid_validity: None,
        entries: &entries,
    };
    let problem = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap_err();
    assert_eq!(problem.kind, Kind::Protocol);
}

/// A mailbox too large for [`World`]: message n has size 1000 + n % `sizes` and its own header.
fn large(
    n: usize,
    sizes: usize,
    uidl: impl Fn(usize) -> String,
) -> (Vec<Entry>, Maildrop, Servers) {
    let mut servers = Servers {
        top: true,
        ..Servers::default()
    };
    let mut drop = Maildrop {
        has_uidls: true,
        ..Maildrop::default()
    };
    let mut entries = Vec::new();
    for at in 0..n {
        let size = 1000 + (at % sizes) as u64;
        entries.push(Entry {
            uid: uid(at),
            flags: Flags::empty(),
            keywords: KeywordSet::default(),
            internal_date: None,
            size,
        });
        let number = at as u32 + 1;
        let uidl = Some(Uidl::parse(uidl(at).as_bytes()).unwrap());
        drop.entries.push(&PopEntry { number, size, uidl });
        if n <= 10_000 {
            let content = digest(&format!("Message-ID: <{at}@x>\r\n\r\n{at}"));
            servers.pop.insert(number, (at, content));
            servers.imap.insert(uid(at), (at, content));
        } else {
            let header = HeaderDigest {
                strict: [1; 16],
                loose: [1; 16],
                identity: None,
                rough: false,
            };
            let content = ContentDigest {
                header,
                body: [1; 16],
            };
            servers.pop.insert(number, (at, content));
            servers.imap.insert(uid(at), (at, content));
        }
    }
    (entries, drop, servers)
}

fn dovecot_uidl(at: usize) -> String {
    format!("{:08x}{V:08x}", uid(at).value())
}

fn pair_large(world: (Vec<Entry>, Maildrop, Servers)) -> (Pairing, Servers) {
    let (entries, drop, mut servers) = world;
    let side = ImapSide {
        uid_validity: UidValidity::new(V),
        entries: &entries,
    };
    let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
    for pair in &pairing.pairs {
        let number = pair.position();
        assert_eq!(servers.pop[&number].0, servers.imap[&pair.uid].0);
    }
    (pairing, servers)
}

#[test]
fn a_large_mailbox_of_one_template_costs_five_headers() {
    let (pairing, servers) = pair_large(large(10_000, 700, dovecot_uidl));
    assert_eq!(
        pairing.counts(),
        [(Stage::Template(Template::U8V8), 10_000)]
    );
    assert_eq!(servers.headers, (5, 5));
    assert_eq!(servers.contents, (0, 0));
    assert!(pairing.is_in_uid_order());
}

#[test]
fn what_is_foreseen_is_what_is_asked_of_pop3() {
    for (n, headers, contents) in [(10_000, 5, 0), (101, 5, 0), (100, 100, 100), (1, 1, 1)] {
        let (entries, drop, mut servers) = large(n, 700, dovecot_uidl);
        let foreseen = foreseen(&drop.entries);
        let count = foreseen.headers.len();
        let counts = (count, if foreseen.whole { count } else { 0 });
        assert_eq!(counts, (headers, contents), "{n}");
        // Of others nothing is to be had.
        servers
            .pop
            .retain(|number, _| foreseen.headers.contains(number));
        let side = ImapSide {
            uid_validity: UidValidity::new(V),
            entries: &entries,
        };
        let pairing = pair(Policy::default(), &side, &drop, [], &mut servers).unwrap();
        assert_eq!(pairing.pairs.len(), n);
        assert_eq!((servers.headers.0, servers.contents.0), counts, "{n}");
    }
}

#[test]
fn nothing_is_foreseen_without_uidls_and_no_bodies_where_they_cost_much() {
    let (_, mut drop, _) = large(100, 1, dovecot_uidl);
    change(&mut drop, |entry| {
        if entry.number == 51 {
            entry.size = 4 << 20;
        }
    });
    let found = foreseen(&drop.entries);
    assert_eq!((found.headers.len(), found.whole), (100, false));
    change(&mut drop, |entry| entry.uidl = None);
    assert_eq!(foreseen(&drop.entries), Foreseen::default());
    assert_eq!(foreseen(&PopEntries::default()), Foreseen::default());
}

#[test]
fn what_a_template_leaves_is_all_that_headers_are_asked_for() {
    // A server that was itself migrated: each tenth UIDL is of the server before it.
    let mixed = |at: usize| match at % 10 {
        3 => format!("old-{}", at * 31),
        _ => dovecot_uidl(at),
    };
    let (pairing, servers) = pair_large(large(10_000, 700, mixed));
    assert_eq!(
        pairing.counts(),
        [
            (Stage::Template(Template::U8V8), 9_000),
            (Stage::Header, 1_000)
        ]
    );
    assert_eq!(servers.headers, (1_005, 1_005));
    assert_eq!((servers.contents, servers.calls), ((0, 0), 9));
    assert_eq!(servers.attributes, 25, "of a sample");

    // UIDLs of the template's form that no message has: then the server may count by itself.
    let (pairing, servers) = pair_large(large(10_000, 700, |at| {
        dovecot_uidl(if at % 10 == 3 { at + 20_000 } else { at })
    }));
    assert_eq!(pairing.counts().len(), 2);
    assert_eq!(servers.headers, (10_000, 10_000));
}

#[test]
fn attributes_spare_a_large_mailbox_the_headers() {
    let id = |at: usize| 1_278_455_344_230_334_865 + at as u64;
    let mail = |at: usize| format!("<{at}.mail@example.org>");
    let bare = |at: usize| mail(at).trim_matches(['<', '>']).to_owned();
    let md5 = |text: String| -> String {
        use md5::Digest as _;
        let hash = md5::Md5::digest(text.as_bytes());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    type Text<'a> = &'a dyn Fn(usize) -> String;
    let rows: [(Attribute, Text<'_>, Text<'_>, Stage); 6] = [
        (
            Attribute::GmailId,
            &|at| id(at).to_string(),
            &|at| format!("GmailId{:x}", id(at)),
            Stage::GmailId,
        ),
        (
            Attribute::EmailId,
            &|at| format!("M{}", id(at)),
            &|at| format!("M{}", id(at)),
            Stage::EmailId,
        ),
        (
            Attribute::XUidl,
            &|at| format!("#{}!", id(at)),
            &|at| format!("#{}!", id(at)),
            Stage::XUidl,
        ),
        (Attribute::MessageId, &mail, &bare, Stage::MessageId),
        (Attribute::MessageId, &mail, &mail, Stage::MessageId),
        (
            Attribute::MessageId,
            &mail,
            &|at| md5(bare(at)),
            Stage::Md5MessageId,
        ),
    ];
    for (attribute, shown, uidl, stage) in rows {
        let mut world = large(1_000, 1_000, uidl);
        for at in 0..1_000 {
            world.2.known.insert((attribute, uid(at)), shown(at));
        }
        let (pairing, servers) = pair_large(world);
        assert_eq!(pairing.counts(), [(stage, 1_000)]);
        assert_eq!((servers.headers, servers.contents), ((5, 5), (0, 0)));
    }
}

#[test]
fn a_header_field_that_was_copied_gives_nothing_away() {
    // Message 2 was forwarded with the X-UIDL of message 1, which IMAP no longer has; its own
    // UIDL is not shown anywhere.
    let mut messages: Vec<Message> = (0..150).map(|kind| message(kind + 1, 1)).collect();
    messages[1].in_imap = false;
    let copied = Scheme::Made(Attribute::XUidl, false, Trap::Copied(1, 2));
    for messages in [messages.clone(), messages.split_off(0)[..9].to_vec()] {
        let (pairing, _) = world(messages.clone(), copied).paired();
        assert_eq!(pairing.pairs.len(), messages.len() - 1);
        assert_eq!(reasons(&pairing), [Why::NoMessage]);
    }
    // Two messages show it: neither gets it by it.
    let messages: Vec<Message> = (0..9).map(|kind| message(kind + 1, 1)).collect();
    let (pairing, _) = world(messages, copied).paired();
    let by_header = [(Stage::Header, 2), (Stage::XUidl, 7)];
    let mut counts = pairing.counts();
    counts.sort_by_key(|(_, count)| *count);
    assert_eq!(counts, by_header);
}

#[test]
fn a_format_that_nobody_has_heard_of_is_deduced() {
    for (format, headers) in [("%v:%u", 5), ("pop.%Xu.%08UXv", 5), ("x%06u@pop", 1_000)] {
        let template = Template::parse(format).unwrap();
        let form = template.form(UidValidity::new(V)).unwrap();
        let (pairing, servers) = pair_large(large(1_000, 700, |at| {
            let mut text = String::new();
            form.write(&mut text, uid(at));
            text
        }));
        assert_eq!(pairing.counts(), [(Stage::Template(template), 1_000)]);
        assert_eq!(pairing.template, Some(template));
        assert_eq!(servers.headers, (headers, headers), "{format}");
    }
    // Of a few messages any digit may be the UID.
    let (pairing, _) = pair_large(large(5, 5, |at| format!("x{}", uid(at))));
    assert_eq!(pairing.counts(), [(Stage::Header, 5)]);
    // A counter beside the UIDs: by header, whatever the texts look like.
    let (pairing, _) = pair_large(large(1_000, 700, |at| format!("x{}", uid(at + 1))));
    assert_eq!(pairing.counts(), [(Stage::Header, 1_000)]);
}

#[test]
fn a_template_that_the_admin_has_named_is_believed_until_contradicted() {
    let counter = Policy {
        template: Some(Template::U),
        ..Policy::default()
    };
    let with = |policy, world: (Vec<Entry>, Maildrop, Servers)| {
        let (entries, drop, mut servers) = world;
        let side = ImapSide {
            uid_validity: UidValidity::new(V),
            entries: &entries,
        };
        let pairing = pair(policy, &side, &drop, [], &mut servers).unwrap();
        (pairing, servers)
    };
    let template = Stage::Template(Template::U);
    let uids = |at: usize| uid(at).to_string();
    let (pairing, servers) = with(counter, large(1_000, 700, uids));
    assert_eq!(
        (pairing.counts(), servers.headers),
        (vec![(template, 1_000)], (5, 5))
    );
    // It explains a tenth; no threshold.
    let tenth = |at: usize| match at % 10 {
        0 => uids(at),
        _ => format!("old-{at}"),
    };
    let (pairing, _) = with(counter, large(2_000, 700, tenth));
    assert_eq!(pairing.counts(), [(template, 200), (Stage::Header, 1_800)]);
    assert_eq!(pairing.rejected, []);
    // Another template is not tried, though it would explain everything.
    let (pairing, _) = with(counter, large(200, 200, dovecot_uidl));
    assert_eq!(pairing.counts(), [(Stage::Header, 200)]);
    // Two are exchanged: only they are contradicted, and found by their headers.
    let swapped = |at: usize| match at {
        20 => uids(30),
        30 => uids(20),
        _ => uids(at),
    };
    let (pairing, _) = with(counter, large(1_000, 700, swapped));
    assert_eq!(pairing.counts(), [(template, 998), (Stage::Header, 2)]);
    assert_eq!(pairing.rejected, [Template::U]);
    let by_uid = pairing.by_uid();
    assert!(
        [20, 30]
            .iter()
            .all(|at| by_uid.get(uid(*at)).unwrap().place.index() == *at)
    );
    // Wrong altogether.
    let (pairing, _) = with(counter, large(1_000, 700, |at| uids(at + 1)));
    assert_eq!(pairing.counts(), [(Stage::Header, 1_000)]);
    assert_eq!(pairing.rejected, [Template::U]);
}

#[test]
fn sizes_that_are_ignored_cost_no_bodies() {
    for (skip_sizes, contents) in [(false, (150, 150)), (true, (0, 0))] {
        let (entries, mut drop, mut servers) = large(150, 150, |at| format!("x{}", at * 31));
        change(&mut drop, |entry| {
            entry.size = u64::from(entry.number - 1) * 7919 % 1000;
        });
        let side = ImapSide {
            uid_validity: UidValidity::new(V),
            entries: &entries,
        };
        let policy = Policy {
            skip_sizes,
            ..Policy::default()
        };
        let pairing = pair(policy, &side, &drop, [], &mut servers).unwrap();
        assert_eq!(pairing.counts(), [(Stage::Header, 150)]);
        assert_eq!(servers.contents, contents);
    }
}

#[test]
fn in_a_large_mailbox_a_uidl_is_not_given_to_the_twin_of_its_message() {
    // POP3 message 3 has the UIDL of message 6, its twin; IMAP has lost message 3.
    for size in [None, Some(9_000)] {
        let mut messages: Vec<Message> = (0..150).map(|kind| message(kind + 1, 0)).collect();
        messages[6] = message(4, 2);
        messages[3].in_imap = false;
        messages[3].pop_size = size;
        let swapped = Scheme::Swapped(Template::V_DASH_U, 3, 6);
        let (pairing, _) = world(messages, swapped).paired();
        assert_eq!(pairing.pairs.len(), 149);
        assert_eq!(pairing.rejected, [Template::V_DASH_U]);
    }
}

#[test]
fn in_a_large_mailbox_two_swapped_uidls_are_found() {
    // 4711 and 5411 have the same size, so that only the order is suspicious.
    for (a, b) in [(4711, 5411), (4711, 4712)] {
        let swapped = |at: usize| {
            dovecot_uidl(match at {
                _ if at == a => b,
                _ if at == b => a,
                _ => at,
            })
        };
        let (pairing, _) = pair_large(large(10_000, 700, swapped));
        assert_eq!(pairing.counts(), [(Stage::Header, 10_000)]);
        assert_eq!(pairing.rejected, [Template::U8V8]);
    }
}

#[test]
fn a_large_mailbox_is_paired_by_headers_without_bodies_and_in_few_calls() {
    let (pairing, servers) = pair_large(large(5_000, 5, |at| format!("x{}", at * 31)));
    assert_eq!(pairing.counts(), [(Stage::Header, 5_000)]);
    assert_eq!(
        (servers.headers, servers.contents),
        ((5_000, 5_000), (0, 0))
    );
    assert_eq!(
        servers.calls, 7,
        "five attributes, and headers of each side"
    );
    assert_eq!(servers.attributes, 25, "of a sample");
}

#[test]
fn a_hundred_thousand_messages_do_not_take_long() {
    let world = large(100_000, 50_000, dovecot_uidl);
    let begin = std::time::Instant::now();
    let (pairing, _) = pair_large(world);
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(pairing.pairs.len(), 100_000);
    // Two seconds without optimisation on an idle machine: this only catches what grows faster.
    assert!(seconds < 20.0, "{seconds}");
}
