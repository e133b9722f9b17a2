//! How large mailboxes were when they were last looked at: what earlier reports tell, for the order in which
//! users begin. Nothing depends on it but how long a run takes, so what cannot be read is left out.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use serde::Deserialize;

/// Octets by user, at 16 bytes each. Two users of one hash would exchange their places, no more.
#[derive(Debug, Default)]
pub struct Sizes {
    state: RandomState,
    by_user: HashMap<u64, u64>,
}

#[derive(Deserialize)]
struct Row {
    user: String,
    bytes: u64,
}

impl Sizes {
    /// What `summary.csv` in each of the report directories tells; the later directory counts.
    pub fn read<'d>(dirs: impl IntoIterator<Item = &'d Path>) -> Self {
        let mut sizes = Self::default();
        for dir in dirs {
            let Ok(mut reader) = csv::Reader::from_path(dir.join("summary.csv")) else {
                continue;
            };
            for row in reader.deserialize::<Row>().flatten() {
                // A user that failed was not counted to its end.
                if row.bytes > 0 {
                    let user = sizes.state.hash_one(&row.user);
                    sizes.by_user.insert(user, row.bytes);
                }
            }
        }
        sizes
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// The octets that `user` had.
    pub fn of(&self, user: &str) -> Option<u64> {
        self.by_user.get(&self.state.hash_one(user)).copied()
    }
}

/// `all` with their sizes, the largest first: whoever takes longest must not begin last. Those of unknown size
/// count as the mean of the others; of equals the first stays before.
pub fn largest_first<T>(mut all: Vec<(T, Option<u64>)>) -> Vec<T> {
    let known = all.iter().filter_map(|(_, size)| *size);
    let (sum, count) = known.fold((0_u128, 0_u128), |(sum, count), size| {
        (sum + u128::from(size), count + 1)
    });
    let mean = sum.checked_div(count).unwrap_or_default();
    let size = |size: &Option<u64>| size.map_or(mean, u128::from);
    all.sort_by_key(|(_, known)| std::cmp::Reverse(size(known)));
    all.into_iter().map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_largest_come_first_and_the_unknown_in_between() {
        let cases: [(&[Option<u64>], &[usize]); 4] = [
            (&[], &[]),
            (&[None, None], &[0, 1]),
            (&[Some(1), None, Some(9), None, Some(1)], &[2, 1, 3, 0, 4]),
            (
                &[Some(u64::MAX), Some(u64::MAX), None, Some(0)],
                &[0, 1, 2, 3],
            ),
        ];
        for (sizes, want) in cases {
            let all = sizes.iter().copied().enumerate().collect();
            assert_eq!(largest_first(all), want, "{sizes:?}");
        }
    }

    #[test]
    fn the_latest_report_counts_and_what_is_none_is_left_out() {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let texts = [
            "user,status,bytes\na,ok,5\nb,ok,7\nc,failed,0\n",
            "\0no report",
            "user,status,bytes\na,ok,6\nb,failed,0\ntorn",
        ];
        for (dir, text) in dirs.iter().zip(texts) {
            fs::write(dir.path().join("summary.csv"), text).unwrap();
        }
        let places = dirs.iter().map(tempfile::TempDir::path);
        let sizes = Sizes::read(places.chain([Path::new("/nonexistent")]));
        let found = ["a", "b", "c", "d"].map(|user| sizes.of(user));
        assert_eq!(found, [Some(6), Some(7), None, None]);
        assert!(Sizes::read([]).is_empty());
    }
}
