//! Two lists as one.

use std::iter::from_fn;

use super::Uid;

/// Which of two lists a line comes from, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The first.
    First(u32),
    /// The second.
    Second(u32),
}

/// The lines of two lists, each a UID and a place, ascending by UID. Of several with one UID only one is
/// there: one of the first list before one of the second, an earlier one before a later one. Lists that
/// ascend, as nearly all do, are not held a second time for it.
pub fn merged<'l>(
    first: impl Iterator<Item = (Uid, u32)> + Clone + 'l,
    second: impl Iterator<Item = (Uid, u32)> + Clone + 'l,
) -> impl Iterator<Item = (Uid, Origin)> + 'l {
    let (mut first, mut second) = (ascending(first).peekable(), ascending(second).peekable());
    let mut last = None;
    let all = from_fn(move || match (first.peek(), second.peek()) {
        (Some((one, _)), Some((other, _))) if other < one => second.next().map(of_second),
        (None, _) => second.next().map(of_second),
        (Some(_), _) => first.next().map(of_first),
    });
    all.filter(move |(uid, _)| last.replace(*uid) != Some(*uid))
}

fn of_first((uid, place): (Uid, u32)) -> (Uid, Origin) {
    (uid, Origin::First(place))
}

fn of_second((uid, place): (Uid, u32)) -> (Uid, Origin) {
    (uid, Origin::Second(place))
}

fn ascending<'l>(
    lines: impl Iterator<Item = (Uid, u32)> + Clone + 'l,
) -> Box<dyn Iterator<Item = (Uid, u32)> + 'l> {
    if lines.clone().is_sorted_by_key(|(uid, _)| uid) {
        return Box::new(lines);
    }
    let mut sorted: Vec<(Uid, u32)> = lines.collect();
    // Of equal ones the earlier one stays before.
    sorted.sort_by_key(|(uid, _)| *uid);
    Box::new(sorted.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_uid_is_there_once_and_the_first_list_goes_before() {
        let told = |first: &[u32], second: &[u32]| {
            let numbered = |uids: &[u32]| {
                let uids: Vec<Uid> = uids.iter().filter_map(|uid| Uid::new(*uid)).collect();
                uids.into_iter().zip(0..)
            };
            let all = merged(numbered(first), numbered(second));
            let all = all.map(|(uid, origin)| match origin {
                Origin::First(at) => format!("{uid}=a{at}"),
                Origin::Second(at) => format!("{uid}=b{at}"),
            });
            all.collect::<Vec<_>>().join(" ")
        };
        for (first, second, want) in [
            (&[][..], &[][..], ""),
            (&[1, 3], &[], "1=a0 3=a1"),
            (&[], &[1, 3], "1=b0 3=b1"),
            (&[1, 3, 4], &[2, 3, 9], "1=a0 2=b0 3=a1 4=a2 9=b2"),
            (&[5, 2, 5, 2], &[9, 1, 2], "1=b1 2=a1 5=a0 9=b0"),
            (&[2, 2], &[3, 3, 3], "2=a0 3=b0"),
        ] {
            assert_eq!(told(first, second), want, "{first:?} {second:?}");
        }
    }
}
