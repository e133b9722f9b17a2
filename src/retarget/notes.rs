//! What is told of a folder of which the new servers cannot have all.

use super::known::Known;
use crate::config::Servers;
use crate::mail::FolderPath;
use crate::plan::FolderPlan;
use crate::text::{counted, printable, printable_raw};

/// What the servers `to` will not have of a folder, a line each.
pub(super) fn lost(path: &FolderPath, to: Servers, seen: &Known, plan: &FolderPlan) -> Vec<String> {
    let path = printable(&path.to_string());
    let who = to.by_name();
    let mut lost = Vec::new();
    for (uid, uidl, why) in &plan.unholdable {
        lost.push(format!(
            "folder {path}: UID {uid}: {who} cannot hold the UIDL {uidl}: {why}"
        ));
    }
    if plan.name_breaks > 0 {
        lost.push(format!(
            "folder {path}: Courier lists by name, which does not keep the POP3 order in {} places",
            plan.name_breaks
        ));
    }
    if plan.order_breaks > 0 {
        lost.push(format!(
            "folder {path}: the dates do not keep the POP3 order in {} places",
            plan.order_breaks
        ));
    }
    if !plan.homeless_keywords.is_empty() {
        let keywords = plan.homeless_keywords.join(", ");
        lost.push(format!(
            "folder {path}: keywords that are left out: {}",
            printable(&keywords)
        ));
    }
    for (uid, uidl, why) in &seen.lost_uidls {
        let uidl = printable_raw(uidl);
        lost.push(format!(
            "folder {path}: UID {uid}: the UIDL {uidl} is not kept: {why}"
        ));
    }
    if seen.without_uid > 0 {
        lost.push(format!(
            "folder {path}: {} without a UID of the old servers: new UIDs are given",
            counted(seen.without_uid, "message")
        ));
    }
    lost
}
