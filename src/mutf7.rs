//! Modified UTF-7 (RFC 3501 section 5.1.3), the encoding of folder names.
//!
//! Strict both ways: a name has exactly one encoding, and only that one is decoded. What another
//! encoder made of the same text is refused, since a server would not find the folder under the
//! canonical name, and Dovecot cannot open it at all.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// Base64 with `,` in the place of `/`, unpadded; stray trailing bits are an error.
const MODIFIED_BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Why bytes are no modified UTF-7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A byte outside 0x20..=0x7E: it should have been encoded.
    #[error("it holds the raw byte 0x{0:02x}")]
    RawByte(u8),
    /// An `&` without the `-` that ends its run.
    #[error("an '&' has no closing '-'")]
    Unclosed,
    /// The run is not modified base64 of UTF-16.
    #[error("the run after an '&' is not modified base64 of UTF-16")]
    BadRun,
    /// It decodes, but encoding the result gives something else.
    #[error("it is not the canonical encoding of its text")]
    NotCanonical,
}

/// The one modified UTF-7 encoding of `name`.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut run: Vec<u8> = Vec::new();
    for c in name.chars() {
        if !matches!(c, ' '..='~') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                run.extend_from_slice(&unit.to_be_bytes());
            }
            continue;
        }
        end_run(&mut run, &mut out);
        match c {
            '&' => out.push_str("&-"),
            _ => out.push(c),
        }
    }
    end_run(&mut run, &mut out);
    out
}

fn end_run(run: &mut Vec<u8>, out: &mut String) {
    if !run.is_empty() {
        out.push('&');
        MODIFIED_BASE64.encode_string(&run, out);
        out.push('-');
        run.clear();
    }
}

/// The text of `wire`, which must be its canonical encoding.
///
/// # Errors
/// The first way in which `wire` is not what [`encode`] gives.
pub fn decode(wire: impl AsRef<[u8]>) -> Result<String, Invalid> {
    let wire = wire.as_ref();
    if let Some(raw) = wire.iter().find(|byte| !(0x20..=0x7e).contains(*byte)) {
        return Err(Invalid::RawByte(*raw));
    }
    let mut out = String::with_capacity(wire.len());
    let mut pieces = wire.split(|byte| *byte == b'&');
    push_ascii(pieces.next().unwrap_or_default(), &mut out);
    for piece in pieces {
        let end = piece
            .iter()
            .position(|byte| *byte == b'-')
            .ok_or(Invalid::Unclosed)?;
        let (run, plain) = (&piece[..end], &piece[end + 1..]);
        if run.is_empty() {
            out.push('&');
        } else {
            out.push_str(&decode_run(run)?);
        }
        push_ascii(plain, &mut out);
    }
    if encode(&out).as_bytes() == wire {
        Ok(out)
    } else {
        Err(Invalid::NotCanonical)
    }
}

fn decode_run(run: &[u8]) -> Result<String, Invalid> {
    let bytes = MODIFIED_BASE64.decode(run).map_err(|_| Invalid::BadRun)?;
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(Invalid::BadRun);
    }
    let units: Vec<u16> = pairs
        .map(|pair| {
            pair.iter()
                .fold(0, |unit, byte| unit << 8 | u16::from(*byte))
        })
        .collect();
    String::from_utf16(&units).map_err(|_| Invalid::BadRun)
}

fn push_ascii(bytes: &[u8], out: &mut String) {
    out.extend(bytes.iter().map(|byte| char::from(*byte)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_their_one_encoding() {
        for (name, wire) in [
            ("", ""),
            ("&", "&-"),
            ("&&", "&-&-"),
            ("Tom & J", "Tom &- J"),
            ("Été", "&AMk-t&AOk-"),
            ("日本語", "&ZeVnLIqe-"),
            ("台北/日本", "&U,BTFw-/&ZeVnLA-"),
            ("😀", "&2D3eAA-"),
            ("é-&-é", "&AOk--&--&AOk-"),
            ("a\tb\u{7f}", "a&AAk-b&AH8-"),
            ("~\"\\*%{}", "~\"\\*%{}"),
        ] {
            assert_eq!(encode(name), wire, "{name}");
            assert_eq!(decode(wire).as_deref(), Ok(name), "{wire}");
        }
    }

    #[test]
    fn what_no_strict_encoder_makes_is_refused() {
        for (wire, why) in [
            (&b"&"[..], Invalid::Unclosed),
            (b"Tom & J", Invalid::Unclosed),
            (b"&AOk", Invalid::Unclosed),
            (b"&*-", Invalid::BadRun),
            (b"Q & A-B", Invalid::BadRun),
            (b"&A-", Invalid::BadRun),
            (b"&AB-", Invalid::BadRun),
            (b"&AOkA-", Invalid::BadRun),
            (b"&AOm-", Invalid::BadRun),
            (b"&AOk=-", Invalid::BadRun),
            (b"&2D0-", Invalid::BadRun),
            (b"&3gA-", Invalid::BadRun),
            (b"&3gDYPQ-", Invalid::BadRun),
            (b"&U/BTFw-", Invalid::BadRun),
            (b"&AGE-", Invalid::NotCanonical),
            (b"&ACY-", Invalid::NotCanonical),
            (b"&AOk-&AOk-", Invalid::NotCanonical),
            (b"caf\xc3\xa9", Invalid::RawByte(0xc3)),
            (b"a\x00b", Invalid::RawByte(0)),
        ] {
            let shown = String::from_utf8_lossy(wire);
            assert_eq!(decode(wire), Err(why), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn encoding_comes_back(name in any::<String>()) {
            let wire = encode(&name);
            prop_assert!(wire.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            prop_assert_eq!(decode(wire), Ok(name));
        }

        #[test]
        fn what_decodes_is_canonical(wire in "[&AQgwO8a,-]{0,12}") {
            if let Ok(name) = decode(&wire) {
                prop_assert_eq!(encode(&name), wire);
            }
        }
    }
}
