//! The parts of `scripts/bench` that have to be light: what measures, the line between a client
//! and a server far away, and the plainest reader of a server's mail.
//!
//! An example to cargo, so that it is built by `cargo build --example bench` and never installed.

#[path = "../all/support/busy.rs"]
mod busy;
#[allow(dead_code, reason = "the faults are for tests")]
#[path = "../all/support/far_away.rs"]
mod far_away;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};

#[derive(Debug, Parser)]
enum Task {
    /// Run a command and write "WALL USER SYSTEM KIB STATUS" to a file: seconds, the peak memory of
    /// the largest process, and its exit status, with all children that were waited for.
    ///
    /// A process of its own for each, because the system keeps these sums for all children of a
    /// process, and because a child's peak begins with that of the process it was forked from.
    Run {
        #[arg(long)]
        to: PathBuf,
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
    /// Put a server at a distance; prints the port to connect to and ends with standard input.
    Proxy {
        host: String,
        port: u16,
        /// Round trip in milliseconds.
        #[arg(long, default_value_t = 0)]
        rtt: u64,
        /// Bytes a second in each direction of each connection.
        #[arg(long)]
        rate: Option<u64>,
    },
    /// Make a server busy; prints the port to connect to and ends with standard input.
    Busy {
        host: String,
        port: u16,
        /// Bytes a second that one connection gets alone.
        #[arg(long)]
        alone: u64,
        /// So many connections get as much each.
        #[arg(long)]
        knee: usize,
        /// Percent of all that are lost with each connection beyond.
        #[arg(long)]
        fall: u64,
    },
    /// Read all messages of a user's INBOX over IMAP and throw them away; prints the bytes read.
    Read {
        port: u16,
        user: String,
        password: String,
        /// TLS to localhost, whose certificate is signed by this authority.
        #[arg(long)]
        tls: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Run { to, command } => run(&to, &command),
        Task::Proxy {
            host,
            port,
            rtt,
            rate,
        } => proxy(&host, port, Duration::from_millis(rtt), rate),
        Task::Busy {
            host,
            port,
            alone,
            knee,
            fall,
        } => busy::start(&host, port, busy::Busy { alone, knee, fall })
            .map_err(Into::into)
            .and_then(stand),
        Task::Read {
            port,
            user,
            password,
            tls,
        } => read(port, &user, &password, tls.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(to: &Path, command: &[OsString]) -> Result<(), Box<dyn Error>> {
    let [program, arguments @ ..] = command else {
        return Err("no command".into());
    };
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .status()?;
    let wall = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec().unsigned_abs())
            + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    let line = format!(
        "{wall:.6} {:.6} {:.6} {} {}\n",
        seconds(usage.user_time()).as_secs_f64(),
        seconds(usage.system_time()).as_secs_f64(),
        usage.max_rss(),
        status.code().unwrap_or(-1),
    );
    std::fs::write(to, line)?;
    Ok(())
}

fn proxy(
    host: &str,
    port: u16,
    round_trip: Duration,
    rate: Option<u64>,
) -> Result<(), Box<dyn Error>> {
    stand(far_away::start(
        host,
        port,
        far_away::Line { round_trip, rate },
    )?)
}

/// Says where it listens, and stays until standard input ends.
fn stand(port: u16) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    writeln!(out, "{port}")?;
    out.flush()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn read(port: u16, user: &str, password: &str, tls: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let plain = TcpStream::connect(("127.0.0.1", port))?;
    plain.set_nodelay(true)?;
    let bytes = match tls {
        None => read_all(plain, user, password)?,
        Some(authority) => {
            let authority = native_tls::Certificate::from_pem(&std::fs::read(authority)?)?;
            let connector = native_tls::TlsConnector::builder()
                .add_root_certificate(authority)
                .build()?;
            read_all(connector.connect("localhost", plain)?, user, password)?
        }
    };
    writeln!(io::stdout(), "{bytes}")?;
    Ok(())
}

fn read_all(
    mut stream: impl Read + Write,
    user: &str,
    password: &str,
) -> Result<u64, Box<dyn Error>> {
    let mut bytes = answer(&mut stream, "* ")?;
    for command in [
        &format!("LOGIN {user} {password}"),
        "EXAMINE INBOX",
        "UID FETCH 1:* (BODY.PEEK[])",
        "LOGOUT",
    ] {
        stream.write_all(format!("z {command}\r\n").as_bytes())?;
        bytes += answer(&mut stream, "z OK")?;
    }
    Ok(bytes)
}

/// Reads until what has come ends in a line that begins with `begin`; nothing else is looked at.
fn answer(stream: &mut impl Read, begin: &str) -> Result<u64, Box<dyn Error>> {
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    let mut tail: Vec<u8> = Vec::new();
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err("the server hung up".into());
        }
        bytes += length as u64;
        // A tagged answer is shorter than this, even Dovecot's to LOGIN.
        tail.extend_from_slice(&buffer[length.saturating_sub(1000)..length]);
        tail.drain(..tail.len().saturating_sub(1000));
        if let Some(lines) = tail.strip_suffix(b"\r\n") {
            let last = lines.rsplit(|&byte| byte == b'\n').next();
            if last.is_some_and(|line| line.starts_with(begin.as_bytes())) {
                return Ok(bytes);
            }
        }
    }
}
