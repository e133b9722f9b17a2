//! A plan as lines for people.

use super::on_disk::OnDisk;
use super::{FolderPlan, Policy, SourceFolder, Step};
use crate::mail::FolderPath;
use crate::naming::MaildirFolder;
use crate::text::{counted, printable};

/// What would be done in one folder, given its name on the target and where that lies; a folder
/// that is up to date has one line that says so.
pub fn lines(
    source: &SourceFolder<'_>,
    (destination, target): (&FolderPath, &MaildirFolder),
    disk: &OnDisk,
    plan: &FolderPlan,
    policy: &Policy,
) -> Vec<String> {
    let mut steps = Vec::new();
    let (mut redated, mut renamed, mut reflagged) = (0, 0, 0);
    for step in &plan.steps {
        match step {
            Step::CreateFolder => steps.push(format!("create {}", printable(&target.to_string()))),
            Step::ReserveValidity => steps.push(format!("set UIDVALIDITY {}", source.validity)),
            Step::WriteKeywords => steps.push("write dovecot-keywords".to_owned()),
            Step::Rename { to, .. } => {
                renamed += u64::from(to.base.is_some());
                reflagged += u64::from(to.suffix.is_some());
            }
            Step::Redate { .. } => redated += 1,
            Step::RemoveIndexes => steps.push("remove dovecot.index".to_owned()),
            Step::WriteCourierKeywords => steps.push("write courierimapkeywords".to_owned()),
            Step::Deliver { .. } | Step::Arrange | Step::WriteUidList => {}
        }
    }
    if plan.deliveries > 0 {
        let messages = counted(plan.deliveries, "message");
        steps.push(format!("fetch {messages}, {} bytes", plan.bytes));
    }
    if renamed > 0 {
        let messages = counted(renamed, "message");
        steps.push(format!("rename {messages}"));
    }
    if reflagged > 0 {
        steps.push(format!("set flags of {}", counted(reflagged, "message")));
    }
    if !plan.removals.is_empty() {
        let messages = counted(plan.removals.len() as u64, "message");
        steps.push(format!("delete {messages}"));
    }
    if plan.moved > 0 {
        steps.push(format!(
            "give {} of the target's own another UID",
            counted(plan.moved, "message")
        ));
    }
    if redated > 0 || plan.steps.contains(&Step::Arrange) {
        steps.push("set dates to the POP3 order".to_owned());
    }
    if plan.steps.contains(&Step::WriteUidList) {
        let lists = policy.lists(target.is_root());
        let verb = if disk.uidlist.is_some() {
            "update"
        } else {
            "write"
        };
        let names = lists
            .own
            .into_iter()
            .chain(lists.courier.then_some("courierimapuiddb"));
        let names: Vec<&str> = names.collect();
        if !names.is_empty() {
            steps.push(format!("{verb} {}", names.join(" and ")));
        }
    }
    if steps.is_empty() {
        steps.push("nothing to do".to_owned());
    }
    let mut name = printable(&source.path.to_string());
    if destination != source.path {
        name.push_str(&format!(" -> {}", printable(&destination.to_string())));
    }
    let mut line = format!("  {name}: {}", steps.join("; "));
    if plan.kept > 0 {
        line.push_str(&format!(" ({} there already)", plan.kept));
    }
    let mut lines = vec![line];
    if plan.uidls > 0 {
        let mut uidls = format!(
            "    kept, with their order: {}",
            counted(plan.uidls, "UIDL")
        );
        if plan.max_date_shift > 0 {
            uidls.push_str(&format!(
                "; for the order dates move by up to {} s",
                plan.max_date_shift
            ));
        }
        lines.push(uidls);
    }
    lines
}
