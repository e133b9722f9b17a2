//! What becomes of a user's UIDLs, by what their pairing with the messages of INBOX has found.

use super::{Flaw, Matter};
use crate::config::UidlPolicy;
use crate::mail::Uidl;
use crate::matching::{Pairing, Stage, Template, offset};
use crate::source::Maildrop;
use crate::text::printable;
use crate::user::note_elsewhere;

/// What becomes of the UIDLs of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uidls {
    /// Messages that POP3 lists.
    pub listed: u64,
    /// UIDLs that an export would keep.
    pub kept: u64,
    /// Messages of INBOX without a UIDL.
    pub missing: u64,
    /// UIDLs without a message.
    pub extra: u64,
    /// UIDLs of messages in other folders, by folder; printable.
    pub elsewhere: Vec<(String, u64)>,
    /// How many were paired by what, the surest first.
    pub stages: Vec<(String, u64)>,
    /// The rule by which the old server makes its UIDLs; `None` where none was seen.
    pub scheme: Option<Scheme>,
    /// Whether POP3 lists the messages in the order of their UIDs, where both are known.
    pub in_uid_order: Option<bool>,
    /// qmail: the farthest that a date has to move for the order, in seconds, where it is known.
    pub max_date_shift: Option<u64>,
}

/// A rule by which a server makes UIDLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// Its name.
    pub name: String,
    /// The UIDLs that follow it.
    pub hits: u64,
    /// The `pop3_uidl_format` that makes a Dovecot follow it.
    pub dovecot_format: Option<&'static str>,
}

impl Uidls {
    /// What the pairing found of `listing`.
    pub(super) fn of(pairing: &Pairing, listing: &Maildrop) -> Self {
        let counts = pairing.counts();
        let by_rule = counts.iter().filter_map(|(stage, count)| {
            let format = match stage {
                Stage::Template(template) => Template::dovecot_format(*template),
                Stage::XGuid => Some("%g"),
                Stage::Md5Guid
                | Stage::GmailId
                | Stage::EmailId
                | Stage::XUidl
                | Stage::MessageId
                | Stage::Md5MessageId => None,
                Stage::Known
                | Stage::Header
                | Stage::HeaderLoose
                | Stage::Identity
                | Stage::Content
                | Stage::Identical => return None,
            };
            let name = match stage {
                Stage::Template(template) => template.to_string(),
                stage => stage.to_string(),
            };
            Some(Scheme {
                name,
                hits: *count as u64,
                dovecot_format: format,
            })
        });
        let by_offset = || {
            let (name, hits) = offset::rule(&pairing.pairs, &listing.entries)?;
            Some(Scheme {
                name,
                hits,
                dovecot_format: None,
            })
        };
        Self {
            listed: listing.entries.len() as u64,
            kept: pairing.pairs.len() as u64,
            missing: pairing.missing.len() as u64,
            extra: pairing.extra.len() as u64,
            elsewhere: pairing
                .folders_elsewhere()
                .into_iter()
                .map(|(path, count)| (printable(&path.to_string()), count))
                .collect(),
            scheme: by_rule.max_by_key(|scheme| scheme.hits).or_else(by_offset),
            stages: counts
                .iter()
                .map(|(stage, count)| (stage.to_string(), *count as u64))
                .collect(),
            in_uid_order: Some(pairing.is_in_uid_order()),
            max_date_shift: None,
        }
    }

    /// What of it a client will notice.
    pub(super) fn flaws(&self, pairing: &Pairing, policy: &UidlPolicy) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if let Some(first) = pairing.missing.first() {
            let count = self.missing;
            let what = format!("{count} messages of INBOX have no UIDL, the first is UID {first}");
            let flaw = Flaw::new(Matter::Uidls, what);
            flaws.push(flaw.accepted_if(policy.ignore_missing));
        }
        if let Some(first) = pairing.extra.first() {
            let count = self.extra;
            let number = format!("POP3 message {}", first.number);
            let name = first.uidl.as_ref().map_or(number.as_str(), Uidl::as_str);
            let reason = first.reason;
            let what =
                format!("{count} UIDLs have no message in INBOX, the first is {name}: {reason}");
            let flaw = Flaw::new(Matter::Uidls, what);
            flaws.push(flaw.accepted_if(policy.ignore_extra));
        }
        // Who asks for them to be looked for knows that POP3 will show INBOX only.
        if let Some(what) = note_elsewhere(pairing).filter(|_| !policy.collect) {
            flaws.push(Flaw::new(Matter::Uidls, what).accepted_if(policy.all_mailboxes));
        }
        flaws
    }

    /// How many UIDLs are of messages in other folders.
    pub fn elsewhere(&self) -> u64 {
        self.elsewhere.iter().map(|(_, count)| count).sum()
    }

    /// In words.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "UIDLs: {} of {} are kept; {} messages without one, {} without a message",
            self.kept, self.listed, self.missing, self.extra
        )];
        if !self.elsewhere.is_empty() {
            let folders = self.elsewhere.iter();
            let folders = folders.map(|(folder, count)| format!("{folder} {count}"));
            lines.push(format!(
                "UIDLs of messages in other folders: {}",
                folders.collect::<Vec<_>>().join(", ")
            ));
        }
        if let Some(scheme) = &self.scheme {
            let mut line = format!(
                "UIDL scheme: {}, which {} of {} UIDLs follow",
                scheme.name, scheme.hits, self.listed
            );
            if let Some(format) = scheme.dovecot_format {
                line.push_str(&format!("; pop3_uidl_format = {format}"));
            }
            lines.push(line);
        }
        if !self.stages.is_empty() {
            let stages = self.stages.iter();
            let stages = stages.map(|(stage, count)| format!("{count} by {stage}"));
            lines.push(format!(
                "UIDLs paired: {}",
                stages.collect::<Vec<_>>().join(", ")
            ));
        }
        match self.in_uid_order {
            Some(true) => lines.push("the POP3 order is that of the UIDs".to_owned()),
            Some(false) => lines.push("the POP3 order is not that of the UIDs".to_owned()),
            None => {}
        }
        if let Some(shift) = self.max_date_shift {
            lines.push(format!(
                "qmail: for the order dates move by up to {shift} s"
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Place, PopEntry, Uid};
    use crate::matching::{Extra, Pair, Why};

    fn uidl(text: &str) -> Uidl {
        Uidl::parse(text.as_bytes()).unwrap()
    }

    /// Five messages, paired by these stages; then one UIDL that no message has.
    fn paired(stages: &[Stage]) -> (Pairing, Maildrop) {
        let pairs = (1..).zip(stages).map(|(number, stage)| Pair {
            uid: Uid::new(number).unwrap(),
            place: Place::new(number - 1).unwrap(),
            stage: *stage,
        });
        let extra = Extra {
            number: 9,
            place: Place::new(8).unwrap(),
            uidl: Some(uidl("x")),
            size: 1,
            reason: Why::OtherBody,
        };
        let pairing = Pairing {
            pairs: pairs.collect(),
            missing: vec![Uid::new(77).unwrap()],
            extra: vec![extra],
            ..Pairing::default()
        };
        let entries = (1..).take(stages.len() + 1).map(|number| PopEntry {
            number,
            size: 1,
            uidl: Some(uidl(&number.to_string())),
        });
        let listing = Maildrop {
            entries: entries.collect(),
            ..Maildrop::default()
        };
        (pairing, listing)
    }

    #[test]
    fn the_rule_that_most_uidls_follow_is_the_scheme() {
        use Stage::{Content, Header, Md5Guid, XGuid};
        let v_u = Stage::Template(Template::V_DOT_U);
        let upper = Stage::Template(Template::parse("U8V8").unwrap());
        for (stages, want) in [
            (
                &[v_u, v_u, Header, Header, Header][..],
                Some(("v.u", 2, Some("%v.%u"))),
            ),
            (&[v_u, upper, upper], Some(("U8V8", 2, None))),
            (&[XGuid, Header], Some(("x-guid", 1, Some("%g")))),
            (&[Md5Guid], Some(("md5-guid", 1, None))),
            (&[Header, Content], None),
            (&[], None),
        ] {
            let (pairing, listing) = paired(stages);
            let uidls = Uidls::of(&pairing, &listing);
            let scheme = uidls.scheme.as_ref();
            let got = scheme.map(|it| (it.name.as_str(), it.hits, it.dovecot_format));
            assert_eq!(got, want, "{stages:?}");
            assert_eq!(uidls.listed, stages.len() as u64 + 1);
        }
    }

    #[test]
    fn what_is_left_over_is_noticed_unless_it_is_accepted() {
        let (pairing, listing) = paired(&[Stage::XGuid, Stage::Header]);
        let uidls = Uidls::of(&pairing, &listing);
        let policy = UidlPolicy {
            ignore_extra: true,
            ..UidlPolicy::default()
        };
        let flaws = uidls.flaws(&pairing, &policy);
        let told: Vec<_> = flaws
            .iter()
            .map(|it| (it.what.as_str(), it.accepted))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "1 messages of INBOX have no UIDL, the first is UID 77",
                    false
                ),
                (
                    "1 UIDLs have no message in INBOX, the first is x: the messages with its header \
                     have another body",
                    true
                ),
            ]
        );
        assert_eq!(
            uidls.lines().join("\n"),
            "UIDLs: 2 of 3 are kept; 1 messages without one, 1 without a message\n\
             UIDL scheme: x-guid, which 1 of 3 UIDLs follow; pop3_uidl_format = %g\n\
             UIDLs paired: 1 by x-guid, 1 by header\n\
             the POP3 order is that of the UIDs"
        );
        let whole = Pairing::default();
        assert!(uidls.flaws(&whole, &UidlPolicy::default()).is_empty());
    }
}
