//! Which of the extensions that make a second look cheap a server has.

use super::login::Abilities;

/// What a session may use. What a server announces and then refuses is taken back here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extensions {
    /// RFC 7162: HIGHESTMODSEQ, CHANGEDSINCE.
    pub condstore: bool,
    /// RFC 7162: VANISHED.
    pub qresync: Qresync,
    /// RFC 4731: SEARCH with a short answer.
    pub esearch: bool,
    /// RFC 5819: LIST and STATUS in one.
    pub list_status: bool,
    /// RFC 6154: what each folder is for, told by LIST when asked.
    pub special_use: bool,
}

/// How far QRESYNC has come. It has to be enabled before a folder is opened (RFC 5161 section 3.1),
/// so that is done with the first that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Qresync {
    /// Not to be had.
    #[default]
    Absent,
    /// Offered, not enabled yet.
    Offered,
    /// Enabled.
    Enabled,
}

impl Extensions {
    /// What `abilities` allow.
    pub fn of(abilities: &Abilities) -> Self {
        // IMAP4rev2 is the sum of many (RFC 9051 appendix E).
        let rev2 = abilities.has("IMAP4REV2");
        let qresync = abilities.has("QRESYNC");
        Self {
            // Who has QRESYNC has CONDSTORE and need not say so (RFC 7162 section 3.2).
            condstore: qresync || abilities.has("CONDSTORE"),
            qresync: match qresync && (rev2 || abilities.has("ENABLE")) {
                true => Qresync::Offered,
                false => Qresync::Absent,
            },
            esearch: rev2 || abilities.has("ESEARCH"),
            list_status: rev2 || abilities.has("LIST-STATUS"),
            // How to ask is LIST-EXTENDED, without which there is no LIST-STATUS.
            special_use: rev2
                || (abilities.has("SPECIAL-USE")
                    && (abilities.has("LIST-EXTENDED") || abilities.has("LIST-STATUS"))),
        }
    }
}
