//! A generator of mailboxes that means harm, and the figures of a run (see tests/README.md).
//! `MAILSEED_PAIRING_CASES` says how many small mailboxes of each kind are made.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::*;
use super::reasons;
use super::world::*;

fn any_template() -> impl Strategy<Value = Template> {
    let odd = ["%v:%u", "x%06u@pop", "%UXv.%Xu", "%u%%%08Xv"];
    let odd = odd.map(|format| Template::parse(format).unwrap());
    proptest::sample::select(Template::usual().chain(odd).collect::<Vec<_>>())
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    proptest::sample::select(vec![
        Attribute::XGuid,
        Attribute::GmailId,
        Attribute::EmailId,
        Attribute::XUidl,
        Attribute::MessageId,
    ])
}

fn any_trap() -> impl Strategy<Value = Trap> {
    prop_oneof![
        2 => Just(Trap::None),
        1 => (0usize..12, 0usize..12).prop_map(|(a, b)| Trap::Copied(a, b)),
        1 => (0usize..12, 0usize..12).prop_map(|(a, b)| Trap::Swapped(a, b)),
    ]
}

fn any_sizes() -> impl Strategy<Value = Sizes> {
    prop_oneof![
        6 => Just(Sizes::Equal),
        2 => Just(Sizes::Lines),
        1 => (1u64..40).prop_map(Sizes::Plus),
        1 => Just(Sizes::Zero),
        1 => prop_oneof![Just(64), Just(512), Just(4096)].prop_map(Sizes::Blocks),
    ]
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    let t = any_template;
    let at = 0usize..12;
    prop_oneof![
        3 => Just(Scheme::Opaque),
        2 => t().prop_map(Scheme::True),
        2 => t().prop_map(Scheme::Counter),
        2 => (t(), 1usize..3).prop_map(|(t, by)| Scheme::Shifted(t, by)),
        3 => (t(), at.clone(), at).prop_map(|(t, a, b)| Scheme::Swapped(t, a, b)),
        2 => (t(), t()).prop_map(|(a, b)| Scheme::Mixed(a, b)),
        1 => t().prop_map(Scheme::Half),
        3 => (any_attribute(), any::<bool>(), any_trap())
            .prop_map(|(attribute, hashed, trap)| Scheme::Made(attribute, hashed, trap)),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (
        proptest::bool::weighted(0.1),
        proptest::option::weighted(0.1, any_template()),
    )
        .prop_map(|(skip_sizes, template)| Policy {
            skip_sizes,
            template,
        })
}

prop_compose! {
    fn any_message(headers: u8)(
        header in 0..headers,
        body in 0u8..3,
        (in_pop, in_imap) in prop_oneof![
            6 => Just((true, true)), 1 => Just((true, false)), 1 => Just((false, true))],
        status in proptest::bool::weighted(0.2),
        pop_size in proptest::option::weighted(0.15, 0u64..2000),
    ) -> Message {
        Message { header, body, in_pop, in_imap, status, pop_size }
    }
}

prop_compose! {
    fn any_world(headers: u8, most: usize)(
        mut messages in proptest::collection::vec(any_message(headers), 0..most),
        pop_order in prop_oneof![
            Just(Vec::new()), proptest::collection::vec(0u16..9, most)],
        scheme in any_scheme(),
        (validity, policy) in (
            prop_oneof![4 => Just(Some(V)), 1 => Just(Some(1)), 1 => Just(None)], any_policy()),
        // Half of all mailboxes have no message whose size is off by itself.
        (rebuilt, top, even_sizes, sizes) in (
            proptest::bool::weighted(0.2),
            proptest::bool::weighted(0.9),
            any::<bool>(),
            any_sizes()),
        (duplicates, faulty) in prop_oneof![
            4 => Just((vec![], vec![])),
            1 => (proptest::collection::vec(0..most, 0..3), proptest::collection::vec(0..most, 0..3))],
    ) -> World {
        if even_sizes {
            messages.iter_mut().for_each(|message| message.pop_size = None);
        }
        World {
            messages, pop_order, scheme, validity, rebuilt, top, sizes, duplicates, faulty,
            known: Vec::new(), policy,
        }
    }
}

/// What a run has made of the mailboxes in which every UIDL is valid and there once.
#[derive(Debug, Default)]
struct Figures {
    mailboxes: Cell<u64>,
    pairs: Cell<u64>,
    found: Cell<u64>,
    possible: Cell<u64>,
}

/// `paired` holds every pair against the truth. Where all is there to decide, all is found.
fn judge(world: &World, figures: &Figures) -> Result<(), TestCaseError> {
    let (pairing, servers) = world.paired();
    prop_assert!(servers.calls <= 60, "{} calls", servers.calls);
    let add = |figure: &Cell<u64>, many: usize| figure.set(figure.get() + many as u64);
    add(&figures.mailboxes, 1);
    add(&figures.pairs, pairing.pairs.len());
    // Mixed templates with a tiny UIDVALIDITY can write one text for two messages, and messages of
    // one Message-ID have one UIDL; what then is a duplicate is given out once.
    let all_uidls = world.duplicates.is_empty()
        && world.faulty.is_empty()
        && reasons(&pairing)
            .iter()
            .all(|why| !matches!(why, Why::DuplicateUidl(_)));
    if all_uidls {
        let found = pairing.pairs.len();
        if !world.rebuilt {
            prop_assert_eq!(found, world.possible());
        }
        add(&figures.found, found);
        add(&figures.possible, world.possible());
    }
    Ok(())
}

fn run(what: &str, cases: u32, worlds: impl Strategy<Value = World>) {
    let figures = Figures::default();
    let config = ProptestConfig {
        cases,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&worlds, |world| judge(&world, &figures));
    if let Err(failure) = outcome {
        panic!("{what}: {failure}");
    }
    let (found, possible) = (figures.found.get(), figures.possible.get());
    eprintln!(
        "{what}: {} mailboxes, {} pairs, none wrong; {found} of {possible} decidable pairs found",
        figures.mailboxes.get(),
        figures.pairs.get(),
    );
    assert!(found * 100 >= possible * 99, "{found} of {possible}");
}

/// How many small mailboxes of each kind.
pub(super) fn cases() -> u32 {
    let wanted = std::env::var("MAILSEED_PAIRING_CASES");
    wanted.map_or(3000, |cases| cases.parse().expect("a number"))
}

/// Few kinds of headers and bodies: nearly everything has a twin or a copy.
#[test]
fn no_mailbox_of_twins_and_copies_gets_a_wrong_uidl() {
    run("twins and copies", cases(), any_world(4, 9));
}

#[test]
fn no_mailbox_gets_a_wrong_uidl() {
    run("small", cases(), any_world(30, 25));
}

/// More messages than are looked at one by one.
#[test]
fn no_large_mailbox_gets_a_wrong_uidl() {
    run("large", cases().div_ceil(50), any_world(250, 260));
}
