//! What a retarget that was cut has left: any names come back, and what was read is written as it was.

use mailseed::retarget::journal::{Former, parse, text};

pub fn run(data: &[u8]) {
    let data = String::from_utf8_lossy(data);
    let read = parse(&data);
    assert_eq!(parse(&text(&read)), read);

    // As from a directory: names without NUL, whatever else they hold.
    let names: Vec<&str> = data.split('\0').collect();
    let pairs = names
        .chunks_exact(2)
        .map(|pair| (pair[0].into(), pair[1].into()));
    let former: Former = pairs.collect();
    let whole = text(&former);
    assert_eq!(parse(&whole), former);
    // Cut anywhere, it tells fewer, and none otherwise.
    let cut = whole.floor_char_boundary(data.len() / 2);
    for (new, old) in parse(&whole[..cut]) {
        assert_eq!(former.get(&new), Some(&old));
    }
}
