//! Which message on the target is which of the source, after the source has given new UIDs
//! (UIDVALIDITY has changed). Pure. The copy on the target came from the source once, so header and
//! size mostly tell; where they do not, the contents do.

use std::collections::HashMap;

use super::content::ContentDigest;
use super::header::{Digest, HeaderDigest};

/// A message by what is known of it without its body.
#[derive(Debug, Clone, Copy)]
pub struct Sketch {
    /// Octets with CRLF line ends.
    pub size: u64,
    /// Of its header.
    pub header: HeaderDigest,
}

/// Messages of which header and size do not tell which is which, by their places in both lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doubtful {
    /// On the target.
    pub old: Vec<usize>,
    /// At the source.
    pub new: Vec<usize>,
}

/// Pairs of places: on the target, at the source.
pub type Pairs = Vec<(usize, usize)>;

/// Pairs messages whose header is the only one of its kind on both sides, and whose sizes agree.
pub fn by_header(old: &[Sketch], new: &[Sketch]) -> (Pairs, Doubtful) {
    let mut groups: HashMap<Digest, Doubtful> = HashMap::new();
    for (at, sketch) in old.iter().enumerate() {
        groups.entry(sketch.header.strict).or_default().old.push(at);
    }
    for (at, sketch) in new.iter().enumerate() {
        groups.entry(sketch.header.strict).or_default().new.push(at);
    }
    let mut pairs = Pairs::new();
    let mut doubtful = Doubtful::default();
    for group in groups.into_values() {
        match (group.old.as_slice(), group.new.as_slice()) {
            ([], _) | (_, []) => {}
            ([one], [other]) if old[*one].size == new[*other].size => pairs.push((*one, *other)),
            _ => {
                doubtful.old.extend(group.old);
                doubtful.new.extend(group.new);
            }
        }
    }
    pairs.sort_unstable();
    doubtful.old.sort_unstable();
    doubtful.new.sort_unstable();
    (pairs, doubtful)
}

/// Pairs messages of equal content, copies of one message in their order. Both lists are by place.
pub fn by_content(old: &[(usize, ContentDigest)], new: &[(usize, ContentDigest)]) -> Pairs {
    let key = |digest: &ContentDigest| (digest.header.strict, digest.body);
    let mut waiting: HashMap<(Digest, Digest), Vec<usize>> = HashMap::new();
    for (at, digest) in new.iter().rev() {
        waiting.entry(key(digest)).or_default().push(*at);
    }
    let pairs = old.iter().filter_map(|(at, digest)| {
        let other = waiting.get_mut(&key(digest))?.pop()?;
        Some((*at, other))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::super::content::ContentHasher;
    use super::*;

    fn content(text: &str) -> ContentDigest {
        let mut hasher = ContentHasher::new();
        hasher.update(text.as_bytes());
        hasher.finish()
    }

    fn sketches(texts: &[&str]) -> Vec<Sketch> {
        let sketch = |text: &&str| Sketch {
            size: text.len() as u64,
            header: content(text).header,
        };
        texts.iter().map(sketch).collect()
    }

    #[test]
    fn what_header_and_size_do_not_tell_the_contents_do() {
        let old = [
            "A: 1\n\nx",
            "A: 2\n\ny",
            "A: 3\n\np",
            "A: 3\n\nq",
            "A: 4\n\nshort",
        ];
        let new = [
            "A: 3\n\nq",
            "A: 1\n\nx",
            "A: 4\n\nlonger",
            "A: 3\n\nr",
            "A: 5\n\nz",
        ];
        let (pairs, doubtful) = by_header(&sketches(&old), &sketches(&new));
        assert_eq!(pairs, [(0, 1)]);
        assert_eq!(doubtful.old, [2, 3, 4]);
        assert_eq!(doubtful.new, [0, 2, 3]);
        let digests = |places: &[usize], texts: &[&str]| -> Vec<(usize, ContentDigest)> {
            places.iter().map(|at| (*at, content(texts[*at]))).collect()
        };
        let pairs = by_content(&digests(&doubtful.old, &old), &digests(&doubtful.new, &new));
        assert_eq!(pairs, [(3, 0)]);
    }

    #[test]
    fn copies_are_paired_in_order() {
        let copies = [(4, content("A: 1\n\nx")), (7, content("A: 1\n\nx"))];
        let one_more = [
            (1, content("A: 1\n\nx")),
            (2, content("A: 1\n\nx")),
            (3, content("A: 1\n\nx")),
        ];
        assert_eq!(by_content(&copies, &one_more), [(4, 1), (7, 2)]);
        assert_eq!(by_content(&one_more, &copies), [(1, 4), (2, 7)]);
    }
}
