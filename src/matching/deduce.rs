//! Formats that could have made a UIDL, read off one UIDL: which of its digits may be the UID, and
//! which the UIDVALIDITY. Whether one of them holds, the other UIDLs must show.

use crate::mail::UidValidity;

use super::template::{Number, Piece, Which};

/// Every way to write a number that a format has, apart from the width.
const WAYS: [(bool, bool); 3] = [(false, false), (true, false), (true, true)];

/// The formats with one UID, of those for which `is_uid` says yes, that make `uidl`.
pub(super) fn formats(
    uidl: &str,
    validity: Option<UidValidity>,
    is_uid: impl Fn(u32) -> bool,
) -> Vec<Vec<Piece>> {
    let mut formats = Vec::new();
    for (before, shown, after) in splits(uidl, validity) {
        let middle = shown.map(Piece::Number);
        for (left, at, number) in uids(before, &is_uid) {
            let rest = before.get(at..).unwrap_or_default();
            let head = text(left).chain([Piece::Number(number)]).chain(text(rest));
            formats.push(head.chain(middle).chain(text(after)).collect());
        }
        for (left, at, number) in uids(after, &is_uid) {
            let rest = after.get(at..).unwrap_or_default();
            let head = text(before).chain(middle).chain(text(left));
            formats.push(
                head.chain([Piece::Number(number)])
                    .chain(text(rest))
                    .collect(),
            );
        }
    }
    formats
}

fn text(literal: &str) -> impl Iterator<Item = Piece> {
    literal.chars().map(Piece::Text)
}

/// `uidl` without the UIDVALIDITY, in each way in which that is in it; if in none, as a whole.
fn splits(uidl: &str, validity: Option<UidValidity>) -> Vec<(&str, Option<Number>, &str)> {
    let mut splits = Vec::new();
    let filled = WAYS.map(|(hex, upper)| (hex, upper, if hex { 8 } else { 0 }));
    let bare = WAYS.map(|(hex, upper)| (hex, upper, 0));
    for (hex, upper, width) in filled.into_iter().chain(bare.into_iter().skip(1)) {
        let number = Number {
            which: Which::Validity,
            hex,
            upper,
            width,
        };
        let mut shown = String::new();
        if let Some(validity) = validity {
            number.write(&mut shown, validity.value());
        }
        if let Some((before, after)) = uidl.split_once(&shown)
            && !shown.is_empty()
        {
            splits.push((before, Some(number), after));
        }
    }
    if splits.is_empty() {
        splits.push((uidl, None, ""));
    }
    splits
}

/// The runs of digits in `literal` that are UIDs: what stands before, where each ends, and how it
/// is written.
fn uids(literal: &str, is_uid: impl Fn(u32) -> bool) -> Vec<(&str, usize, Number)> {
    let mut found = Vec::new();
    for (hex, upper) in WAYS {
        let is_digit = |b: u8| match (hex, upper) {
            (false, _) => b.is_ascii_digit(),
            (true, false) => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
            (true, true) => matches!(b, b'0'..=b'9' | b'A'..=b'F'),
        };
        let mut end = 0;
        for run in literal
            .as_bytes()
            .chunk_by(|a, b| is_digit(*a) == is_digit(*b))
        {
            let start = end;
            end += run.len();
            let digits = literal.get(start..end).unwrap_or_default();
            let value = u32::from_str_radix(digits, if hex { 16 } else { 10 });
            if let (Ok(uid), true) = (value, run.first().is_some_and(|b| is_digit(*b)))
                && is_uid(uid)
            {
                let width = if digits.starts_with('0') {
                    run.len()
                } else {
                    0
                };
                let number = Number {
                    which: Which::Uid,
                    hex,
                    upper,
                    width,
                };
                found.push((literal.get(..start).unwrap_or_default(), end, number));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_are_no_uid_stay_text() {
        for (uidl, want) in [
            ("", &[][..]),
            ("1294690616", &[]),
            ("x-17.pop", &["x-%u.pop"]),
            ("x-011.pop", &["x-%03Xu.pop", "x-%03UXu.pop"]),
            ("1294690616:17", &["%v:%u"]),
            ("17%1294690616", &["%u%%%v"]),
            ("id17_4d2b6938", &["id%u_%08Xv", "id%u_%Xv"]),
            (
                "4D2B6938!0011",
                &["%08UXv!%04Xu", "%08UXv!%04UXu", "%UXv!%04Xu", "%UXv!%04UXu"],
            ),
            ("17.17", &["%u.17", "17.%u"]),
            ("99999999999999999999", &[]),
        ] {
            let found = formats(uidl, UidValidity::new(1_294_690_616), |uid| uid == 17);
            let shown: Vec<String> = found
                .iter()
                .map(|pieces| pieces.iter().map(Piece::to_string).collect())
                .collect();
            assert_eq!(shown, want, "{uidl}");
        }
        let found = formats("17-17", None, |uid| uid == 17);
        assert_eq!(found.len(), 2);
    }
}
