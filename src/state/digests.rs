//! What stands for UIDLs in file names, by the UIDs that were given to their messages.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mail::Uid;
use crate::naming::message::UidlDigest;

/// Digests by UID, 12 bytes each. In the file it is an object of texts by UID; what is no digest there is
/// left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digests(Vec<(Uid, UidlDigest)>);

impl Digests {
    /// All of them, ascending by UID.
    pub fn as_slice(&self) -> &[(Uid, UidlDigest)] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The UIDs.
    pub fn uids(&self) -> impl Iterator<Item = Uid> {
        self.0.iter().map(|(uid, _)| *uid)
    }

    /// The first UID of this digest.
    pub fn uid_of(&self, digest: UidlDigest) -> Option<Uid> {
        let mut all = self.0.iter();
        let (uid, _) = all.find(|(_, known)| *known == digest)?;
        Some(*uid)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets those that are not to stay.
    pub fn retain(&mut self, stays: impl Fn(Uid) -> bool) {
        self.0.retain(|(uid, _)| stays(*uid));
    }
}

/// Of several with one UID the last counts.
impl FromIterator<(Uid, UidlDigest)> for Digests {
    fn from_iter<I: IntoIterator<Item = (Uid, UidlDigest)>>(digests: I) -> Self {
        let mut all: Vec<(Uid, UidlDigest)> = digests.into_iter().collect();
        if !all.is_sorted_by(|one, next| one.0 < next.0) {
            all.reverse();
            all.sort_by_key(|(uid, _)| *uid);
            all.dedup_by_key(|(uid, _)| *uid);
        }
        Self(all)
    }
}

impl Serialize for Digests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.0.iter();
        serializer.collect_map(all.map(|(uid, digest)| (uid.value(), Text(*digest))))
    }
}

struct Text(UidlDigest);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Digests;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digests by UID")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Digests, A::Error> {
        let mut all = Vec::new();
        while let Some((uid, digest)) = map.next_entry::<u32, String>()? {
            all.extend(Uid::new(uid).zip(UidlDigest::parse(&digest)));
        }
        Ok(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_by_uid_and_what_is_none_is_left_out() {
        let text = r#"{"7":"00000000000000aa","0":"00000000000000bb","9":"x","3":"00000000000000cc",
            "7":"00000000000000dd"}"#;
        let digests: Digests = serde_json::from_str(text).unwrap();
        let written = r#"{"3":"00000000000000cc","7":"00000000000000dd"}"#;
        assert_eq!(serde_json::to_string(&digests).unwrap(), written);
        let uid = |digest| digests.uid_of(UidlDigest::parse(digest)?).map(Uid::value);
        assert_eq!(uid("00000000000000dd"), Some(7));
        assert_eq!(uid("00000000000000aa"), None);
        assert!(serde_json::from_str::<Digests>(r#"{"x":"y"}"#).is_err());
    }
}
