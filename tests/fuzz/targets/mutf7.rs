//! Names of folders: whatever decodes has that one encoding, and whatever is text comes back.

use mailseed::mutf7;

pub fn run(data: &[u8]) {
    if let Ok(name) = mutf7::decode(data) {
        assert_eq!(mutf7::encode(&name).as_bytes(), data);
    }
    let name = String::from_utf8_lossy(data);
    let wire = mutf7::encode(&name);
    assert!(wire.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
    assert_eq!(mutf7::decode(&wire).as_deref(), Ok(&*name));
}
