//! What a process takes over its course.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a process took at one moment.
#[derive(Debug, Default, Clone, Copy)]
pub struct Taken {
    /// Memory that is its own or shared, in KiB.
    pub rss_kib: u64,
    /// Open files.
    pub files: u64,
    /// Threads.
    pub threads: u64,
}

/// How a process ended, and what it took.
#[derive(Debug)]
pub struct Course {
    /// Its exit status; `None` if it was killed.
    pub code: Option<i32>,
    /// How long it took.
    pub seconds: f64,
    samples: Vec<Taken>,
}

impl Course {
    /// The most of each that it took in the first and in the last tenth of its course.
    pub fn ends(&self) -> (Taken, Taken) {
        let tenth = self.samples.len().div_ceil(10);
        let last = self.samples.len() - tenth;
        (most(&self.samples[..tenth]), most(&self.samples[last..]))
    }

    /// The most of each.
    pub fn most(&self) -> Taken {
        most(&self.samples)
    }
}

fn most(samples: &[Taken]) -> Taken {
    samples.iter().fold(Taken::default(), |most, one| Taken {
        rss_kib: most.rss_kib.max(one.rss_kib),
        files: most.files.max(one.files),
        threads: most.threads.max(one.threads),
    })
}

/// Runs `command` to its end, what it says going to `log`, and does `beside` every so often, which may
/// end it before.
pub fn watched(
    mut command: Command,
    log: &Path,
    (every, mut beside): (Duration, impl FnMut(&mut Child)),
) -> Course {
    let log = fs::File::create(log).expect("scratch directories are writable");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = child.stderr(log).spawn().expect("it was built");
    let started = Instant::now();
    let mut samples = Vec::new();
    let status = loop {
        samples.extend(taken(child.id()));
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        beside(&mut child);
        thread::sleep(every);
    };
    Course {
        code: status.code(),
        seconds: started.elapsed().as_secs_f64(),
        samples,
    }
}

/// Nothing once it has ended.
fn taken(process: u32) -> Option<Taken> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Taken {
        rss_kib: number("VmRSS:")?,
        threads: number("Threads:")?,
        files: fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64,
    })
}
