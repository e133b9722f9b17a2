//! `--password-command`: fills the user in, runs the command, takes the first line it prints.
//! What it prints, on either output, is never repeated to anyone.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::problem::{Kind, Problem, Reach};
use crate::source::login::Secret;

/// The variable that the password may come in; children do not get it.
pub const PASSWORD_VARIABLE: &str = "MAILSEED_PASSWORD";

/// Longer than any token in use (they reach some 16 KiB).
const LONGEST_LINE: usize = 64 * 1024;

/// How often the end of the command is looked for while its output is silent.
const GLANCE: Duration = Duration::from_millis(20);

/// `command` with `{user}` filled in.
///
/// A plain name goes in as it is. Any other reaches the shell as a quoted variable, so that no
/// character of it can become a command, whatever stands around it. Inside the admin's own quotes
/// those of the variable would be wrong.
///
/// # Errors
/// The name is not plain, and `{user}` stands inside quotes.
pub fn fill(command: &str, user: &str) -> Result<String, String> {
    const PLACE: &str = "{user}";
    let plain = user
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"@._+-".contains(&byte))
        && !user.starts_with('-');
    if plain || !command.contains(PLACE) {
        return Ok(command.replace(PLACE, user));
    }
    if command
        .match_indices(PLACE)
        .any(|(at, _)| inside_quotes(&command[..at]))
    {
        return Err(
            "the name holds characters that are not safe inside the quotes around {user} in \
             --password-command: leave those quotes out, {user} is quoted for the shell anyway"
                .to_owned(),
        );
    }
    let quoted = shlex::try_quote(user).map_err(|_| "the name holds a NUL".to_owned())?;
    Ok(format!(
        "mailseed_user={quoted}\n{}",
        command.replace(PLACE, "\"$mailseed_user\"")
    ))
}

/// Whether the shell is inside quotes at the end of `before`.
fn inside_quotes(before: &str) -> bool {
    let mut open = None;
    let mut chars = before.chars();
    while let Some(c) = chars.next() {
        match (c, open) {
            ('\\', None | Some('"')) => {
                chars.next();
            }
            ('\'' | '"' | '`', None) => open = Some(c),
            (c, Some(quote)) if c == quote => open = None,
            _ => {}
        }
    }
    open.is_some()
}

/// Runs `command` with `sh -c` and returns the first line that it prints, its line end removed.
/// It gets no input, its error output is dropped, and it is ended, with its children, when it has
/// not finished within `limit`.
///
/// # Errors
/// Reach User, kind Auth: it could not be started, ran too long, failed, or printed no usable
/// line.
pub fn first_line(command: &str, limit: Duration) -> Result<Secret, Problem> {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .env_remove(PASSWORD_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| failed("--password-command could not be started").caused_by(error))?;
    match listen(&mut child, limit) {
        Ok((status, line)) if status.success() => secret_in(line),
        Ok((status, _)) => Err(failed(format!("--password-command failed ({status})"))
            .with_hint("run it by hand to see why: its output is not shown here")),
        Err(fault) => {
            end(&mut child);
            Err(match fault {
                Fault::TimeOut => failed(format!(
                    "--password-command had not finished after {} s and was ended",
                    limit.as_secs_f32()
                ))
                .with_hint("give it longer with --timeout"),
                Fault::Io(error) => {
                    failed("--password-command could not be listened to").caused_by(error)
                }
            })
        }
    }
}

enum Fault {
    TimeOut,
    Io(std::io::Error),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault::Io(error)
    }
}

/// Reads until the command has ended. The end of its output is not waited for: a daemon that it
/// started may hold it open for ever.
fn listen(child: &mut Child, limit: Duration) -> Result<(ExitStatus, Vec<u8>), Fault> {
    let begun = Instant::now();
    let mut output = child.stdout.take();
    let mut line = Vec::new();
    loop {
        // Asked before the output is: what was printed before the end is then in the pipe.
        let ended = child.try_wait()?;
        let pause = if ended.is_some() {
            Duration::ZERO
        } else {
            GLANCE
        };
        match &mut output {
            Some(stdout) if readable(stdout, pause)? => {
                let mut chunk = [0; 4096];
                let got = stdout.read(&mut chunk)?;
                let complete = line.contains(&b'\n') || line.len() > LONGEST_LINE;
                if got == 0 {
                    output = None;
                } else if !complete {
                    line.extend_from_slice(&chunk[..got]);
                }
                if begun.elapsed() < limit {
                    continue;
                }
            }
            Some(_) => {}
            None => thread::sleep(pause),
        }
        if let Some(status) = ended {
            return Ok((status, line));
        }
        if begun.elapsed() >= limit {
            return Err(Fault::TimeOut);
        }
    }
}

fn readable(stdout: &ChildStdout, pause: Duration) -> Result<bool, Fault> {
    let pause = Timespec::try_from(pause).map_err(std::io::Error::other)?;
    match poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&pause)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(Fault::Io(error.into())),
    }
}

/// Ends the command and all that it started. Failures mean that it is gone already.
fn end(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
}

fn secret_in(output: Vec<u8>) -> Result<Secret, Problem> {
    line_as_secret(output).map_err(|fault| failed(format!("--password-command printed {fault}")))
}

/// The first line of `text` as a secret, without its line end.
///
/// # Errors
/// What is wrong with the line, in words that follow "printed" or "holds".
pub fn line_as_secret(mut text: Vec<u8>) -> Result<Secret, &'static str> {
    if let Some(end) = text.iter().position(|byte| *byte == b'\n') {
        text.truncate(end);
    }
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    if text.len() > LONGEST_LINE {
        return Err("a line that is too long for a password");
    }
    if text.is_empty() {
        return Err("nothing on its first line");
    }
    let text = String::from_utf8(text).map_err(|_| "a password that is not UTF-8")?;
    if text.contains(['\r', '\0']) {
        return Err("a password with a carriage return or a NUL in it");
    }
    Ok(Secret::new(text))
}

fn failed(what: impl AsRef<str>) -> Problem {
    Problem::new(Kind::Auth, Reach::User, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn run(command: &str, user: &str) -> Result<String, String> {
        first_line(&fill(command, user)?, LIMIT)
            .map(|secret| secret.expose().to_owned())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn no_user_name_becomes_a_command() {
        let dir = tempfile::tempdir().expect("a directory");
        let touched = dir.path().join("x");
        for attack in [
            format!("a'; touch {}", touched.display()),
            format!("$(touch {})", touched.display()),
            format!("`touch {}`", touched.display()),
            format!("a\"; touch {} #", touched.display()),
            format!("a&touch {}&", touched.display()),
            "* ~ \\ $HOME".to_owned(),
            "-n".to_owned(),
        ] {
            assert_eq!(run("printf '%s\\n' {user}", &attack), Ok(attack.clone()));
            assert_eq!(
                run("printf '%s\\n' {user}/{user}", &attack),
                Ok(format!("{attack}/{attack}"))
            );
            for quoted in [
                "echo '{user}'",
                "echo \"{user}\"",
                "echo `echo {user}`",
                "echo \\''{user}'",
            ] {
                assert!(
                    run(quoted, &attack).is_err_and(|fault| fault.contains("quotes")),
                    "{quoted}"
                );
            }
            // Quotes that the scan misreads still give the shell nothing to run.
            let _ = run("echo \"$(echo \"{user}\")\"", &attack);
            assert!(!touched.exists(), "{attack}");
        }
        assert_eq!(
            run("echo '{user}' \"{user}\" {other}", "a@b.c"),
            Ok("a@b.c a@b.c {other}".into())
        );
    }

    #[test]
    fn the_first_line_counts() {
        assert_eq!(run("printf 'pa ss\\r\\nmore\\n'", "u"), Ok("pa ss".into()));
        assert_eq!(run("printf 'no line end'", "u"), Ok("no line end".into()));
        assert_eq!(
            run("echo first; yes | head -c 300000", "u"),
            Ok("first".into())
        );
        // A daemon left behind holds the output open.
        assert_eq!(run("echo first; sleep 30 &", "u"), Ok("first".into()));
    }

    #[test]
    fn what_fails_says_how_and_repeats_nothing() {
        for (command, want) in [
            ("echo hunter2; echo hunter2 >&2; exit 3", "exit status: 3"),
            ("kill -9 $$", "signal: 9"),
            ("true", "nothing on its first line"),
            ("printf '\\nhunter2\\n'", "nothing on its first line"),
            ("printf 'hunter2\\377\\n'", "not UTF-8"),
            ("printf 'hunter2\\0x\\n'", "a NUL"),
            ("head -c 70000 /dev/zero | tr '\\0' a", "too long"),
            ("cat; exit 4", "exit status: 4"),
        ] {
            let fault = run(command, "u").expect_err(command);
            assert!(fault.contains(want), "{command}: {fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn one_that_hangs_is_ended_with_its_children() {
        let dir = tempfile::tempdir().expect("a directory");
        let alive = dir.path().join("alive");
        let command = format!("(sleep 4; touch {}) & yes >&2 & sleep 300", alive.display());
        let begun = Instant::now();
        let problem = first_line(&command, Duration::from_millis(200)).expect_err("it hangs");
        assert!(begun.elapsed() < Duration::from_secs(100));
        assert!(problem.to_string().contains("--timeout"), "{problem}");
        assert_eq!(
            (problem.kind, problem.reach, problem.retry),
            (Kind::Auth, Reach::User, false)
        );
        assert!(first_line("yes", Duration::from_millis(200)).is_err());
        thread::sleep(Duration::from_millis(4300));
        assert!(!alive.exists(), "a child lived on");
    }
}
