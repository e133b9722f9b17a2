//! All users, side by side: a rayon pool of its own, one user after the other in each thread, a fence
//! against panics around each; what comes out is gathered as each is done. Whose turn it is is said by
//! [`crate::source::net::hosts`].

mod per_user;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;

use self::per_user::PerUser;
use crate::check;
use crate::config::{Config, User, Verification};
use crate::logging;
use crate::problem::{Kind, Problem, Reach};
use crate::progress::stand::HostStand;
use crate::progress::{Progress, UserProgress};
use crate::report::sizes::{Sizes, largest_first};
use crate::report::{CheckReport, ExportReport, Gathered, Tally, UserLog, VerifyReport};
use crate::sink::sync::Syncer;
use crate::source::net::Dialer;
use crate::source::net::hosts::{Load, Queue, Turn};
use crate::space::Space;
use crate::user::{self, Context};
use crate::verify;

/// Stack of a worker thread, in bytes. Nothing here recurses.
const STACK: usize = 2 << 20;

/// Works on all users of `config`, as far as there is `space`. `stop` may be set from outside (a signal); it
/// is set here when one user meets a problem that every other would meet too. Whether users were not begun
/// because of that.
///
/// # Errors
/// Nothing was started: a CA file that cannot be read, threads that cannot be made (kind Input or Tls). The
/// results cannot be put away, which has stopped it (kind Target).
pub fn run(
    (config, space): (&Config, &Space),
    gathered: &mut Gathered<ExportReport>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<bool, Problem> {
    let work = Work::new(
        config,
        dialer(config)?.compressing(config.compress),
        progress,
        stop,
    );
    let syncer = Arc::new(Syncer::default());
    work.on_all(gathered, |user, log, (turn, progress)| {
        let context = Context {
            config,
            dialer: &work.dialer,
            turn,
            syncer: &syncer,
            space,
            progress,
            stop,
        };
        user::run(user, context, log)
    })
}

/// Checks all users of `config`; `stop` as for [`run`].
///
/// # Errors
/// As for [`run`].
pub fn check(
    config: &Config,
    gathered: &mut Gathered<CheckReport>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<bool, Problem> {
    let work = Work::new(
        config,
        dialer(config)?.compressing(config.compress),
        progress,
        stop,
    );
    work.on_all(gathered, |user, log, (turn, _)| {
        let context = check::Context {
            config,
            dialer: &work.dialer,
            turn,
            stop,
        };
        check::run(user, context, log)
    })
}

/// Verifies all users of `config`; `stop` as for [`run`].
///
/// # Errors
/// As for [`run`].
pub fn verify(
    config: &Config,
    verification: &Verification,
    gathered: &mut Gathered<VerifyReport>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<bool, Problem> {
    let work = Work::new(config, dialer(config)?, progress, stop);
    work.on_all(gathered, |user, log, (turn, _)| {
        let context = verify::Context {
            config,
            verification,
            dialer: &work.dialer,
            turn,
            stop,
        };
        verify::run(user, context, log)
    })
}

fn dialer(config: &Config) -> Result<Dialer, Problem> {
    let dialer = Dialer::new(&config.tls, config.timeout)?;
    Ok(dialer.paced(config.pacing).for_jobs(config.jobs))
}

/// What is done with all users, whatever it is.
struct Work<'w> {
    config: &'w Config,
    dialer: Dialer,
    progress: &'w Progress,
    stop: &'w AtomicBool,
    /// Users were not begun, because it was to stop.
    is_left: AtomicBool,
}

impl<'w> Work<'w> {
    fn new(
        config: &'w Config,
        dialer: Dialer,
        progress: &'w Progress,
        stop: &'w AtomicBool,
    ) -> Self {
        Self {
            config,
            dialer,
            progress,
            stop,
            is_left: AtomicBool::new(false),
        }
    }

    /// Does `task` for each user, and has what comes of it gathered; whether users are left.
    fn on_all<R: PerUser, T: Tally<Of = R>>(
        &self,
        gathered: &mut Gathered<T>,
        task: impl Fn(&User, &UserLog, (&Turn<'_>, &UserProgress)) -> R + Sync,
    ) -> Result<bool, Problem> {
        let hosts = self.dialer.hosts();
        let asked = Arc::clone(hosts);
        let loads = move || asked.loads().into_iter().map(host_stand).collect();
        self.progress.ask_hosts(loads);
        let users = &self.config.users;
        let groups = users.groups();
        let queue = self.queue();
        let results = Results {
            gathered: Mutex::new((gathered, None)),
            stop: self.stop,
        };
        self.pool()?.broadcast(|_| {
            while let Some((turn, first)) = hosts.next(&queue, self.stop) {
                let mut turn = Some(turn);
                for at in groups.get(&first).map_or(&[first][..], Vec::as_slice) {
                    let of_user = || users.hosts(*at).to_vec();
                    let turn = turn.take();
                    let turn = turn.unwrap_or_else(|| hosts.enter(of_user(), self.stop));
                    let result = self.on_one(*at, turn, &task);
                    let class = result.problems().first().map(|problem| problem.kind);
                    self.progress.user_done(result.status(), class);
                    results.take(*at, result);
                }
            }
        });
        hosts.tell();
        results.end()?;
        Ok(self.is_left.load(Ordering::Relaxed))
    }

    /// Threads of its own, not those of rayon's global pool: users wait for servers far more than they
    /// compute. As many threads again are there for those who take the place of a user that has to wait.
    fn pool(&self) -> Result<rayon::ThreadPool, Problem> {
        let (jobs, users) = (self.config.jobs, self.config.users.len());
        rayon::ThreadPoolBuilder::new()
            .num_threads(jobs.saturating_mul(2).min(users).max(1))
            .stack_size(STACK)
            .thread_name(|number| format!("user-{number}"))
            .build()
            .map_err(|error| {
                Problem::new(Kind::Input, Reach::Run, "cannot start so many threads")
                    .with_hint("give a smaller --jobs")
                    .caused_by(error)
            })
    }

    /// Those who wait for their turn. Users of one Maildir come one after the other, since only one can hold
    /// its lock: the first of them waits for all.
    fn queue(&self) -> Mutex<Queue<usize>> {
        let users = &self.config.users;
        let groups = users.groups().values();
        let followers: HashSet<usize> = groups.flat_map(|all| &all[1..]).copied().collect();
        let firsts = (0..users.len()).filter(|at| !followers.contains(at));
        let waiting = in_order(self.config, firsts.collect()).into_iter();
        Mutex::new(Queue::new(waiting.map(|at| (users.hosts(at).to_vec(), at))))
    }

    /// Does `task` for the user at place `at` of the list.
    fn on_one<R: PerUser>(
        &self,
        at: usize,
        turn: Turn<'_>,
        task: impl Fn(&User, &UserLog, (&Turn<'_>, &UserProgress)) -> R,
    ) -> R {
        let users = &self.config.users;
        let result = match users.get(at) {
            Ok(user) if self.stop.load(Ordering::Relaxed) => {
                self.is_left.store(true, Ordering::Relaxed);
                R::ended(&user.name, 0, not_begun())
            }
            Ok(user) => match turn.closed() {
                Some(problem) => R::ended(&user.name, 0, problem),
                None => {
                    let watched = self.progress.user_begun(&user.name);
                    let log = UserLog::new(self.config.report.as_deref(), &user.name);
                    let task = |user: &User, log: &UserLog| task(user, log, (&turn, &watched));
                    let result = fenced(&user, &log, task);
                    turn.done(result.login());
                    result
                }
            },
            Err(problem) => {
                let name = users.name(at).unwrap_or_else(|_| users.line(at));
                R::ended(&name, 0, problem)
            }
        };
        if result.stops_the_run() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// Where the results of all threads go.
struct Results<'w, T> {
    /// With what went wrong when one was put away.
    gathered: Mutex<(&'w mut Gathered<T>, Option<Problem>)>,
    stop: &'w AtomicBool,
}

impl<T: Tally> Results<'_, T> {
    fn take(&self, at: usize, result: T::Of) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let (results, failed) = &mut *gathered;
        // What cannot be told is not to be done: the rest is for the next run.
        if failed.is_none()
            && let Err(problem) = results.add(at, result)
        {
            *failed = Some(problem);
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// # Errors
    /// One of them could not be put away.
    fn end(self) -> Result<(), Problem> {
        let gathered = self.gathered.into_inner();
        let (_, failed) = gathered.unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }
}

/// What is told of a host that gets less than could be.
fn host_stand(load: Load) -> HostStand {
    let until = logging::now().checked_add(load.rest).ok();
    HostStand {
        host: load.host,
        rests_until: until.filter(|_| !load.rest.is_zero()),
        users_at_most: load.users_at_most.map(|users| users as u64),
        closed: load.is_closed,
    }
}

/// The places of those who begin, the largest first as far as earlier reports tell: that which this run
/// replaces, and those of `--history`. A size that is of several users is that of all who come in turn.
fn in_order(config: &Config, firsts: Vec<usize>) -> Vec<usize> {
    let dirs = config.history.iter().chain(&config.report);
    let sizes = Sizes::read(dirs.map(PathBuf::as_path));
    if sizes.is_empty() {
        return firsts;
    }
    let groups = config.users.groups();
    let size = |at: usize| {
        let alone = [at];
        let all = groups.get(&at).map_or(&alone[..], Vec::as_slice);
        // Whoever cannot be read says so when its turn comes.
        let names = all.iter().filter_map(|at| config.users.name(*at).ok());
        let known = names.filter_map(|name| sizes.of(&name));
        known.reduce(u64::saturating_add)
    };
    let sized = firsts.into_iter().map(|at| (at, size(at)));
    largest_first(sized.collect())
}

/// One user behind a fence: a panic is this user's failure.
fn fenced<R: PerUser>(user: &User, log: &UserLog, task: impl Fn(&User, &UserLog) -> R) -> R {
    let result = guarded(&user.name, || task(user, log));
    let error = result.error();
    if error.is_empty() {
        log.line(Level::INFO, "done");
    } else {
        log.line(Level::ERROR, error);
    }
    result
}

/// What `work` gives for the user of that name; where it panics, that user's failure.
fn guarded<R: PerUser>(name: &str, work: impl FnOnce() -> R) -> R {
    // What may be left half-changed is this user's own, and goes.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| R::ended(name, 1, internal(panic.as_ref())))
}

fn not_begun() -> Problem {
    let what = "not begun: the run was stopped before this user's turn";
    Problem::new(Kind::Stopped, Reach::User, what).with_hint("run it again to go on")
}

fn internal(panic: &(dyn std::any::Any + Send)) -> Problem {
    let words = panic
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it gave no reason".to_owned());
    let what = format!("a fault in mailseed stopped this user: {words}");
    Problem::new(Kind::Internal, Reach::User, what)
        .with_hint("run it again; if it comes back, report it with the user's log")
}

#[cfg(test)]
mod tests {
    use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

    use super::*;
    use crate::report::{Status, UserReport};
    use crate::user::Outcome;

    fn outcome(name: &str) -> Outcome {
        Outcome::without_plan(UserReport::new(name))
    }

    #[test]
    fn a_panic_is_the_failure_of_one_user() {
        let users = ["a", "odd", "b", "words", "c"];
        let outcomes: Vec<Outcome> = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("a thread")
            .install(|| {
                users
                    .par_iter()
                    .map(|name| {
                        guarded(name, || match *name {
                            "odd" => std::panic::panic_any(7),
                            "words" => panic!("no place for {}", 8),
                            _ => outcome(name),
                        })
                    })
                    .collect()
            });
        let told: Vec<_> = outcomes
            .iter()
            .map(|outcome| (outcome.report.user.as_str(), outcome.report.error()))
            .collect();
        let hint = "(hint: run it again; if it comes back, report it with the user's log)";
        let fault = "internal: a fault in mailseed stopped this user:";
        let want = [
            ("a", String::new()),
            ("odd", format!("{fault} it gave no reason {hint}")),
            ("b", String::new()),
            ("words", format!("{fault} no place for 8 {hint}")),
            ("c", String::new()),
        ];
        assert_eq!(told, want);
        assert_eq!(outcomes[1].report.status(), Status::Failed);
        assert_eq!(outcomes[1].report.attempts, 1);
        assert!(!outcomes[3].report.problems[0].retry);
    }
}
