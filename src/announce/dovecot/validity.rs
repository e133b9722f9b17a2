//! The UIDVALIDITY that Dovecot makes for an INBOX without a usable list (`mailbox-uidvalidity.c`).

use crate::announce::{Controls, ValiditySource};

/// How often Dovecot tries the next number before it looks at all files.
const TRIES: usize = 10;

/// The next UIDVALIDITY, and where it comes from.
pub(super) fn next(controls: &Controls, now: i64) -> (u32, ValiditySource) {
    let clock = u32::try_from(now.rem_euclid(1 << 32)).unwrap_or(u32::MAX);
    let (value, source) = match of_files(controls) {
        Some(value) => (value, ValiditySource::File),
        None => (clock, ValiditySource::Clock),
    };
    if controls.has_dovecot_index {
        (value, ValiditySource::Index)
    } else {
        (value, source)
    }
}

/// One more than the last: what `dovecot-uidvalidity` says, if the file with that number in its name is
/// there or one a little higher, else the highest such file.
fn of_files(controls: &Controls) -> Option<u32> {
    let numbers = &controls.dovecot_uidvalidities;
    let told = controls.dovecot_uidvalidity.as_deref();
    let told = told.and_then(|text| hex(text.get(..8).unwrap_or(text)));
    let tried = told.filter(|last| *last > 0).and_then(|last| {
        let tries = std::iter::successors(Some(last), |last| Some(after(*last)));
        tries.take(TRIES).find(|last| numbers.contains(last))
    });
    let highest = numbers.iter().copied().max().filter(|last| *last > 0);
    tried.or(highest).map(after)
}

fn after(last: u32) -> u32 {
    last.checked_add(1).unwrap_or(1)
}

/// A number of 32 bits in hexadecimal, digits alone.
pub(crate) fn hex(text: &[u8]) -> Option<u32> {
    let plain = !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(text).ok().filter(|_| plain)?;
    u32::from_str_radix(text, 16).ok()
}
