//! Folder paths as directories below the Maildir, and as lines of `subscriptions`.

use std::fmt;

use crate::config::{FolderEncoding, Layout};
use crate::mail::FolderPath;
use crate::mutf7;

/// Longest file name that Linux file systems take, in bytes.
const NAME_MAX: usize = 255;

/// The directory of a folder, as path components below the Maildir root; none for INBOX. Each
/// component is a plain file name: not empty, not `.` or `..`, without `/` and NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaildirFolder(Vec<String>);

/// Why a layout cannot hold a folder name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FolderFault {
    /// A part between two separators is empty.
    #[error("a part of the name is empty")]
    EmptyPart,
    /// A character that no layout holds.
    #[error("the name holds a control character")]
    Control,
    /// Courier ends the session when it comes to such a folder.
    #[error("Courier cannot list a name with {0}, nor any folder beside it")]
    BeyondCourier(char),
    /// `.` is the separator on disk in Maildir++.
    #[error("Maildir++ cannot hold a dot inside a folder name")]
    Dot,
    /// `/` is the separator of paths.
    #[error("a directory name cannot hold a slash")]
    Slash,
    /// Dovecot refuses a leading `~`.
    #[error("Dovecot does not open folders whose name begins with ~")]
    Tilde,
    /// The name is one that the layout itself uses.
    #[error("the layout uses the name {0} itself")]
    Reserved(String),
    /// The encoded name is longer than a file name may be; the number is its length in bytes.
    #[error("the name takes {0} bytes on disk, 255 are possible")]
    TooLong(usize),
}

impl FolderFault {
    /// What the admin can do about it.
    pub fn hint(&self, layout: Layout) -> &'static str {
        match (self, layout) {
            (FolderFault::Dot, Layout::MaildirPlusPlus) => {
                "use --layout fs where the new server is Dovecot, or give it another name by --map or --rename"
            }
            (FolderFault::Reserved(_), Layout::Fs) => {
                "use --layout maildir++, or give it another name by --map or --rename"
            }
            _ => "give it another name by --map or --rename",
        }
    }
}

impl MaildirFolder {
    /// The Maildir itself.
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// Where `path` lies in `layout`.
    ///
    /// # Errors
    /// What makes the layout unable to hold the name (reference: Dovecot's Maildir page and its
    /// behaviour; such directories would be listed but could not be opened).
    pub fn of(
        path: &FolderPath,
        layout: Layout,
        encoding: FolderEncoding,
    ) -> Result<Self, FolderFault> {
        if path.is_inbox() {
            return Ok(Self::root());
        }
        let parts = path.parts();
        if parts.is_empty() || parts.iter().any(String::is_empty) {
            return Err(FolderFault::EmptyPart);
        }
        if parts.first().is_some_and(|first| first.starts_with('~')) {
            return Err(FolderFault::Tilde);
        }
        for part in parts {
            check_part(part, layout)?;
            // Courier 5.0.13, `imap_filename_to_foldername`: its modified UTF-7 has no surrogates.
            let beyond = part.chars().find(|it| *it > '\u{ffff}');
            if let (FolderEncoding::Utf8OfCourier, Some(beyond)) = (encoding, beyond) {
                return Err(FolderFault::BeyondCourier(beyond));
            }
        }
        let encoded: Vec<String> = parts.iter().map(|part| encode(part, encoding)).collect();
        let components = match layout {
            Layout::MaildirPlusPlus => vec![format!(".{}", encoded.join("."))],
            Layout::Fs => encoded,
        };
        match components.iter().map(String::len).max() {
            Some(longest) if longest > NAME_MAX => Err(FolderFault::TooLong(longest)),
            _ => Ok(Self(components)),
        }
    }

    /// A directory that was found below a Maildir; `None` where a component is no plain file name.
    pub fn found(components: Vec<String>) -> Option<Self> {
        let plain = |name: &String| {
            !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0'])
        };
        components.iter().all(plain).then_some(Self(components))
    }

    /// The folder that lies here, as far as its name can be read back.
    pub fn path(&self, layout: Layout, encoding: FolderEncoding) -> FolderPath {
        let decoded = |part: &str| match encoding {
            FolderEncoding::Mutf7 => mutf7::decode(part).unwrap_or_else(|_| part.to_owned()),
            FolderEncoding::Utf8 | FolderEncoding::Utf8OfCourier => part.to_owned(),
        };
        let parts: Vec<String> = match (self.0.as_slice(), layout) {
            ([], _) => return FolderPath::inbox(),
            ([flat], Layout::MaildirPlusPlus) => {
                let name = flat.strip_prefix('.').unwrap_or(flat);
                name.split('.').map(decoded).collect()
            }
            (components, _) => components.iter().map(|part| decoded(part)).collect(),
        };
        FolderPath::new(parts)
    }

    /// Whether this is the Maildir itself (INBOX).
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path components below the root.
    pub fn components(&self) -> &[String] {
        &self.0
    }
}

/// The path below the Maildir; `.` for the root.
impl fmt::Display for MaildirFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            f.write_str(".")
        } else {
            f.write_str(&self.0.join("/"))
        }
    }
}

/// `path` as a line of `subscriptions` version 2: parts in the storage encoding, a TAB between
/// them. Dovecot's tab-escaping has nothing to do, since control characters are refused.
///
/// # Errors
/// What makes the layout unable to hold a folder of that name; Dovecot would show another one.
pub fn subscription_line(
    path: &FolderPath,
    layout: Layout,
    encoding: FolderEncoding,
) -> Result<String, FolderFault> {
    MaildirFolder::of(path, layout, encoding)?;
    let encoded: Vec<String> = path
        .parts()
        .iter()
        .map(|part| encode(part, encoding))
        .collect();
    Ok(encoded.join("\t"))
}

fn encode(part: &str, encoding: FolderEncoding) -> String {
    match encoding {
        FolderEncoding::Mutf7 => mutf7::encode(part),
        FolderEncoding::Utf8 | FolderEncoding::Utf8OfCourier => part.to_owned(),
    }
}

fn check_part(part: &str, layout: Layout) -> Result<(), FolderFault> {
    if part.chars().any(char::is_control) {
        return Err(FolderFault::Control);
    }
    if part.contains('/') {
        return Err(FolderFault::Slash);
    }
    match layout {
        Layout::MaildirPlusPlus if part.contains('.') => Err(FolderFault::Dot),
        Layout::Fs if is_reserved_in_fs(part) => Err(FolderFault::Reserved(part.to_owned())),
        _ => Ok(()),
    }
}

/// In the fs layout folders lie beside the Maildir's own directories and the servers' files.
fn is_reserved_in_fs(part: &str) -> bool {
    const NAMES: [&str; 8] = [
        ".",
        "..",
        "cur",
        "new",
        "tmp",
        "subscriptions",
        "maildirsize",
        "maildirfolder",
    ];
    const BEGINNINGS: [&str; 7] = [
        "dovecot-acl",
        "dovecot-keywords",
        "dovecot-uidlist",
        "dovecot-uidvalidity",
        "dovecot.index",
        "dovecot.list.index",
        "mailseed.",
    ];
    NAMES.contains(&part) || BEGINNINGS.iter().any(|name| part.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(parts: &[&str]) -> FolderPath {
        FolderPath::new(parts.iter().map(|part| (*part).to_owned()).collect())
    }

    #[test]
    fn names_become_directories_or_are_refused() {
        use FolderEncoding::{Mutf7, Utf8, Utf8OfCourier};
        use Layout::{Fs, MaildirPlusPlus as Plus};
        let long = "x".repeat(256);
        let dir = |name: &str| Ok(name.to_owned());
        for (parts, layout, encoding, want) in [
            (&["INBOX"][..], Plus, Mutf7, dir(".")),
            (&["inbox"], Fs, Mutf7, dir(".")),
            (&["inbox", "Sub"], Plus, Mutf7, dir(".INBOX.Sub")),
            (&["A", "B", "C"], Plus, Mutf7, dir(".A.B.C")),
            (&["A", "B", "C"], Fs, Mutf7, dir("A/B/C")),
            (&["Été"], Plus, Mutf7, dir(".&AMk-t&AOk-")),
            (&["Été"], Fs, Utf8, dir("Été")),
            (&["Tom & J"], Plus, Mutf7, dir(".Tom &- J")),
            (&["Tom & J"], Plus, Utf8, dir(".Tom & J")),
            (
                &["Tom & J", "日本語"],
                Plus,
                Utf8OfCourier,
                dir(".Tom & J.日本語"),
            ),
            (&["a 📫"], Plus, Utf8, dir(".a 📫")),
            (
                &["a 📫"],
                Plus,
                Utf8OfCourier,
                Err(FolderFault::BeyondCourier('📫')),
            ),
            (&["cur"], Plus, Mutf7, dir(".cur")),
            (&["v1.0"], Fs, Mutf7, dir("v1.0")),
            (&[".hidden"], Fs, Mutf7, dir(".hidden")),
            (&["dovecot"], Fs, Mutf7, dir("dovecot")),
            (&["A", ".."], Plus, Mutf7, Err(FolderFault::Dot)),
            (&["v1.0"], Plus, Mutf7, Err(FolderFault::Dot)),
            (&[".."], Fs, Mutf7, Err(FolderFault::Reserved("..".into()))),
            (
                &["A", "cur"],
                Fs,
                Mutf7,
                Err(FolderFault::Reserved("cur".into())),
            ),
            (
                &["dovecot-uidlist"],
                Fs,
                Mutf7,
                Err(FolderFault::Reserved("dovecot-uidlist".into())),
            ),
            (&["A", ""], Plus, Mutf7, Err(FolderFault::EmptyPart)),
            (&[], Plus, Mutf7, Err(FolderFault::EmptyPart)),
            (&["a/../../b"], Plus, Mutf7, Err(FolderFault::Slash)),
            (&["a/b"], Fs, Utf8, Err(FolderFault::Slash)),
            (&["~root"], Plus, Mutf7, Err(FolderFault::Tilde)),
            (&["a\nb"], Plus, Mutf7, Err(FolderFault::Control)),
            (&["a\0b"], Fs, Utf8, Err(FolderFault::Control)),
            (&[long.as_str()], Fs, Mutf7, Err(FolderFault::TooLong(256))),
            (&[&long[2..]], Plus, Mutf7, dir(&format!(".{}", &long[2..]))),
            (&[&long[1..]], Plus, Mutf7, Err(FolderFault::TooLong(256))),
        ] {
            let got = MaildirFolder::of(&path(parts), layout, encoding);
            assert_eq!(
                got.map(|folder| folder.to_string()),
                want,
                "{parts:?} {layout:?}"
            );
            if let Ok(folder) = MaildirFolder::of(&path(parts), layout, encoding) {
                assert_eq!(folder.path(layout, encoding), path(parts));
                assert_eq!(MaildirFolder::found(folder.0.clone()), Some(folder));
            }
        }
    }

    #[test]
    fn no_way_leads_out_of_the_maildir() {
        for components in [&[".."][..], &["a", ".."], &["a/b"], &[""], &["."], &["a\0"]] {
            let components = components.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(MaildirFolder::found(components), None);
        }
    }

    #[test]
    fn subscriptions_are_tab_separated_storage_names() {
        use FolderEncoding::{Mutf7, Utf8};
        use Layout::{Fs, MaildirPlusPlus as Plus};
        for (parts, layout, encoding, want) in [
            (&["INBOX"][..], Plus, Mutf7, Ok("INBOX")),
            (&["New", "Été"], Plus, Mutf7, Ok("New\t&AMk-t&AOk-")),
            (&["Été"], Fs, Utf8, Ok("Été")),
            (&["v1.0"], Fs, Mutf7, Ok("v1.0")),
            (&["v1.0"], Plus, Mutf7, Err(FolderFault::Dot)),
            (&["a\tb"], Fs, Mutf7, Err(FolderFault::Control)),
            (&["a", ""], Plus, Mutf7, Err(FolderFault::EmptyPart)),
        ] {
            let line = subscription_line(&path(parts), layout, encoding);
            assert_eq!(line, want.map(str::to_owned), "{parts:?}");
        }
    }
}
