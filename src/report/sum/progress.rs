//! How the users stood over time.

use jiff::Timestamp;

use super::{Point, Run};
use crate::report::{Status, Totals};

/// How `users` users stood at each end of a run.
pub(super) fn points(runs: &[Run], outcomes: &[Vec<(usize, Status)>], users: usize) -> Vec<Point> {
    let mut ends: Vec<(Timestamp, usize)> = runs
        .iter()
        .enumerate()
        .map(|(place, run)| (run.finished, place))
        .collect();
    ends.sort_unstable();
    // The run that says how each user stands: of those that have ended, the one that began last.
    let mut standing: Vec<Option<(usize, Status)>> = vec![None; users];
    let mut counts = Totals::default();
    let mut points: Vec<Point> = Vec::new();
    for (at, run) in ends {
        for (user, status) in &outcomes[run] {
            let known = &mut standing[*user];
            match known {
                Some((by, _)) if *by > run => continue,
                Some((_, before)) => *bucket(&mut counts, *before) -= 1,
                None => {}
            }
            *known = Some((run, *status));
            *bucket(&mut counts, *status) += 1;
        }
        let point = Point {
            at,
            ok: counts.ok,
            partial: counts.partial,
            failed: counts.failed,
            to_come: users as u64 - counts.ok - counts.partial - counts.failed,
        };
        match points.last_mut() {
            Some(last) if last.at == at => *last = point,
            _ => points.push(point),
        }
    }
    points
}

fn bucket(counts: &mut Totals, status: Status) -> &mut u64 {
    match status {
        Status::Ok => &mut counts.ok,
        Status::Partial => &mut counts.partial,
        Status::Failed => &mut counts.failed,
    }
}
