//! One list of UIDs out of two that servers keep: Dovecot and Courier may both have given UIDs to mail
//! that has come since. A number that either has given is spent for good: no message gets it that has
//! not had it from both.

use std::collections::{HashMap, HashSet};

use crate::mail::{Uid, UidLine, UidLines, UidList};

/// The list for all servers, by the list `own` (Dovecot's, or mailseed's where `served` is false) and
/// by `courierimapuiddb`. A message to which both have given different UIDs, or one of them a UID that
/// the other has given before, gets one above all; if `settled`, it keeps that of `own`.
///
/// `present`: the base names on disk.
pub fn unite(
    own: Option<UidList>,
    courier: Option<&UidList>,
    served: bool,
    settled: bool,
    present: &HashSet<Box<str>>,
) -> Option<UidList> {
    let (own, courier) = match (own, courier) {
        (Some(own), Some(courier)) => (own, courier),
        (own, courier) => return own.or_else(|| courier.cloned()),
    };
    if own.validity != courier.validity {
        // Courier has begun anew, or an earlier run was cut between the two.
        return Some(match served {
            true => own,
            false => with_fields_of(courier.clone(), &own),
        });
    }
    let mut united = own.clone_head();
    united.next_uid = own.next_uid.max(courier.next_uid);
    let theirs = by_name(courier);
    let ours = by_name(&own);
    let mut lines: Vec<UidLine> = Vec::with_capacity(own.lines.len());
    let mut contested: Vec<UidLine> = Vec::new();
    for line in own.lines.iter() {
        let agreed = match theirs.get(&line.name) {
            Some(uid) => *uid == line.uid,
            // A line without a file harms nobody, and Courier has none.
            None => line.uid.value() >= courier.next_uid || !present.contains(&line.name),
        };
        if agreed || settled && served {
            lines.push(line);
        } else if !served && let Some(uid) = theirs.get(&line.name) {
            lines.push(UidLine { uid: *uid, ..line });
        } else {
            contested.push(line);
        }
    }
    for line in courier.lines.iter() {
        if ours.contains_key(&line.name) {
            continue;
        }
        // The list that only mailseed reads has given nothing by itself.
        if line.uid.value() >= own.next_uid || !served {
            lines.push(line);
        } else if !settled && present.contains(&line.name) {
            contested.push(line);
        }
    }
    // Where a message is listed under a UID, no line without a file keeps it.
    lines.sort_by_key(|line| (line.uid, !present.contains(&line.name)));
    lines.dedup_by_key(|line| line.uid);
    contested.sort_by(|a, b| (a.uid, &a.name).cmp(&(b.uid, &b.name)));
    for mut line in contested {
        let Some(uid) = Uid::new(united.next_uid).filter(|uid| uid.value() < u32::MAX) else {
            break;
        };
        line.uid = uid;
        united.next_uid += 1;
        lines.push(line);
    }
    united.lines = lines.into_iter().collect();
    Some(united)
}

fn by_name(list: &UidList) -> HashMap<Box<str>, Uid> {
    let lines = list.lines.iter();
    lines.map(|line| (line.name, line.uid)).collect()
}

/// `list` with what `other` says of its messages besides their UIDs.
fn with_fields_of(mut list: UidList, other: &UidList) -> UidList {
    let lines = other.lines.iter();
    let fields: HashMap<Box<str>, Box<str>> = lines.map(|line| (line.name, line.fields)).collect();
    let lines: UidLines = list
        .lines
        .iter()
        .map(|line| UidLine {
            fields: fields.get(&line.name).cloned().unwrap_or_default(),
            ..line
        })
        .collect();
    list.lines = lines;
    list.guid.clone_from(&other.guid);
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::courier::uiddb;

    #[test]
    fn what_either_server_has_given_is_spent() {
        let present = ["a", "b", "c", "d", "e"].map(Box::from);
        let present: HashSet<Box<str>> = present.into();
        // Dovecot's, Courier's; united; united after the cutover; with a list that no server reads.
        let cases = [
            ("3 V7 N3\n1 Px :a\n2 :b\n", "", [""; 3]),
            ("", "1 7 3\n1 a\n2 b\n", ["3 V7 N3\n1 :a\n2 :b\n"; 3]),
            // Each has numbered mail that the other has not seen: what is free stays.
            ("3 V7 N4\n1 Px :a\n3 :c\n", "1 7 3\n1 a\n", [""; 3]),
            (
                "3 V7 N3\n1 Px :a\n",
                "1 7 6\n1 a\n5 d\n",
                ["3 V7 N6\n1 Px :a\n5 :d\n"; 3],
            ),
            // One number for two messages, and two numbers for one.
            (
                "3 V7 N5\n1 Px :a\n3 :c\n4 :e\n",
                "1 7 6\n1 a\n3 d\n4 c\n5 e\n",
                [
                    "3 V7 N9\n1 Px :a\n6 :c\n7 :d\n8 :e\n",
                    "3 V7 N6\n1 Px :a\n3 :c\n4 :e\n",
                    "3 V7 N6\n1 Px :a\n3 :d\n4 :c\n5 :e\n",
                ],
            ),
            // Courier has given 2, and what had it is gone.
            (
                "3 V7 N3\n1 Px :a\n2 :b\n",
                "1 7 3\n1 a\n",
                [
                    "3 V7 N4\n1 Px :a\n3 :b\n",
                    "3 V7 N3\n1 Px :a\n2 :b\n",
                    "3 V7 N4\n1 Px :a\n3 :b\n",
                ],
            ),
            // A line without a file.
            ("3 V7 N3\n1 Px :a\n2 Py :gone\n", "1 7 3\n1 a\n", [""; 3]),
            // Courier has begun anew.
            (
                "3 V7 N3\n1 Px :a\n2 :b\n",
                "1 9 3\n1 b\n2 a\n",
                [
                    "3 V7 N3\n1 Px :a\n2 :b\n",
                    "3 V7 N3\n1 Px :a\n2 :b\n",
                    "3 V9 N3\n1 :b\n2 Px :a\n",
                ],
            ),
        ];
        for (own, courier, wants) in cases {
            let ways = [(true, false), (true, true), (false, false)];
            for ((served, settled), want) in ways.into_iter().zip(wants) {
                let list = (!own.is_empty()).then(|| UidList::parse(own.as_bytes()).unwrap());
                let courier_list = uiddb::parse(courier.as_bytes());
                let united = unite(list, courier_list.as_ref(), served, settled, &present);
                let mut out = Vec::new();
                united.unwrap().write_to(&mut out).unwrap();
                let want = if want.is_empty() { own } else { want };
                let got = String::from_utf8(out).unwrap();
                assert_eq!(got, want, "{own:?} {courier:?} {served} {settled}");
            }
        }
    }
}
