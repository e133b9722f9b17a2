//! A server's certificate as an admin compares it: by its SHA-256 fingerprint.

use std::fmt;
use std::str::FromStr;

use openssl::hash::MessageDigest;
use openssl::x509::{X509, X509NameRef};

use crate::text::printable;

const LENGTH: usize = 32;

/// The SHA-256 of a certificate in DER, as `openssl x509 -noout -fingerprint -sha256` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; LENGTH]);

impl Fingerprint {
    /// That of `certificate`; `None` where OpenSSL cannot tell.
    pub(super) fn of(certificate: &X509) -> Option<Self> {
        let digest = certificate.digest(MessageDigest::sha256()).ok()?;
        (*digest).try_into().ok().map(Self)
    }
}

/// Hexadecimal, with colons or without, and with what openssl writes before it or without.
impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            "it is no SHA-256 fingerprint: 64 hexadecimal digits, as `openssl x509 -noout -fingerprint \
            -sha256` prints them"
                .to_owned()
        };
        let digits = text.rsplit_once('=').map_or(text, |(_, digits)| digits);
        let digits = digits.trim().replace(':', "");
        if digits.len() != 2 * LENGTH || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let mut bytes = [0; LENGTH];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let pair = digits.get(2 * at..2 * at + 2).ok_or_else(refused)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| refused())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at > 0 { ":" } else { "" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Who a certificate says it is, till when, and its fingerprint; the words are the server's.
pub(super) fn described(certificate: &X509) -> String {
    let subject = printable(&words_of(certificate.subject_name()));
    let until = printable(&certificate.not_after().to_string());
    let fingerprint = match Fingerprint::of(certificate) {
        Some(fingerprint) => fingerprint.to_string(),
        None => "unknown".to_owned(),
    };
    format!("subject {subject}; valid until {until}; SHA-256 {fingerprint}")
}

fn words_of(name: &X509NameRef) -> String {
    /// So much of it is worth telling.
    const MOST: usize = 200;
    let entries = name.entries().map(|entry| {
        let field = entry.object().nid().short_name().unwrap_or("?");
        let value = entry.data().to_string().unwrap_or_default();
        format!("{field}={value}")
    });
    let words = entries.collect::<Vec<_>>().join(", ");
    match (words.is_empty(), words.char_indices().nth(MOST)) {
        (true, _) => "empty".to_owned(),
        (_, Some((end, _))) => format!("{}…", words.get(..end).unwrap_or_default()),
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_print_them() {
        let plain = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        let colons = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
            00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
        let of_openssl = format!("sha256 Fingerprint={colons}\n");
        for text in [plain, colons, &of_openssl] {
            let read = text.parse::<Fingerprint>().map(|it| it.to_string());
            assert_eq!(read.as_deref(), Ok(colons));
        }
        let too_long = format!("{plain}00");
        let other = format!("{}zz", &plain[2..]);
        let wide = format!("{}é", &plain[2..]);
        for text in ["", "00:11", &plain[1..], &too_long, &other, &wide] {
            let refused = text.parse::<Fingerprint>().expect_err(text);
            assert!(refused.contains("openssl x509"), "{refused}");
        }
    }
}
