//! The name of a folder, free of any server's separator and encoding.

use std::fmt;

/// A folder as a path of Unicode parts, relative to the user's personal namespace. INBOX is the
/// one part `INBOX`; parts may hold anything that the source allowed, so nothing here is fit to
/// be a file name yet (see [`crate::naming`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderPath(Vec<String>);

impl FolderPath {
    /// The path of `parts`. A first part that reads INBOX in any case becomes `INBOX`: the name
    /// is case-insensitive (RFC 3501 section 5.1), and Dovecot cannot open a `.inbox.Sub`.
    pub fn new(mut parts: Vec<String>) -> Self {
        if let Some(first) = parts.first_mut()
            && first.eq_ignore_ascii_case("INBOX")
        {
            *first = "INBOX".to_owned();
        }
        Self(parts)
    }

    /// The path that is shown as `text`, its parts separated by `/`.
    pub fn from_display(text: &str) -> Self {
        Self::new(text.split('/').map(str::to_owned).collect())
    }

    /// The path of INBOX.
    pub fn inbox() -> Self {
        Self(vec!["INBOX".to_owned()])
    }

    /// Whether this is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        self.0 == ["INBOX"]
    }

    /// Whether it is `other` or lies below it.
    pub fn is_within(&self, other: &FolderPath) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Its parts, from the root.
    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

/// For people: parts joined by `/`.
impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}
