//! Dovecot's own files beside the messages, and where it keeps a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::{Folder, Layout, set_date};

/// Keywords by Maildir letter, `a` first.
pub const KEYWORDS: [&str; 26] = [
    "$Forwarded",
    "NonJunk",
    "$MDNSent",
    "$label1",
    "$label2",
    "Junk",
    "todo",
    "Work/Urgent",
    "a-b_c",
    "x.y",
    "$Phishing",
    "$Important",
    "k13",
    "k14",
    "k15",
    "k16",
    "k17",
    "k18",
    "k19",
    "k20",
    "k21",
    "k22",
    "k23",
    "k24",
    "k25",
    "k26",
];

/// The directory of the folder `name` (UTF-8, `/` between levels).
pub fn directory(maildir: &Path, layout: Layout, name: &str) -> PathBuf {
    if name == "INBOX" {
        return maildir.to_owned();
    }
    let name = modified_utf7(name);
    match layout {
        Layout::MaildirPlusPlus => maildir.join(format!(".{}", name.replace('/', "."))),
        Layout::Fs => maildir.join(name),
    }
}

/// Writes `dovecot-uidlist` and `dovecot-keywords` of `folder`.
pub fn write(directory: &Path, folder: &Folder) {
    let guid = blake3::hash(folder.name.as_bytes()).to_hex();
    let mut list = format!(
        "3 V{} N{} G{}\n",
        folder.uid_validity,
        folder.uid_next,
        &guid[..32]
    );
    for message in &folder.messages {
        list.push_str(&message.uid.to_string());
        if let Some(uidl) = &message.uidl {
            list.push_str(&format!(" P{uidl}"));
        }
        if let Some(order) = message.pop_order {
            list.push_str(&format!(" O{order}"));
        }
        list.push_str(&format!(" :{}\n", message.base_name));
    }
    put(&directory.join("dovecot-uidlist"), &list);
    if !folder.keywords.is_empty() {
        let lines: String = folder
            .keywords
            .iter()
            .enumerate()
            .map(|(index, keyword)| format!("{index} {keyword}\n"))
            .collect();
        put(&directory.join("dovecot-keywords"), &lines);
    }
}

/// Writes `subscriptions`, version 2.
pub fn write_subscriptions(maildir: &Path, names: &BTreeSet<String>) {
    let lines: String = names
        .iter()
        .map(|name| format!("{}\n", modified_utf7(name).replace('/', "\t")))
        .collect();
    put(&maildir.join("subscriptions"), &format!("V\t2\n\n{lines}"));
}

/// Writes a file with a date of its own, for the same tree in every run.
fn put(path: &Path, text: &str) {
    fs::write(path, text).expect("scratch directories are writable");
    set_date(path, 1_700_000_000);
}

/// Modified UTF-7 (RFC 3501 section 5.1.3), written here a second time on purpose.
pub fn modified_utf7(name: &str) -> String {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::IMAP_MUTF7,
        GeneralPurposeConfig::new().with_encode_padding(false),
    );
    let mut out = String::new();
    let mut shifted: Vec<u8> = Vec::new();
    let close = |shifted: &mut Vec<u8>, out: &mut String| {
        if !shifted.is_empty() {
            out.push_str(&format!("&{}-", ENGINE.encode(shifted.as_slice())));
            shifted.clear();
        }
    };
    for character in name.chars() {
        if matches!(character, ' '..='~') {
            close(&mut shifted, &mut out);
            out.push(character);
            if character == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shifted.extend(unit.to_be_bytes());
            }
        }
    }
    close(&mut shifted, &mut out);
    out
}
