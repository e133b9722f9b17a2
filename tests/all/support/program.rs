//! Running the program under test.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a finished run of mailseed left.
#[derive(Debug)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Largest resident memory seen, in KiB. Sampled: the last 10 ms of the run are not in it.
    pub peak_rss_kib: u64,
}

/// Runs mailseed with `arguments`, for two minutes at most.
///
/// # Panics
/// When it does not end in time; it is killed.
pub fn mailseed<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    let mut command = mailseed_command();
    command.args(arguments);
    run(command, Duration::from_secs(120))
}

/// The program under test, for a test that sets more than arguments. No job-array or MAILSEED_
/// variable of the caller gets in.
pub fn mailseed_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailseed"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if [
            "MAILSEED_",
            "SLURM_",
            "PBS_",
            "SGE_",
            "LSB_",
            "AWS_BATCH_",
            "JOB_COMPLETION_",
            "PARALLEL_",
        ]
        .iter()
        .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs `command` to its end, without standard input.
///
/// # Panics
/// When it does not end within `limit`, or as much longer as the machine is busy ([`patience`]); it is killed.
pub fn run(mut command: Command, limit: Duration) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());

    let started = Instant::now();
    let mut peak_rss_kib = 0;
    let status = loop {
        peak_rss_kib = peak_rss_kib.max(peak_rss_kib_of(&child));
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break Some(status);
        }
        if started.elapsed() > limit && started.elapsed() > patience(limit) {
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let stdout = stdout.join().expect("a reader does not panic");
    let stderr = stderr.join().expect("a reader does not panic");
    let Some(status) = status else {
        panic!("{command:?} did not end within {limit:?}\n{stdout}\n{stderr}");
    };
    Output {
        code: status.code(),
        stdout,
        stderr,
        peak_rss_kib,
    }
}

/// How long to wait for what takes no more than `limit` on a machine that has nothing else to do: as much longer
/// as there is more to run than processors.
pub fn patience(limit: Duration) -> Duration {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|load| load.parse().ok());
    let processors = thread::available_parallelism().map_or(1, |count| count.get());
    limit.mul_f64((load.unwrap_or(0.0) / processors as f64).max(1.0))
}

/// Starts `command`, which is to say nothing, and kills it when `time` has passed. Returns how it had ended
/// before, if it had.
pub fn killed_after(mut command: Command, time: Duration) -> Option<ExitStatus> {
    command.stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("mailseed was built");
    thread::sleep(time);
    let ended = child.try_wait().expect("the child is ours");
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
    ended
}

/// Reads a pipe to its end beside the child, which would block on a full one.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    let mut pipe = pipe.expect("asked for when the child was started");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes)
            .expect("a pipe can be read to its end");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The high-water mark of resident memory; 0 when the child is gone.
fn peak_rss_kib_of(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    status
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}
