//! What lies in an INBOX on disk, as plain values.

/// The INBOX of a Maildir, as far as POP3 servers look at it.
#[derive(Debug, Default, Clone)]
pub struct Maildrop {
    /// The regular files of `new`, then those of `cur`, in the order of the directory.
    pub files: Vec<MailFile>,
    /// Names with a leading dot in `new` and `cur`: no server shows them.
    pub hidden: Vec<Box<[u8]>>,
    /// Links, directories and the like in `new` and `cur`.
    pub irregular: Vec<Box<[u8]>>,
    /// The servers' own files.
    pub controls: Controls,
}

/// One message file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFile {
    /// Its whole name, flags and all.
    pub name: Box<[u8]>,
    /// Whether it lies in `new`.
    pub in_new: bool,
    /// Its bytes.
    pub size: u64,
    /// Its date in whole seconds since 1970.
    pub mtime: i64,
}

impl MailFile {
    /// Its name up to the first `:`.
    pub fn base(&self) -> &[u8] {
        base(&self.name)
    }
}

/// A name up to the first `:`.
pub(super) fn base(name: &[u8]) -> &[u8] {
    memchr::memchr(b':', name).map_or(name, |end| &name[..end])
}

/// The files that servers keep in the root of a Maildir.
#[derive(Debug, Default, Clone)]
pub struct Controls {
    /// `dovecot-uidlist`.
    pub dovecot_uidlist: Option<Vec<u8>>,
    /// `dovecot-uidvalidity`.
    pub dovecot_uidvalidity: Option<Vec<u8>>,
    /// The numbers of the files `dovecot-uidvalidity.<8 hex digits>`.
    pub dovecot_uidvalidities: Vec<u32>,
    /// Whether a `dovecot.index` or its log is there.
    pub has_dovecot_index: bool,
    /// `courierpop3dsizelist`.
    pub courier_size_list: Option<Vec<u8>>,
}
