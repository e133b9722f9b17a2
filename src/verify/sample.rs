//! Which messages of a folder are read to be compared byte by byte. Pure.

use crate::config::Content;
use crate::mail::{FolderPath, UidSet};

/// At least so many of a folder.
const LEAST: u64 = 20;
/// And at least one in so many.
const ONE_IN: u64 = 100;

/// Those of `keys` (UIDs or POP3 numbers) that are read. A sample is the same each time for one user
/// and folder: what a verify has found, the next one looks at again.
pub fn chosen(content: Content, user: &str, folder: &FolderPath, keys: &UidSet) -> UidSet {
    let wanted = match content {
        Content::None => return UidSet::default(),
        Content::All => return keys.clone(),
        Content::Sample => LEAST.max(keys.len().div_ceil(ONE_IN)),
    };
    if keys.len() <= wanted {
        return keys.clone();
    }
    let mut seed = blake3::Hasher::new();
    seed.update(user.as_bytes()).update(b"\0");
    seed.update(folder.to_string().as_bytes()).update(b"\0");
    let mut lots: Vec<([u8; 8], _)> = keys
        .iter()
        .map(|key| {
            let mut lot = [0; 8];
            let mut seed = seed.clone();
            seed.update(&key.value().to_be_bytes());
            seed.finalize_xof().fill(&mut lot);
            (lot, key)
        })
        .collect();
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    lots.select_nth_unstable(wanted);
    lots.truncate(wanted);
    lots.into_iter().map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_large_enough_and_the_same_each_time() {
        let inbox = FolderPath::inbox();
        let pick = |content, user, count: u32| {
            let keys = UidSet::from_ranges([(5, 4 + count)]);
            let chosen = chosen(content, user, &inbox, &keys);
            assert_eq!(chosen.difference(&keys), UidSet::default());
            chosen
        };
        for (content, count, want) in [
            (Content::None, 50, 0),
            (Content::All, 50, 50),
            (Content::Sample, 1, 1),
            (Content::Sample, 20, 20),
            (Content::Sample, 21, 20),
            (Content::Sample, 2000, 20),
            (Content::Sample, 2001, 21),
            (Content::Sample, 10_000, 100),
        ] {
            assert_eq!(
                pick(content, "ann", count).len(),
                want,
                "{content:?} {count}"
            );
        }
        let once = pick(Content::Sample, "ann", 500);
        assert_eq!(once, pick(Content::Sample, "ann", 500));
        assert_ne!(once, pick(Content::Sample, "bob", 500));
    }
}
