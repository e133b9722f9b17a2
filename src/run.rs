//! All users, side by side: a rayon pool of its own, one user after the other in each thread, a fence
//! against panics around each; what comes out is gathered as each is done. Whose turn it is is said by
//! [`crate::source::net::hosts`].

mod per_user;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    let dialer = dialer(config)?.compressing(config.compress);
    let syncer = Arc::new(Syncer::default());
    side_by_side(
        (config, &dialer),
        gathered,
        progress,
        stop,
        |user, log, (turn, progress)| {
            let context = Context {
                config,
                dialer: &dialer,
                turn,
                syncer: &syncer,
                space,
                progress,
                stop,
            };
            user::run(user, context, log)
        },
    )
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
    let dialer = dialer(config)?.compressing(config.compress);
    side_by_side(
        (config, &dialer),
        gathered,
        progress,
        stop,
        |user, log, (turn, _)| {
            let context = check::Context {
                config,
                dialer: &dialer,
                turn,
                stop,
            };
            check::run(user, context, log)
        },
    )
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
    let dialer = dialer(config)?;
    side_by_side(
        (config, &dialer),
        gathered,
        progress,
        stop,
        |user, log, (turn, _)| {
            let context = verify::Context {
                config,
                verification,
                dialer: &dialer,
                turn,
                stop,
            };
            verify::run(user, context, log)
        },
    )
}

fn dialer(config: &Config) -> Result<Dialer, Problem> {
    let dialer = Dialer::new(&config.tls, config.timeout)?;
    Ok(dialer.paced(config.pacing).for_jobs(config.jobs))
}

fn side_by_side<R: PerUser, T: Tally<Of = R>>(
    (config, dialer): (&Config, &Dialer),
    gathered: &mut Gathered<T>,
    progress: &Progress,
    stop: &AtomicBool,
    task: impl Fn(&User, &UserLog, (&Turn<'_>, &UserProgress)) -> R + Sync,
) -> Result<bool, Problem> {
    let hosts = dialer.hosts();
    let is_left = AtomicBool::new(false);
    let asked = Arc::clone(hosts);
    progress.ask_hosts(move || asked.loads().into_iter().map(host_stand).collect());
    let fenced = |user: &User, turn: Turn<'_>| {
        if stop.load(Ordering::Relaxed) {
            is_left.store(true, Ordering::Relaxed);
            return R::ended(&user.name, 0, not_begun());
        }
        if let Some(problem) = turn.closed() {
            return R::ended(&user.name, 0, problem);
        }
        let watched = progress.user_begun(&user.name);
        let log = UserLog::new(config.report.as_deref(), &user.name);
        let result = fenced(user, &log, |user, log| task(user, log, (&turn, &watched)));
        turn.done(result.login());
        if result.stops_the_run() {
            stop.store(true, Ordering::Relaxed);
        }
        result
    };
    // Users of one Maildir come one after the other, since only one can hold its lock.
    let groups = config.users.groups();
    let followers: HashSet<usize> = groups.values().flat_map(|all| &all[1..]).copied().collect();
    let firsts = (0..config.users.len()).filter(|at| !followers.contains(at));
    // Not rayon's global pool: users wait for servers far more than they compute. As many threads again
    // are there for those who take the place of a user that has to wait.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(config.jobs.saturating_mul(2).min(config.users.len()).max(1))
        .stack_size(STACK)
        .thread_name(|number| format!("user-{number}"))
        .build()
        .map_err(|error| {
            Problem::new(Kind::Input, Reach::Run, "cannot start so many threads")
                .with_hint("give a smaller --jobs")
                .caused_by(error)
        })?;
    let waiting = firsts.map(|at| (config.users.hosts(at).to_vec(), at));
    let queue = Mutex::new(Queue::new(waiting));
    let one = |at: usize, turn: Turn<'_>| match config.users.get(at) {
        Ok(user) => fenced(&user, turn),
        Err(problem) => {
            let name = config.users.name(at);
            let name = name.unwrap_or_else(|_| config.users.line(at));
            let result = R::ended(&name, 0, problem);
            if result.stops_the_run() {
                stop.store(true, Ordering::Relaxed);
            }
            result
        }
    };
    let gathered = Mutex::new((gathered, None));
    let put_away = |at, result: R| {
        let class = result.problems().first().map(|problem| problem.kind);
        progress.user_done(result.status(), class);
        let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let (results, failed) = &mut *gathered;
        // What cannot be told is not to be done: the rest is for the next run.
        if failed.is_none()
            && let Err(problem) = results.add(at, result)
        {
            *failed = Some(problem);
            stop.store(true, Ordering::Relaxed);
        }
    };
    pool.broadcast(|_| {
        while let Some((turn, first)) = hosts.next(&queue, stop) {
            let mut turn = Some(turn);
            for at in groups.get(&first).map_or(&[first][..], Vec::as_slice) {
                let of_user = || config.users.hosts(*at).to_vec();
                let turn = turn.take();
                let turn = turn.unwrap_or_else(|| hosts.enter(of_user(), stop));
                put_away(*at, one(*at, turn));
            }
        }
    });
    hosts.tell();
    let (_, failed) = gathered
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(is_left.into_inner()), Err)
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
