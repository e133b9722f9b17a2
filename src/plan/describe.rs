//! A plan as lines for people.

use super::on_disk::OnDisk;
use super::{FolderPlan, Lists, Policy, SourceFolder, Step};
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
    let mut parts = of_steps(source, target, plan);
    parts.extend(of_messages(plan));
    parts.extend(of_lists(policy.lists(target.is_root()), disk, plan));
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
    }
    let mut name = printable(&source.path.to_string());
    if destination != source.path {
        name.push_str(&format!(" -> {}", printable(&destination.to_string())));
    }
    let mut line = format!("  {name}: {}", parts.join("; "));
    if plan.kept > 0 {
        line.push_str(&format!(" ({} there already)", plan.kept));
    }
    let mut lines = vec![line];
    if plan.uidls > 0 {
        let uidls = counted(plan.uidls, "UIDL");
        let mut line = format!("    kept, with their order: {uidls}");
        if plan.max_date_shift > 0 {
            let most = plan.max_date_shift;
            line.push_str(&format!("; for the order dates move by up to {most} s"));
        }
        lines.push(line);
    }
    lines
}

/// Where the target cannot keep the POP3 order.
pub fn order_breaks(plan: &FolderPlan) -> Vec<String> {
    let mut told = Vec::new();
    if plan.name_breaks > 0 {
        let places = counted(plan.name_breaks, "place");
        told.push(format!(
            "Courier lists by name, which does not keep the POP3 order in {places}"
        ));
    }
    if plan.order_breaks > 0 {
        let places = counted(plan.order_breaks, "place");
        told.push(format!("the dates do not keep the POP3 order in {places}"));
    }
    told
}

/// What is made and written besides messages and lists.
fn of_steps(source: &SourceFolder<'_>, target: &MaildirFolder, plan: &FolderPlan) -> Vec<String> {
    let parts = plan.steps.iter().filter_map(|step| match step {
        Step::CreateFolder => Some(format!("create {}", printable(&target.to_string()))),
        Step::ReserveValidity => Some(format!("set UIDVALIDITY {}", source.validity)),
        Step::WriteKeywords => Some("write dovecot-keywords".to_owned()),
        Step::RemoveIndexes => Some("remove dovecot.index".to_owned()),
        Step::WriteCourierKeywords => Some("write courierimapkeywords".to_owned()),
        Step::Deliver { .. }
        | Step::Rename { .. }
        | Step::Redate { .. }
        | Step::Arrange
        | Step::WriteUidList => None,
    });
    parts.collect()
}

/// What becomes of messages.
fn of_messages(plan: &FolderPlan) -> Vec<String> {
    let (mut redated, mut renamed, mut reflagged) = (false, 0, 0);
    for step in &plan.steps {
        match step {
            Step::Rename { to, .. } => {
                renamed += u64::from(to.base.is_some());
                reflagged += u64::from(to.suffix.is_some());
            }
            Step::Redate { .. } | Step::Arrange => redated = true,
            _ => {}
        }
    }
    let messages = |count| counted(count, "message");
    let removed = plan.removals.len() as u64;
    let mut parts = Vec::new();
    if plan.deliveries > 0 {
        let fetched = messages(plan.deliveries);
        parts.push(format!("fetch {fetched}, {} bytes", plan.bytes));
    }
    if renamed > 0 {
        parts.push(format!("rename {}", messages(renamed)));
    }
    if reflagged > 0 {
        parts.push(format!("set flags of {}", messages(reflagged)));
    }
    if removed > 0 {
        parts.push(format!("delete {}", messages(removed)));
    }
    if plan.moved > 0 {
        let moved = messages(plan.moved);
        parts.push(format!("give {moved} of the target's own another UID"));
    }
    if redated {
        parts.push("set dates to the POP3 order".to_owned());
    }
    parts
}

/// Which lists are written.
fn of_lists(lists: Lists, disk: &OnDisk, plan: &FolderPlan) -> Option<String> {
    if !plan.steps.contains(&Step::WriteUidList) {
        return None;
    }
    let verb = match disk.uidlist {
        Some(_) => "update",
        None => "write",
    };
    let courier = lists.courier.then_some("courierimapuiddb");
    let names: Vec<&str> = lists.own.into_iter().chain(courier).collect();
    (!names.is_empty()).then(|| format!("{verb} {}", names.join(" and ")))
}
