//! Base names of messages, and back.
//!
//! A name made by mailseed says which message of the source it holds, so that a file is
//! recognised even when the run that wrote it was cut before any index mentioned it:
//!
//! | message | base name |
//! | --- | --- |
//! | of an IMAP folder | `<UIDVALIDITY>.M<UID, 10 digits>.mailseed,S=<bytes>,W=<CRLF bytes>` |
//! | of a POP3-only source | `<UIDVALIDITY>.M<UID, 10 digits>_<digest of the UIDL>.mailseed,S=..,W=..` |
//! | qmail's INBOX | the UIDL, nothing added |
//! | Courier's INBOX | the UIDL, unless Courier's list says it (see [`super::uidl`]); a rank and one of the first two |
//!
//! Dovecot orders messages that its list does not know by the leading number, then by the number
//! after `M`: these names keep the UID order even when `dovecot-uidlist` is lost.

use std::fmt::{self, Write as _};

use super::rank::Rank;
use crate::mail::{Uid, UidValidity, Uidl};

/// A message's file name up to the `:`; the message's identity on disk. Not empty, no leading
/// dot, none of `/ : NUL LF CR`, at most 230 bytes so that any suffix fits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseName(Box<str>);

impl BaseName {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `text` as a base name.
    ///
    /// # Errors
    /// What no file that a server lists can be called.
    pub(super) fn of_uidl(text: &str) -> Result<Self, UidlNameFault> {
        if text.contains('/') {
            return Err(UidlNameFault::Slash);
        }
        if text.contains(':') {
            return Err(UidlNameFault::Colon);
        }
        if text.starts_with('.') {
            return Err(UidlNameFault::LeadingDot);
        }
        Ok(Self(text.into()))
    }

    /// This name with a rank before it.
    #[must_use]
    pub fn ranked(&self, rank: &Rank) -> Self {
        Self(format!("{rank}{}", self.0).into())
    }
}

impl fmt::Display for BaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a UIDL cannot be a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UidlNameFault {
    /// The separator of paths.
    #[error("a file name cannot hold /")]
    Slash,
    /// What follows it would be taken for flags.
    #[error("the server cuts the UIDL at the first :")]
    Colon,
    /// Servers do not list such files.
    #[error("a file whose name begins with . is not listed")]
    LeadingDot,
    /// Courier announces such names otherwise, as `+` and two hex digits.
    #[error("Courier announces no file with ' \" or + as it is")]
    Escape,
    /// qmail and Courier announce one file as two UIDLs.
    #[error("Courier needs another file name for it than qmail")]
    TwoNames,
}

/// What the name of a file says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The message with this UID, under this UIDVALIDITY.
    Imap(UidValidity, Uid),
    /// The message with this UIDL digest from a POP3-only source, and the UID given to it.
    Pop3(UidValidity, Uid, UidlDigest),
}

/// A short digest of a UIDL, for names of messages whose UIDL cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidlDigest([u8; 8]);

impl UidlDigest {
    /// The digest of `uidl`.
    pub fn of(uidl: &Uidl) -> Self {
        Self::of_bytes(uidl.as_str().as_bytes())
    }

    /// A digest for the `n`th message whose UIDL reads `text` but is not its own: doubled, or
    /// outside RFC 1939. The space keeps it apart from that of any UIDL.
    pub fn of_nth(text: &str, n: u32) -> Self {
        Self::of_bytes(format!("{text} {n}").as_bytes())
    }

    /// The digest that this text says, 16 hex digits as in file names.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| whole)?;
        Some(Self(number.to_be_bytes()))
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let hash = blake3::hash(bytes);
        let mut short = [0; 8];
        short.copy_from_slice(&hash.as_bytes()[..8]);
        Self(short)
    }
}

/// 16 hex digits.
impl fmt::Display for UidlDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl Identity {
    /// The base name of a message of `size` bytes as stored and `virtual_size` bytes with CRLF
    /// line ends.
    pub fn base_name(self, size: u64, virtual_size: u64) -> BaseName {
        let (validity, uid, digest) = match self {
            Identity::Imap(validity, uid) => (validity, uid, None),
            Identity::Pop3(validity, uid, digest) => (validity, uid, Some(digest)),
        };
        // Made for each message, and mostly no longer.
        let mut name = String::with_capacity(64);
        let _ = write!(name, "{validity}.M{:010}", uid.value());
        if let Some(digest) = digest {
            let _ = write!(name, "_{digest}");
        }
        let _ = write!(name, ".mailseed,S={size},W={virtual_size}");
        BaseName(name.into())
    }

    /// The base name where the sizes are not known.
    pub fn bare_name(self) -> BaseName {
        let sized = self.base_name(0, 0);
        let end = sized.0.find(',').unwrap_or(sized.0.len());
        BaseName(sized.0[..end].into())
    }

    /// The identity that a base name carries, if mailseed made it.
    pub fn parse(base_name: &str) -> Option<Self> {
        let base_name = Rank::split(base_name).map_or(base_name, |(_, rest)| rest);
        let (validity, rest) = base_name.split_once(".M")?;
        let (number, rest) = rest.split_once(".mailseed")?;
        if !(rest.is_empty() || rest.starts_with(',')) {
            return None;
        }
        let validity = UidValidity::new(canonical(validity)?)?;
        let (uid, digest) = match number.split_once('_') {
            None => (number, None),
            Some((uid, digest)) => (uid, Some(UidlDigest::parse(digest)?)),
        };
        if uid.len() != 10 || !uid.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let uid = Uid::new(uid.parse().ok()?)?;
        Some(match digest {
            None => Identity::Imap(validity, uid),
            Some(digest) => Identity::Pop3(validity, uid, digest),
        })
    }
}

/// `uidl` as a base name, byte for byte.
///
/// # Errors
/// What a file name served by qmail-pop3d cannot hold. Its length (at most 70) always fits.
pub fn uidl_name(uidl: &Uidl) -> Result<BaseName, UidlNameFault> {
    BaseName::of_uidl(uidl.as_str())
}

/// The size that a name announces in field `key` (`S` or `W`), see [`size_in_name`].
pub fn size_field(name: &str, key: char) -> Option<u64> {
    size_in_name(name.as_bytes(), u8::try_from(key).ok()?)
}

/// The size that a name announces in field `key` (`S` or `W`), found as Dovecot finds it
/// (`maildir_filename_get_size`): behind the first `,K=`, digits up to `,`, `:` or the end; anything
/// else there is no size, whatever comes later. No digits before a `,` or `:` are 0.
pub fn size_in_name(name: &[u8], key: u8) -> Option<u64> {
    let at = memchr::memmem::find(name, &[b',', key, b'='])?;
    let rest = &name[at + 3..];
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(count);
    if rest.is_empty() || !matches!(after.first(), None | Some(b',' | b':')) {
        return None;
    }
    // A number too large for 64 bits comes out as another.
    Some(digits.iter().fold(0, |size: u64, digit| {
        size.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
    }))
}

/// A decimal number without sign and leading zeros.
fn canonical(digits: &str) -> Option<u32> {
    let value: u32 = digits.parse().ok()?;
    (value.to_string() == digits).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uidl(text: &str) -> Uidl {
        Uidl::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_name_tells_its_identity_and_back() {
        let validity = UidValidity::new(1_294_690_616).unwrap();
        let uid = Uid::new(429).unwrap();
        let imap = Identity::Imap(validity, uid);
        assert_eq!(
            imap.base_name(30, 34).as_str(),
            "1294690616.M0000000429.mailseed,S=30,W=34"
        );
        let pop3 = Identity::Pop3(validity, uid, UidlDigest::of(&uidl("abc/def:1==")));
        for identity in [imap, pop3] {
            assert_eq!(
                Identity::parse(identity.base_name(1, 2).as_str()),
                Some(identity)
            );
        }
        assert!(pop3.base_name(u64::MAX, u64::MAX).as_str().len() < 180);
        assert_eq!(imap.bare_name().as_str(), "1294690616.M0000000429.mailseed");
        let (rank, _) = Rank::split("12~R0000000003-x").unwrap();
        for identity in [imap, pop3] {
            for name in [identity.base_name(1, 2), identity.bare_name()] {
                assert_eq!(Identity::parse(name.as_str()), Some(identity));
                let ranked = name.ranked(&rank);
                assert_eq!(Identity::parse(ranked.as_str()), Some(identity));
            }
        }
    }

    #[test]
    fn other_names_have_no_identity() {
        for name in [
            "1294690616.429",
            "1294690616.M429.mailseed,S=1,W=1",
            "01294690616.M0000000429.mailseed",
            "0.M0000000429.mailseed",
            "1.M0000000000.mailseed",
            "1.M4294967296.mailseed",
            "1.M+000000429.mailseed",
            "1.M0000000429.mailseedling",
            "1.M0000000429_12.mailseed",
            "1379790535.M813973P12875V04F0697EI019E250D_0.mx005,S=2024",
        ] {
            assert_eq!(Identity::parse(name), None, "{name}");
        }
    }

    #[test]
    fn uidls_are_names_unless_qmail_cannot_serve_them() {
        for (text, want) in [
            ("1294690616.429", Ok("1294690616.429")),
            (
                "!\"#$%&'()*+,-;<=>?@[]^_`{|}~",
                Ok("!\"#$%&'()*+,-;<=>?@[]^_`{|}~"),
            ),
            ("abc/def", Err(UidlNameFault::Slash)),
            ("../x", Err(UidlNameFault::Slash)),
            ("a:b", Err(UidlNameFault::Colon)),
            (".a", Err(UidlNameFault::LeadingDot)),
            ("..", Err(UidlNameFault::LeadingDot)),
        ] {
            let got = uidl_name(&uidl(text));
            assert_eq!(
                got.as_ref().map(BaseName::as_str).map_err(|fault| *fault),
                want
            );
        }
    }

    #[test]
    fn size_fields_are_read_as_dovecot_reads_them() {
        for (name, key, want) in [
            ("a,S=30,W=34", 'S', Some(30)),
            ("a,S=30,W=34", 'W', Some(34)),
            ("a,S=x,S=7:2,S", 'S', None),
            ("a,S=7,S=8:2,S", 'S', Some(7)),
            ("a,S=", 'S', None),
            ("a,S=:2,S", 'S', Some(0)),
            ("a,S=,W=5", 'S', Some(0)),
            ("a:2,S=5", 'S', Some(5)),
            ("a,W=18446744073709551617", 'W', Some(1)),
            ("aS=3", 'S', None),
        ] {
            assert_eq!(size_field(name, key), want, "{name}");
        }
    }
}
