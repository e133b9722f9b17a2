//! Which run says how a user stands, and how the users stood over time.
//!
//! Runs are ordered by when they began, which `run.json` tells. Those that have no user in common are
//! shards, or parts of the list one after the other; of a user that is in several the latest counts. So
//! each user is counted once, and a re-run of those that had failed replaces just their rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::{Load, Look, Run, Standing, Sum, progress};
use crate::problem::{Kind, Problem, Reach};
use crate::report::journal::Cut;
use crate::report::read::{Checked, Found, Rows, Verified, VerifiedUser};
use crate::report::{RunReport, Status, UserReport};

impl Sum {
    /// Sums what was found in report directories, in whatever order they are named.
    ///
    /// # Errors
    /// One run is there twice; or nothing is there but dry runs (reach Run, kind Input).
    pub fn of(found: Vec<Found>) -> Result<Self, Vec<Problem>> {
        let mut gather = Gather::default();
        let mut runs = Vec::new();
        let mut checks = Vec::new();
        let mut verifies = Vec::new();
        for found in found {
            match found.run {
                Some(run) if run.dry_run => {
                    let dir = found.dir.display();
                    let note = format!("{dir} is of a dry run, which moves nothing: left out");
                    gather.sum.notes.push(note);
                }
                Some(run) => runs.push((found.dir.clone(), run)),
                None => {}
            }
            if let Some(cut) = found.cut {
                gather.sum.notes.push(cut_short(&found.dir, &cut));
                let run = cut.run.filter(|run| !run.dry_run);
                runs.extend(run.map(|run| (found.dir, run)));
            }
            checks.extend(found.check);
            verifies.extend(found.verify);
        }
        runs.sort_by_key(|(_, run)| (run.started, run.finished));
        checks.sort_by_key(|it| it.written);
        verifies.sort_by_key(|it| it.written);
        for (dir, run) in runs {
            gather.run(&dir, run);
        }
        for check in checks {
            gather.check(check);
        }
        for verify in verifies {
            gather.verify(verify);
        }
        gather.end()
    }
}

fn cut_short(dir: &Path, cut: &Cut) -> String {
    let Cut { head, done, .. } = cut;
    let left = head.users.saturating_sub(*done);
    format!(
        "{}: the {} that began {} did not come to its end, or is still at work: {done} of its {} users \
         are done with, {left} are left; run it again to go on",
        dir.display(),
        head.command,
        head.started,
        head.users,
    )
}

/// A sum in the making.
#[derive(Default)]
struct Gather {
    sum: Sum,
    /// Where each user is in the sum.
    places: HashMap<String, usize>,
    /// How each run found its users to be, for the progress.
    outcomes: Vec<Vec<(usize, Status)>>,
    loads: HashMap<usize, Load>,
    /// Users of whom the sums do not close.
    open: usize,
    /// A user in two runs at the same time, and how many there are.
    overlap: Option<(String, usize)>,
    faults: Vec<Problem>,
}

impl Gather {
    fn run(&mut self, dir: &Path, run: RunReport) {
        let place = self.sum.runs.len();
        self.sum.runs.push(Run {
            dir: dir.to_owned(),
            started: run.started,
            finished: run.finished,
            totals: run.totals(),
            collects: !run.options["pop3-collect"].is_null(),
        });
        let mut outcomes = Vec::with_capacity(run.users.len());
        let mut same = None;
        for report in run.users {
            let status = report.status();
            self.open += usize::from(!report.closes());
            let load = load(&report);
            let user = match self.places.entry(report.user.clone()) {
                Entry::Vacant(entry) => {
                    let user = *entry.insert(self.sum.users.len());
                    self.sum.users.push(Standing::new(report, Some(place)));
                    user
                }
                Entry::Occupied(entry) => {
                    let user = *entry.get();
                    let standing = &mut self.sum.users[user];
                    let before = standing.run.map(|before| &self.sum.runs[before]);
                    if let Some(before) = before
                        && before.finished > run.started
                    {
                        if (before.started, before.finished) == (run.started, run.finished) {
                            same = Some((before.dir.clone(), report.user.clone()));
                        }
                        let first = || (report.user.clone(), 0);
                        self.overlap.get_or_insert_with(first).1 += 1;
                    }
                    standing.report = report;
                    standing.run = Some(place);
                    standing.runs += 1;
                    user
                }
            };
            if let Some(load) = load {
                self.loads.insert(user, load);
            }
            outcomes.push((user, status));
        }
        self.outcomes.push(outcomes);
        if let Some((other, user)) = same {
            let what = format!(
                "{} and {} are of one run: both have user {user:?}, and began and ended at the same \
                 time",
                other.display(),
                dir.display()
            );
            let problem = Problem::new(Kind::Input, Reach::Run, what);
            self.faults.push(problem.with_hint("name each run once"));
        }
    }

    /// The place of a user that no run may have.
    fn user(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.sum.users.len();
        self.places.insert(name.to_owned(), place);
        let mut report = UserReport::new(name);
        let problem = Problem::new(Kind::Stopped, Reach::User, "not exported yet");
        report.problems.push(problem.with_hint("export this user"));
        self.sum.users.push(Standing::new(report, None));
        place
    }

    fn check(&mut self, check: Rows<Checked>) {
        for row in check.rows {
            let place = self.user(&row.user);
            let standing = &mut self.sum.users[place];
            if standing.run.is_none() {
                standing.checked = Some(row);
            }
        }
    }

    fn verify(&mut self, verify: Verified) {
        for (of, differences) in verify.users {
            let place = self.user(&of.user);
            let standing = &mut self.sum.users[place];
            let last = standing.run.map(|run| self.sum.runs[run].finished);
            if standing.run.is_none() {
                standing.report = seen_by_verify(&of);
            }
            standing.verified = Some(Look {
                of,
                differences,
                at: verify.written,
                is_outdated: last.is_some_and(|last| last > verify.written),
            });
        }
    }

    fn end(mut self) -> Result<Sum, Vec<Problem>> {
        let mut sum = self.sum;
        if sum.users.is_empty() && self.faults.is_empty() {
            let what = match sum.notes.first() {
                Some(note) => format!("there is nothing to report: {note}"),
                None => "there is nothing to report: no run has a user".to_owned(),
            };
            let problem = Problem::new(Kind::Input, Reach::Run, what);
            self.faults.push(problem);
        }
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        if let Some((user, count)) = self.overlap {
            sum.notes.push(format!(
                "{count} users are in two runs at the same time (the first is {user}): do shards \
                 overlap? The run that began later counts"
            ));
        }
        if self.open > 0 {
            let note = format!(
                "the sums of {} users do not close: their messages are not in one bucket each",
                self.open
            );
            sum.notes.push(note);
        }
        sum.progress = progress::points(&sum.runs, &self.outcomes, sum.users.len());
        let mut loads: Vec<_> = self.loads.into_iter().collect();
        loads.sort_unstable_by_key(|(user, _)| *user);
        sum.loads = loads.into_iter().map(|(_, load)| load).collect();
        Ok(sum)
    }
}

impl Standing {
    fn new(report: UserReport, run: Option<usize>) -> Self {
        Self {
            report,
            run,
            runs: u32::from(run.is_some()),
            checked: None,
            verified: None,
        }
    }
}

/// A user of whom no run tells, as a verify has found it: whoever moved a user of whom nothing differs has
/// moved it.
fn seen_by_verify(of: &VerifiedUser) -> UserReport {
    let mut report = UserReport {
        folders: of.folders,
        messages: of.messages,
        ..UserReport::new(of.user.as_str())
    };
    if of.status == Status::Ok {
        report.kept = of.messages;
    } else {
        let what = "no export of this user is among the reports";
        let problem = Problem::new(Kind::Stopped, Reach::User, what);
        let hint = "name the report of its export too, or export it";
        report.problems.push(problem.with_hint(hint));
    }
    report
}

/// What a run shows of how long a whole mailbox takes.
fn load(user: &UserReport) -> Option<Load> {
    let is_whole = user.kept == 0 && user.left_deleted == 0 && user.status() != Status::Failed;
    (is_whole && user.added_bytes > 0 && user.seconds > 0.0).then(|| Load {
        user: user.user.clone(),
        bytes: user.added_bytes,
        seconds: user.seconds,
    })
}
