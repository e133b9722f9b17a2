//! A loopback server that plays a script: what a real server cannot be made to do.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::read_line;

/// How long a script waits for another one, or for the client.
const PATIENCE: Duration = Duration::from_secs(60);

/// A moment that one script comes to and another waits for.
#[derive(Debug, Clone, Default)]
pub struct Moment(Arc<(Mutex<bool>, Condvar)>);

impl Moment {
    fn come(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    fn has_come(&self) -> bool {
        *lock(&self.0.0)
    }

    /// False: it has not come in time.
    fn wait(&self) -> bool {
        let (come, changed) = &*self.0;
        let guard = lock(come);
        let waited = changed.wait_timeout_while(guard, PATIENCE, |come| !*come);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// One step of a connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// A line from the client that starts so, without regard to case. An IMAP tag before it is
    /// skipped, when the text says `{tag} `.
    Expect(String),
    /// Bytes to the client; `{tag}` stands for the tag of the last line that had one.
    Send(Vec<u8>),
    /// The same bytes again and again, this many times or until the client goes.
    Flood(Vec<u8>, u64),
    /// Silence.
    Wait(Duration),
    /// The moment comes.
    Come(Moment),
    /// Silence until the moment has come in another script.
    Await(Moment),
    /// The moment must not have come yet.
    NotYet(Moment),
    /// Hang up, with whatever follows in the script not played.
    Close,
}

/// [`Step::Expect`].
pub fn expect(prefix: &str) -> Step {
    Step::Expect(prefix.to_owned())
}

/// [`Step::Send`].
pub fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(bytes.as_ref().to_vec())
}

/// A running scripted server; it ends when dropped.
#[derive(Debug)]
pub struct FakeServer {
    port: u16,
    commands: Arc<Mutex<Vec<String>>>,
    complaint: Arc<Mutex<Option<String>>>,
    stopped: Arc<AtomicBool>,
    player: Option<thread::JoinHandle<()>>,
}

impl FakeServer {
    /// Plays one script to each connection in turn; the last one to all that come after.
    pub fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let port = listener
            .local_addr()
            .expect("a bound listener has an address")
            .port();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let complaint = Arc::new(Mutex::new(None));
        let stopped = Arc::new(AtomicBool::new(false));
        let (heard, objection) = (Arc::clone(&commands), Arc::clone(&complaint));
        let stop = Arc::clone(&stopped);
        let player = thread::spawn(move || {
            for (turn, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let Some(script) = scripts.get(turn).or(scripts.last()).cloned() else {
                    return;
                };
                // A thread each: a client may open several at once.
                let (heard, objection) = (Arc::clone(&heard), Arc::clone(&objection));
                thread::spawn(move || {
                    if let Err(unexpected) = play(stream, script, &heard) {
                        lock(&objection).get_or_insert(unexpected);
                    }
                });
            }
        });
        Self {
            port,
            commands,
            complaint,
            stopped,
            player: Some(player),
        }
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every line received so far, in order, with its tag.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.commands).clone()
    }

    /// The first line that was not the one expected.
    pub fn complaint(&self) -> Option<String> {
        lock(&self.complaint).clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(player) = self.player.take() {
            let _ = player.join();
        }
    }
}

/// Plays one connection. An error is a line that the script does not expect; a client that goes
/// away is none.
fn play(stream: TcpStream, script: Vec<Step>, heard: &Mutex<Vec<String>>) -> Result<(), String> {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let mut stream = BufReader::new(stream);
    let mut tag = String::new();
    for step in script {
        match step {
            Step::Expect(prefix) => {
                let Ok(line) = read_line(&mut stream) else {
                    return Ok(());
                };
                let line = String::from_utf8_lossy(&line).into_owned();
                lock(heard).push(line.clone());
                let (wanted, command) = match prefix.strip_prefix("{tag} ") {
                    Some(wanted) => {
                        let (before, after) = line.split_once(' ').unwrap_or_default();
                        tag = before.to_owned();
                        (wanted, after)
                    }
                    None => (prefix.as_str(), line.as_str()),
                };
                let start = command.get(..wanted.len()).unwrap_or_default();
                if !start.eq_ignore_ascii_case(wanted) {
                    return Err(format!("expected {prefix}, got {line}"));
                }
            }
            Step::Send(bytes) => {
                if stream.get_mut().write_all(&with_tag(&bytes, &tag)).is_err() {
                    return Ok(());
                }
            }
            Step::Flood(bytes, times) => {
                for _ in 0..times {
                    if stream.get_mut().write_all(&bytes).is_err() {
                        return Ok(());
                    }
                }
            }
            Step::Wait(time) => thread::sleep(time),
            Step::Come(moment) => moment.come(),
            Step::Await(moment) => {
                if !moment.wait() {
                    return Err("what was waited for has not come".to_owned());
                }
            }
            Step::NotYet(moment) => {
                if moment.has_come() {
                    return Err("what was to come later has come".to_owned());
                }
            }
            Step::Close => return Ok(()),
        }
    }
    // What comes after the script is recorded, and answered by silence.
    while let Ok(line) = read_line(&mut stream) {
        lock(heard).push(String::from_utf8_lossy(&line).into_owned());
    }
    Ok(())
}

/// `bytes`, with `tag` in the place of each `{tag}`.
pub fn with_tag(bytes: &[u8], tag: &str) -> Vec<u8> {
    const MARK: &[u8] = b"{tag}";
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after_mark) = rest.strip_prefix(MARK) {
            out.extend_from_slice(tag.as_bytes());
            rest = after_mark;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
