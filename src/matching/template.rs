//! UIDLs that an old server makes from UIDVALIDITY and UID, and that so can be foretold.

use std::fmt::{self, Write};

use crate::mail::{Uid, UidValidity};

/// A rule by which a server writes UIDLs. In the names, `v` is the UIDVALIDITY and `u` the UID,
/// decimal or as `8` hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Template {
    /// Dovecot since 1.1; Cyrus when set so.
    U8V8,
    /// Cyrus since 2.1.4, Mirapoint, Dovecot 0.99.
    VDotU,
    /// UW-imapd.
    V8U8,
    /// Critical Path; Cyrus when set so.
    VDashU,
    /// Courier's form. Courier itself counts on its own, not by UID; Dovecot may imitate it.
    UidUDashV,
    /// Cyrus up to 2.1.3, hMailServer, Apache James, Citadel.
    U,
    /// Old Courier.
    UidU,
    /// No server known.
    UDashV,
    /// No server known.
    UDotV,
    /// No server known.
    VSlashU,
    /// Both decimal without anything between; no server known.
    VU,
    /// [`Template::U8V8`] in upper case; no server known.
    UpperU8V8,
    /// [`Template::V8U8`] in upper case; no server known.
    UpperV8U8,
    /// [`Template::U8V8`] without leading zeros; no server known.
    BareU8V8,
    /// [`Template::V8U8`] without leading zeros; no server known.
    BareV8U8,
    /// [`Template::BareU8V8`] in upper case; no server known.
    UpperBareU8V8,
    /// [`Template::BareV8U8`] in upper case; no server known.
    UpperBareV8U8,
}

impl Template {
    /// Every template, the most usual first.
    pub const ALL: [Template; 17] = [
        Template::U8V8,
        Template::VDotU,
        Template::V8U8,
        Template::VDashU,
        Template::UidUDashV,
        Template::U,
        Template::UidU,
        Template::UDashV,
        Template::UDotV,
        Template::VSlashU,
        Template::VU,
        Template::UpperU8V8,
        Template::UpperV8U8,
        Template::BareU8V8,
        Template::BareV8U8,
        Template::UpperBareU8V8,
        Template::UpperBareV8U8,
    ];

    /// Its name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Template::U8V8 => "u8v8",
            Template::VDotU => "v.u",
            Template::V8U8 => "v8u8",
            Template::VDashU => "v-u",
            Template::UidUDashV => "UIDu-v",
            Template::U => "u",
            Template::UidU => "UIDu",
            Template::UDashV => "u-v",
            Template::UDotV => "u.v",
            Template::VSlashU => "v/u",
            Template::VU => "vu",
            Template::UpperU8V8 => "U8V8",
            Template::UpperV8U8 => "V8U8",
            Template::BareU8V8 => "uv-hex",
            Template::BareV8U8 => "vu-hex",
            Template::UpperBareU8V8 => "UV-HEX",
            Template::UpperBareV8U8 => "VU-HEX",
        }
    }

    /// The `pop3_uidl_format` that makes a Dovecot 2.3 write the same; `None` where it cannot.
    pub fn dovecot_format(self) -> Option<&'static str> {
        match self {
            Template::U8V8 => Some("%08Xu%08Xv"),
            Template::VDotU => Some("%v.%u"),
            Template::V8U8 => Some("%08Xv%08Xu"),
            Template::VDashU => Some("%v-%u"),
            Template::UidUDashV => Some("UID%u-%v"),
            Template::U => Some("%u"),
            Template::UidU => Some("UID%u"),
            Template::UDashV => Some("%u-%v"),
            Template::UDotV => Some("%u.%v"),
            Template::VSlashU => Some("%v/%u"),
            Template::VU => Some("%v%u"),
            Template::BareU8V8 => Some("%Xu%Xv"),
            Template::BareV8U8 => Some("%Xv%Xu"),
            Template::UpperU8V8
            | Template::UpperV8U8
            | Template::UpperBareU8V8
            | Template::UpperBareV8U8 => None,
        }
    }

    /// Whether the UIDVALIDITY is part of it.
    pub fn has_validity(self) -> bool {
        !matches!(self, Template::U | Template::UidU)
    }

    /// Puts the UIDL of the message `uid` into `text`, in place of what was there. False where the
    /// template needs a UIDVALIDITY and there is none.
    pub(super) fn write(self, text: &mut String, v: Option<UidValidity>, uid: Uid) -> bool {
        text.clear();
        let u = uid.value();
        let written = match (self, v.map(UidValidity::value)) {
            (Template::U, _) => write!(text, "{u}"),
            (Template::UidU, _) => write!(text, "UID{u}"),
            (_, None) => Err(fmt::Error),
            (Template::U8V8, Some(v)) => write!(text, "{u:08x}{v:08x}"),
            (Template::VDotU, Some(v)) => write!(text, "{v}.{u}"),
            (Template::V8U8, Some(v)) => write!(text, "{v:08x}{u:08x}"),
            (Template::VDashU, Some(v)) => write!(text, "{v}-{u}"),
            (Template::UidUDashV, Some(v)) => write!(text, "UID{u}-{v}"),
            (Template::UDashV, Some(v)) => write!(text, "{u}-{v}"),
            (Template::UDotV, Some(v)) => write!(text, "{u}.{v}"),
            (Template::VSlashU, Some(v)) => write!(text, "{v}/{u}"),
            (Template::VU, Some(v)) => write!(text, "{v}{u}"),
            (Template::UpperU8V8, Some(v)) => write!(text, "{u:08X}{v:08X}"),
            (Template::UpperV8U8, Some(v)) => write!(text, "{v:08X}{u:08X}"),
            (Template::BareU8V8, Some(v)) => write!(text, "{u:x}{v:x}"),
            (Template::BareV8U8, Some(v)) => write!(text, "{v:x}{u:x}"),
            (Template::UpperBareU8V8, Some(v)) => write!(text, "{u:X}{v:X}"),
            (Template::UpperBareV8U8, Some(v)) => write!(text, "{v:X}{u:X}"),
        };
        written.is_ok()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_write_what_the_servers_write() {
        let mut text = String::new();
        for (template, want) in [
            (Template::U8V8, "000001ad4d2b6938"),
            (Template::VDotU, "1294690616.429"),
            (Template::V8U8, "4d2b6938000001ad"),
            (Template::VDashU, "1294690616-429"),
            (Template::UidUDashV, "UID429-1294690616"),
            (Template::U, "429"),
            (Template::UidU, "UID429"),
            (Template::UDashV, "429-1294690616"),
            (Template::UDotV, "429.1294690616"),
            (Template::VSlashU, "1294690616/429"),
            (Template::VU, "1294690616429"),
            (Template::UpperU8V8, "000001AD4D2B6938"),
            (Template::UpperV8U8, "4D2B6938000001AD"),
            (Template::BareU8V8, "1ad4d2b6938"),
            (Template::BareV8U8, "4d2b69381ad"),
            (Template::UpperBareU8V8, "1AD4D2B6938"),
            (Template::UpperBareV8U8, "4D2B69381AD"),
        ] {
            assert!(Template::ALL.contains(&template));
            let uid = Uid::new(429).unwrap();
            assert!(template.write(&mut text, UidValidity::new(1_294_690_616), uid));
            assert_eq!(text, want, "{template}");
            assert_eq!(
                template.write(&mut text, None, uid),
                !template.has_validity()
            );
        }
    }
}
