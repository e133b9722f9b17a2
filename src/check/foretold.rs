//! What an export into an empty target would do with a folder, and what of it clients would notice.

use super::{Check, Flaw, Mailbox, Matter, Uidls};
use crate::config::Unholdable;
use crate::mail::{FolderPath, UidSet};
use crate::matching::Pairing;
use crate::plan::folders::Placed;
use crate::plan::on_disk::OnDisk;
use crate::plan::pop3_only::Remembered;
use crate::plan::{self, Announcements, FolderPlan, Past, Policy, SourceFolder};
use crate::problem::Problem;
use crate::sink::export::now;
use crate::source::{Examined, Maildrop, MessageList};
use crate::text::printable;
use crate::user::Copies;

impl Check<'_> {
    /// INBOX has become `destination`, which POP3 does not show.
    pub(super) fn judge_lost_uidls(&mut self, destination: &FolderPath) {
        let maildrop = self.finding.maildrop.as_ref();
        let uidls = maildrop.map_or(0, |maildrop| maildrop.sound_uidls());
        if uidls > 0 {
            let name = printable(&destination.to_string());
            let what = format!("INBOX becomes {name}, where POP3 shows none of its {uidls} UIDLs");
            let flaw = Flaw::new(Matter::Uidls, what);
            self.finding.mailbox.flaws.push(flaw);
        }
    }

    /// What an export into an empty target would do with a folder.
    pub(super) fn judge_plan(
        &mut self,
        folder: &Placed,
        examined: &Examined,
        (mut list, mut selected): (MessageList, Option<UidSet>),
        paired: Option<(Pairing, Maildrop)>,
        copies: Option<Copies>,
    ) -> Result<(), Problem> {
        let config = self.context.config;
        let policy = Policy {
            servers: config.target.servers,
            listed: config.target.servers,
            uidls: config.uidls,
            rerun: config.rerun,
        };
        let mut announced = paired.as_ref().map(|(pairing, listing)| {
            Announcements::of_pairs(&list.entries, pairing, &listing.entries)
        });
        let mut collected = None;
        if let (Some(copies), Some(validity), Some(announced)) =
            (copies, examined.uid_validity, &mut announced)
        {
            self.judge_copies(&copies);
            let marks = (validity, examined.uid_next);
            let target = (&OnDisk::default(), &Remembered::default());
            let joined = copies.join(&mut list, &mut selected, announced, marks, target)?;
            collected = Some(joined.digests);
        }
        let path = &folder.listed.path;
        let foretold = |validity| {
            let source = SourceFolder {
                owner: &self.user.name,
                path,
                validity,
                uid_next: examined.uid_next.unwrap_or(1),
                in_root: folder.destination.is_inbox(),
                entries: &list.entries,
                selected: selected.as_ref(),
                keywords: &list.keywords,
                uidls: announced.as_ref(),
                digests: None,
                collected: collected.as_deref(),
                is_whole: true,
            };
            foretold(&source, policy)
        };
        let plan = examined.uid_validity.map(foretold).transpose()?;
        let mailbox = &mut self.finding.mailbox;
        if let Some(plan) = plan.as_ref().filter(|_| policy.servers.dovecot) {
            mailbox.judge_keywords(path, &plan.homeless_keywords);
        }
        if let Some((pairing, listing)) = paired {
            let mut uidls = Uidls::of(&pairing, &listing);
            mailbox.flaws.extend(uidls.flaws(&pairing, &policy.uidls));
            if let Some(plan) = plan {
                mailbox.judge_order(&plan, policy);
                uidls.kept = plan.uidls;
                uidls.max_date_shift = policy.servers.qmail.then_some(plan.max_date_shift);
            }
            mailbox.uidls = Some(uidls);
        }
        Ok(())
    }

    fn judge_copies(&mut self, copies: &Copies) {
        let count = copies.refused.len();
        if count > 0 {
            let what =
                format!("{count} messages that POP3 shows are in folders that did not show them");
            let flaw = Flaw::new(Matter::Uidls, what);
            self.finding.mailbox.flaws.push(flaw);
        }
    }
}

impl Mailbox {
    /// Places at which the new servers would list INBOX in another order.
    fn judge_order(&mut self, plan: &FolderPlan, policy: Policy) {
        let breaks = [
            (plan.order_breaks, "the dates do not keep the POP3 order"),
            (
                plan.name_breaks,
                "Courier lists by name, which does not keep the POP3 order",
            ),
        ];
        let accepted = policy.uidls.unholdable == Unholdable::Report;
        for (count, what) in breaks.into_iter().filter(|(count, _)| *count > 0) {
            let flaw = Flaw::new(Matter::Order, format!("{what} in {count} places"));
            self.flaws.push(flaw.accepted_if(accepted));
        }
    }
}

/// The plan of an export into an empty target, which lets pass what the target cannot hold: that
/// has been looked at before.
fn foretold(source: &SourceFolder<'_>, policy: Policy) -> Result<FolderPlan, Problem> {
    let mut policy = policy;
    policy.uidls.unholdable = Unholdable::Report;
    plan::plan(source, &Past::default(), &OnDisk::default(), &policy, now())
}
