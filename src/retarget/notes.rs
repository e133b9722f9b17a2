//! What is told of a folder of which the new servers cannot have all.

use super::known::Known;
use crate::config::Servers;
use crate::mail::FolderPath;
use crate::plan::{FolderPlan, describe};
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
    let breaks = describe::order_breaks(plan).into_iter();
    lost.extend(breaks.map(|told| format!("folder {path}: {told}")));
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
