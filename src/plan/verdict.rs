//! Whether a pairing is good enough to publish INBOX.

use crate::config::UidlPolicy;
use crate::problem::{Kind, Problem, Reach};
use crate::text::counted_with;

/// What the pairing of POP3 with INBOX left over.
#[derive(Debug, Clone, Default)]
pub struct Leftovers {
    /// INBOX messages without a UIDL, as `UID 17`.
    pub missing: Vec<String>,
    /// UIDLs without a message, each with the reason.
    pub extra: Vec<String>,
    /// Some of these may have their message in another folder, and nobody has looked there.
    pub may_be_elsewhere: bool,
}

/// Whether the user goes on with these leftovers.
///
/// # Errors
/// The strict default stops here, before INBOX is published, and says which flag lets it go on.
pub fn judge(leftovers: &Leftovers, policy: &UidlPolicy) -> Result<(), Problem> {
    let mut complaints = Vec::new();
    let mut flags = Vec::new();
    if !leftovers.missing.is_empty() && !policy.ignore_missing {
        let count = leftovers.missing.len() as u64;
        complaints.push(format!(
            "{} no UIDL ({})",
            counted_with(count, "INBOX message", ("has", "have")),
            some(&leftovers.missing)
        ));
        flags.push("--ignore-missing-uidls");
    }
    if !leftovers.extra.is_empty() && !policy.ignore_extra {
        let count = leftovers.extra.len() as u64;
        complaints.push(format!(
            "{} no message in INBOX ({})",
            counted_with(count, "UIDL", ("has", "have")),
            some(&leftovers.extra)
        ));
        flags.push("--ignore-extra-uidls");
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let what = format!("{}; INBOX was not published", complaints.join("; "));
    let mut hint = format!("{} exports the user all the same", flags.join(" "));
    if leftovers.may_be_elsewhere && !policy.ignore_extra && !policy.all_mailboxes {
        hint.push_str(
            "; if the POP3 server shows other folders too, --pop3-all-mailboxes finds their UIDLs",
        );
    }
    Err(Problem::new(Kind::Pairing, Reach::User, what)
        .in_folder("INBOX")
        .with_hint(hint))
}

/// The first few of a list.
fn some(list: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = list[..list.len().min(SHOWN)].join(", ");
    if list.len() > SHOWN {
        format!("{shown}, ...")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_stops_and_names_the_flag() {
        let leftovers = Leftovers {
            missing: (1..=5).map(|uid| format!("UID {uid}")).collect(),
            extra: vec!["abc: no message has this content".into()],
            may_be_elsewhere: true,
        };
        let strict = UidlPolicy::default();
        let problem = judge(&leftovers, &strict).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "folder INBOX: 5 INBOX messages have no UIDL (UID 1, UID 2, UID 3, ...); \
             1 UIDL has no message in INBOX (abc: no message has this content); \
             INBOX was not published (hint: --ignore-missing-uidls --ignore-extra-uidls exports \
             the user all the same; if the POP3 server shows other folders too, \
             --pop3-all-mailboxes finds their UIDLs)"
        );
        let lenient = UidlPolicy {
            ignore_missing: true,
            ..strict
        };
        assert!(
            judge(&leftovers, &lenient)
                .unwrap_err()
                .to_string()
                .contains("1 UIDL has")
        );
        let both = UidlPolicy {
            ignore_extra: true,
            ..lenient
        };
        assert!(judge(&leftovers, &both).is_ok());
        assert!(judge(&Leftovers::default(), &strict).is_ok());
    }
}
