//! Every row of the decision table (docs of `mailseed::plan`), in each mode and with everything
//! that a user may have done at the destination besides: a user for each cell.

use std::collections::HashMap;

use super::mail::{FIRST_UID_NEXT, FIRST_VALIDITY, LATER, count, hash, message, the_one, uidl_of};
use super::model::{Merged, three_way};
use super::pair::{Pair, lines, mirror_differences};
use crate::support::compare;
use crate::support::disk_view::DiskView;
use crate::support::imap_view::ImapView;
use crate::support::mail_user::{Client, Store};
use crate::support::on_two_cores;
use crate::support::pop3_view::Pop3Entry;
use crate::support::tree::changes;

/// A message: in S, the source as it is; in L, the source as it was at the last run; in D, the
/// destination as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Row {
    /// S only: it has come since.
    New,
    /// S, L and D: its flags have changed at the source.
    Common,
    /// S and L: its user has deleted it at the destination.
    UserDeleted,
    /// L and D: it was deleted at the source.
    SourceDeleted,
    /// L only: deleted on both sides.
    BothDeleted,
    /// D only: it was delivered at the destination.
    Local,
    /// S, and D has another message under its UID.
    Clash,
}

/// What else happened at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Destination {
    Untouched,
    /// All mail has been opened and marked.
    Read,
    /// A mail has been delivered; no server has seen it.
    Delivered,
    /// A mail has been delivered, and its user has it in sight.
    DeliveredAndSeen,
    /// Another mail has been deleted.
    Deleted,
    /// Another mail has been moved to another folder.
    Moved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mode {
    Merge,
    /// `--mirror`.
    Mirror,
    /// `--mirror --delete-local`.
    MirrorAndDelete,
}

const ROWS: [Row; 7] = [
    Row::New,
    Row::Common,
    Row::UserDeleted,
    Row::SourceDeleted,
    Row::BothDeleted,
    Row::Local,
    Row::Clash,
];
const DESTINATIONS: [Destination; 6] = [
    Destination::Untouched,
    Destination::Read,
    Destination::Delivered,
    Destination::DeliveredAndSeen,
    Destination::Deleted,
    Destination::Moved,
];

/// The message that the row is about, where it was there from the beginning.
const SUBJECT: u32 = 6;
/// The message that is deleted or moved besides.
const BYSTANDER: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Cell {
    row: Row,
    destination: Destination,
    mode: Mode,
}

impl Cell {
    fn user(self) -> String {
        let Self {
            row,
            destination,
            mode,
        } = self;
        format!("{mode:?}-{row:?}-{destination:?}").to_lowercase()
    }

    /// The token of the row's message.
    fn token(self) -> String {
        match self.row {
            Row::New | Row::Clash => "new-1".to_owned(),
            Row::Local => "local-row".to_owned(),
            _ => format!("inbox-{SUBJECT}"),
        }
    }

    fn at_the_source(self, client: &mut Client) {
        match self.row {
            Row::New | Row::Clash => {
                client.append("INBOX", &["\\Flagged", "todo"], LATER, &message("new-1"));
                client.append("INBOX", &[], LATER - 5, &message("new-2"));
            }
            Row::Common => {
                client.store("INBOX", SUBJECT, Store::Set, &["\\Answered", "$Forwarded"]);
                client.store("INBOX", SUBJECT, Store::Clear, &["\\Flagged", "todo"]);
            }
            Row::SourceDeleted | Row::BothDeleted => client.expunge("INBOX", SUBJECT),
            Row::UserDeleted | Row::Local => (),
        }
    }

    fn at_the_destination(self, pair: &Pair) {
        let user = self.user();
        let client = || pair.at_destination(&user);
        match self.row {
            Row::UserDeleted | Row::BothDeleted => client().expunge("INBOX", SUBJECT),
            Row::Local => pair.deliver(&user, "INBOX", "local-row"),
            Row::Clash => {
                pair.deliver(&user, "INBOX", "local-clash");
                let mut client = client();
                let uids = client.uids("INBOX");
                assert_eq!(uids.last(), Some(&FIRST_UID_NEXT), "{user}");
            }
            Row::New | Row::Common | Row::SourceDeleted => (),
        }
        match self.destination {
            Destination::Untouched => (),
            Destination::Read => {
                let mut client = client();
                client.select_each();
                for folder in ["INBOX", "Work"] {
                    for uid in client.uids(folder) {
                        client.store(folder, uid, Store::Set, &["\\Seen", "$MDNSent"]);
                        client.store(folder, uid, Store::Clear, &["\\Answered"]);
                    }
                }
            }
            Destination::Delivered => pair.deliver(&user, "INBOX", "local-1"),
            Destination::DeliveredAndSeen => {
                pair.deliver(&user, "INBOX", "local-1");
                client().select_each();
            }
            Destination::Deleted => client().expunge("INBOX", BYSTANDER),
            Destination::Moved => client().move_to("INBOX", BYSTANDER, "Keep"),
        }
    }

    /// Whether the destination holds mail that the source never had, in INBOX or in Keep.
    fn has_local_mail(self) -> bool {
        matches!(self.row, Row::Local | Row::Clash)
            || matches!(
                self.destination,
                Destination::Delivered | Destination::DeliveredAndSeen | Destination::Moved
            )
    }
}

struct Outcome {
    source: (ImapView, Vec<Pop3Entry>),
    last: ImapView,
    before: DiskView,
    after: (ImapView, Vec<Pop3Entry>),
}

/// Merge and mirror decide each row as the table says, whatever else is at the destination.
#[test]
fn every_row_of_the_decision_table_in_every_state_of_the_destination() {
    let mut cells = Vec::new();
    for mode in [Mode::Merge, Mode::Mirror, Mode::MirrorAndDelete] {
        for row in ROWS {
            for destination in DESTINATIONS {
                cells.push(Cell {
                    row,
                    destination,
                    mode,
                });
            }
        }
    }
    let users: Vec<String> = cells.iter().map(|cell| cell.user()).collect();
    let pair = Pair::new(&users);
    pair.export_ok(&users, &[]);
    let mut models = first_looks(&pair, &cells);
    on_two_cores(&cells, |cell| {
        let user = cell.user();
        pair.at_destination(&user).select_each();
        cell.at_the_destination(&pair);
        cell.at_the_source(&mut pair.at_source(&user));
    });
    let before: HashMap<Cell, DiskView> = cells
        .iter()
        .map(|cell| (*cell, pair.on_disk(&cell.user())))
        .collect();
    let last = models
        .values()
        .next()
        .map(|(_, last)| last.clone())
        .expect("there are cells");

    let mut problems = Vec::new();
    for (mode, more) in [
        (Mode::Merge, &["--max-delete", "100"][..]),
        (Mode::Mirror, &["--mirror", "--max-delete", "100"][..]),
        (
            Mode::MirrorAndDelete,
            &["--mirror", "--delete-local", "--max-delete", "100"][..],
        ),
    ] {
        let cells: Vec<Cell> = cells
            .iter()
            .copied()
            .filter(|cell| cell.mode == mode)
            .collect();
        let users: Vec<String> = cells.iter().map(|cell| cell.user()).collect();
        let run = pair.export(&users, more);
        for cell in cells {
            let user = cell.user();
            let outcome = Outcome {
                source: pair.source_views(&user),
                last: last.clone(),
                before: before[&cell].clone(),
                after: pair.destination_views(&user),
            };
            let row = run.row(&user);
            let refused = mode == Mode::Mirror && cell.has_local_mail();
            let status = row.text("status");
            if (status == "ok") == refused {
                problems.push(format!("{user}: {status}: {}", row.text("error")));
            }
            if refused && !row.text("error").contains("--delete-local") {
                problems.push(format!("{user}: no way on is named: {}", row.text("error")));
            }
            match mode {
                Mode::Merge => {
                    let (model, _) = models.get_mut(&cell).expect("one for each cell");
                    if let Err(wrong) = model.check(&pair, &user, &outcome.before) {
                        problems.extend(wrong.iter().map(|wrong| format!("{user}: {wrong}")));
                    }
                    merged(cell, &outcome, &mut problems);
                }
                Mode::MirrorAndDelete => mirrored(&user, &outcome, &mut problems),
                Mode::Mirror if refused => nothing_lost(cell, &outcome, &mut problems),
                Mode::Mirror => mirrored(&user, &outcome, &mut problems),
            }
        }
    }
    // What was refused goes through once its loss is consented to; and a second run of all finds
    // nothing to do.
    for (mode, more) in [
        (Mode::Merge, &[][..]),
        (
            Mode::Mirror,
            &["--mirror", "--delete-local", "--max-delete", "100"][..],
        ),
        (Mode::MirrorAndDelete, &["--mirror"][..]),
    ] {
        let cells: Vec<Cell> = cells
            .iter()
            .copied()
            .filter(|cell| cell.mode == mode)
            .collect();
        let users: Vec<String> = cells.iter().map(|cell| cell.user()).collect();
        let listing: Vec<Vec<String>> = users.iter().map(|user| pair.listing(user)).collect();
        let run = pair.export(&users, more);
        for ((user, listing), cell) in users.iter().zip(listing).zip(cells) {
            let row = run.row(user);
            if row.text("status") != "ok" {
                problems.push(format!("{user}, again: {}", row.text("error")));
            }
            if mode == Mode::Mirror && cell.has_local_mail() {
                let outcome = Outcome {
                    source: pair.source_views(user),
                    last: last.clone(),
                    before: before[&cell].clone(),
                    after: pair.destination_views(user),
                };
                mirrored(user, &outcome, &mut problems);
            } else {
                let changes = changes(&listing, &pair.listing(user));
                problems.extend(
                    changes
                        .iter()
                        .map(|change| format!("{user}, again: {change}")),
                );
            }
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// What each destination shows after the first export, and what its source does.
fn first_looks(pair: &Pair, cells: &[Cell]) -> HashMap<Cell, (Merged, ImapView)> {
    let nothing = DiskView::nothing();
    let mut models = HashMap::new();
    for cell in cells.iter().filter(|cell| cell.mode == Mode::Merge) {
        let user = cell.user();
        let mut model = Merged::default();
        model.assert(pair, &user, &nothing);
        let (last, _) = pair.source_views(&user);
        models.insert(*cell, (model, last));
    }
    models
}

/// The row of a merge, as the table has it.
fn merged(cell: Cell, outcome: &Outcome, problems: &mut Vec<String>) {
    let user = cell.user();
    let (source, source_pop3) = &outcome.source;
    let (after, after_pop3) = &outcome.after;
    let token = cell.token();
    let there = count(after, "INBOX", &token);
    let untouched = cell.destination != Destination::Read;
    let expected = match cell.row {
        Row::New | Row::Common | Row::Local | Row::Clash => 1,
        Row::UserDeleted | Row::BothDeleted => 0,
        Row::SourceDeleted => usize::from(!untouched),
    };
    if there != expected {
        problems.push(format!(
            "{user}: {token} is there {there} times, not {expected}"
        ));
        return;
    }
    let mut differs = |what: &str, found: String, expected: String| {
        if found != expected {
            problems.push(format!("{user}: {what} is {found}, not {expected}"));
        }
    };
    match cell.row {
        Row::New => {
            let (from, to) = (
                the_one(source, "INBOX", &token),
                the_one(after, "INBOX", &token),
            );
            differs(
                "flags",
                format!("{:?}", to.flags),
                format!("{:?}", from.flags),
            );
            differs(
                "UIDL",
                uidl_of(after_pop3, &token),
                uidl_of(source_pop3, &token),
            );
            if cell.destination == Destination::DeliveredAndSeen {
                return;
            }
            differs("UID", to.uid.to_string(), from.uid.to_string());
        }
        Row::Common => {
            let now = the_one(source, "INBOX", &token);
            let last = the_one(&outcome.last, "INBOX", &token);
            let on_disk = outcome.before.folders["INBOX"].messages.iter();
            let there = on_disk
                .clone()
                .find(|message| message.hash == hash(&token))
                .expect("it was there");
            let flags = three_way(&last.flags, &now.flags, &there.flags);
            let found = the_one(after, "INBOX", &token);
            differs("flags", format!("{:?}", found.flags), format!("{flags:?}"));
            for (flag, wanted) in [
                ("\\Answered", true),
                ("$Forwarded", true),
                ("\\Flagged", false),
                ("todo", false),
                ("\\Seen", true),
                ("$MDNSent", !untouched),
            ] {
                let has = found.flags.iter().any(|one| one == flag);
                differs(flag, has.to_string(), wanted.to_string());
            }
        }
        Row::Clash => {
            let (from, to) = (
                the_one(source, "INBOX", &token),
                the_one(after, "INBOX", &token),
            );
            let local = the_one(after, "INBOX", "local-clash");
            let next = outcome.before.folders["INBOX"]
                .uid_next
                .max(source.folders["INBOX"].uid_next);
            for (what, uid) in [("local mail", local.uid), ("source's mail", to.uid)] {
                if uid < next {
                    problems.push(format!("{user}: {what} has UID {uid}, below {next}"));
                }
            }
            if from.uid != FIRST_UID_NEXT {
                problems.push(format!("{user}: there was no clash"));
            }
            let (found, wanted) = (uidl_of(after_pop3, &token), uidl_of(source_pop3, &token));
            if found != wanted {
                problems.push(format!("{user}: UIDL is {found}, not {wanted}"));
            }
        }
        Row::Local => {
            let last = after_pop3.last().and_then(|entry| entry.hash);
            let locals = [hash("local-row"), hash("local-1")];
            if !last.is_some_and(|last| locals.contains(&last)) {
                problems.push(format!("{user}: local mail is not the last of POP3"));
            }
        }
        Row::UserDeleted | Row::SourceDeleted | Row::BothDeleted => (),
    }
    if after.folders["INBOX"].uid_validity != FIRST_VALIDITY {
        problems.push(format!("{user}: UIDVALIDITY has changed"));
    }
}

/// A mirror is its source.
fn mirrored(user: &str, outcome: &Outcome, problems: &mut Vec<String>) {
    let (source, source_pop3) = &outcome.source;
    let (after, after_pop3) = &outcome.after;
    let mut differences = mirror_differences(source, after);
    differences.extend(compare::pop3(source_pop3, after_pop3));
    if !differences.is_empty() {
        problems.push(format!("{user}:\n{}", lines(&differences)));
    }
}

/// A mirror that was refused has deleted nothing from the folder with local mail, and has done all
/// the others.
fn nothing_lost(cell: Cell, outcome: &Outcome, problems: &mut Vec<String>) {
    let user = cell.user();
    let (source, _) = &outcome.source;
    let (after, _) = &outcome.after;
    let inbox_too =
        matches!(cell.row, Row::Local | Row::Clash) || cell.destination != Destination::Moved;
    for (name, folder) in &outcome.before.folders {
        let holds_local = match name.as_str() {
            "INBOX" => inbox_too,
            "Keep" => cell.destination == Destination::Moved,
            _ => false,
        };
        if !holds_local {
            let mut differences = mirror_differences(source, after);
            differences.retain(|one| one.folder == *name);
            if !differences.is_empty() {
                problems.push(format!("{user}:\n{}", lines(&differences)));
            }
            continue;
        }
        for message in &folder.messages {
            let still = after.folders[name].messages.iter();
            if still.filter(|one| one.hash == message.hash).count() != 1 {
                problems.push(format!("{user}: {name} has lost UID {:?}", message.uid));
            }
        }
    }
}
