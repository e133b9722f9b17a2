//! `journal.jsonl`: each user's result, put away when the user is done.
//!
//! A run of ten thousand users does not hold their results until its end, and one that is killed leaves
//! what it has done. The first line tells of the run, then each user is named, in list order; a line
//! is added for each user that is done. At an orderly end the reports are made from it, in list order,
//! and it is removed. While its run lives it is locked (`flock`). Without `--report` it has no name.
//!
//! A kill in the middle of a line tears it. That does no harm: a line is whole when its line end is there, a torn
//! one is the last, and whoever reads it passes it over, so its user counts as one without a result.

mod cut;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{ReportDir, Status};
use crate::problem::{Kind, Problem, Reach};

pub use cut::Cut;
pub(in crate::report) use cut::read;

/// Its name in the report directory.
pub const NAME: &str = "journal.jsonl";

/// What is read at once, in bytes.
const PIECE: usize = 16 << 10;

/// What is written at once, in bytes. Most lines are shorter; that of a user of whom very many messages were skipped may
/// not be.
const WRITTEN_AT_ONCE: usize = 64 << 10;

/// What the first line tells of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    /// The mailseed that writes it.
    pub version: String,
    /// `export`, `plan`, `check` or `verify`.
    pub command: String,
    /// When the run began.
    pub started: jiff::Timestamp,
    /// How many users it has.
    pub users: usize,
    /// Which part of the list these are, as `K/N`; `None`: all of it.
    #[serde(default)]
    pub shard: Option<String>,
    /// What was typed, as in `run.json`.
    pub options: serde_json::Value,
}

/// A user of the list, not done yet.
#[derive(Serialize)]
struct Named<'l> {
    at: usize,
    user: &'l str,
}

/// A user that is done.
#[derive(Serialize)]
struct Line<'l, R> {
    at: usize,
    user: &'l str,
    status: Status,
    of: &'l R,
}

/// The results of a run that goes on.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: Option<PathBuf>,
    /// Where the line of each user begins.
    places: Vec<Option<NonZeroU64>>,
}

impl Journal {
    /// Begins one in `dir`, in place of that of a killed run; or one without a name.
    ///
    /// # Errors
    /// It cannot be written, or another run is writing it (reach Run, kind Input: nothing has been started).
    pub fn begin(dir: Option<&ReportDir>, head: &Head) -> Result<Self, Problem> {
        let path = dir.map(|dir| dir.path().join(NAME));
        let refused = |what: String| Problem::new(Kind::Input, Reach::Run, what);
        let file = match &path {
            None => tempfile::tempfile().map_err(|error| {
                refused("no temporary file for the results".to_owned())
                    .with_hint("give --report DIR, or set TMPDIR")
                    .caused_by(error)
            })?,
            Some(path) => {
                let cannot = |error: io::Error| {
                    refused(format!("{} cannot be written", path.display())).caused_by(error)
                };
                let file = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .mode(0o600)
                    .open(path)
                    .map_err(cannot)?;
                if is_locked(&file) {
                    let what = format!("{}: another run is at work there", path.display());
                    return Err(refused(what).with_hint("give each run its own --report DIR"));
                }
                file.set_len(0).map_err(cannot)?;
                file
            }
        };
        let journal = Self {
            file,
            path,
            places: vec![None; head.users],
        };
        journal.append(|out| journal.line(head, out))?;
        Ok(journal)
    }

    /// Names the users, in list order: of a run that is killed is then known who is left.
    ///
    /// # Errors
    /// It cannot be written (reach Run, kind Target), or what `users` gives.
    pub fn name<S: AsRef<str>>(
        &mut self,
        users: impl Iterator<Item = Result<S, Problem>>,
    ) -> Result<(), Problem> {
        if self.path.is_none() {
            return Ok(());
        }
        self.append(|out| {
            for (at, user) in users.enumerate() {
                let user = user?;
                let user = user.as_ref();
                self.line(&Named { at, user }, out)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Puts away what became of the user at place `at` of the list.
    ///
    /// # Errors
    /// It cannot be written (reach Run, kind Target); what was put away before is still there.
    pub fn add(
        &mut self,
        at: usize,
        (user, status): (&str, Status),
        of: &impl Serialize,
    ) -> Result<(), Problem> {
        let told = Line {
            at,
            user,
            status,
            of,
        };
        let place = self.append(|out| self.line(&told, out))?;
        if let Some(known) = self.places.get_mut(at) {
            *known = NonZeroU64::new(place);
        }
        Ok(())
    }

    /// What was put away, in list order.
    pub fn rows<R: DeserializeOwned>(&self) -> impl Iterator<Item = io::Result<R>> {
        let places = self.places.iter().flatten();
        let mut piece = [0; PIECE];
        places.map(move |place| {
            let length = self.file.read_at(&mut piece, place.get())?;
            let read: Read<R> = match memchr::memchr(b'\n', &piece[..length]) {
                Some(end) => serde_json::from_slice(&piece[..end])?,
                // It may be larger than what is made of it.
                None => {
                    let rest = Rest {
                        file: &self.file,
                        place: place.get() + length as u64,
                    };
                    let line = piece[..length].chain(BufReader::with_capacity(PIECE, rest));
                    Read::deserialize(&mut serde_json::Deserializer::from_reader(line))?
                }
            };
            read.of.ok_or_else(|| io::ErrorKind::InvalidData.into())
        })
    }

    /// The reports are written, and it is needed no longer.
    pub fn end(self) {
        // One that stays is known by its beginning to be that of the report beside it.
        let _ = self.path.map(fs::remove_file);
    }

    /// Appends the lines that `write` writes, all of them or nothing; where they begin.
    fn append(
        &self,
        write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), Problem>,
    ) -> Result<u64, Problem> {
        let mut file = &self.file;
        let place = file.stream_position();
        let place = place.map_err(|error| self.not_written(error))?;
        let mut out = BufWriter::with_capacity(WRITTEN_AT_ONCE, file);
        let written =
            write(&mut out).and_then(|()| out.flush().map_err(|error| self.not_written(error)));
        if let Err(problem) = written {
            // Neither what is on disk of them nor what is still in memory: the next line begins here.
            let _ = out.into_parts();
            let _ = file.set_len(place);
            let _ = file.seek(SeekFrom::Start(place));
            return Err(problem);
        }
        Ok(place)
    }

    /// Writes `of` as a line.
    fn line(&self, of: &impl Serialize, to: &mut impl Write) -> Result<(), Problem> {
        serde_json::to_writer(&mut *to, of)
            .map_err(io::Error::from)
            .and_then(|()| to.write_all(b"\n"))
            .map_err(|error| self.not_written(error))
    }

    fn not_written(&self, error: io::Error) -> Problem {
        let (what, hint) = match &self.path {
            Some(path) => (
                format!("{} could not be written", path.display()),
                "see to room and permissions there, or give another --report DIR, and run it again: it goes on",
            ),
            None => (
                "the temporary file of the results could not be written".to_owned(),
                "see to room and permissions there, or set TMPDIR, and run it again: it goes on",
            ),
        };
        let problem = Problem::new(Kind::Target, Reach::Run, what).caused_by(error);
        problem.with_hint(hint)
    }
}

/// A file from some place on.
struct Rest<'f> {
    file: &'f File,
    place: u64,
}

impl io::Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.place)?;
        self.place += length as u64;
        Ok(length)
    }
}

/// Takes the lock of a live run; whether another one has it. Where nothing can be locked nobody has.
fn is_locked(file: &File) -> bool {
    let locked = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    locked.is_err_and(|error| error == Errno::WOULDBLOCK)
}

/// Either of them, read again.
#[derive(Deserialize)]
struct Read<R> {
    #[serde(default)]
    at: usize,
    #[serde(default)]
    user: String,
    of: Option<R>,
}

#[cfg(test)]
mod tests {
    use serde::ser::SerializeSeq as _;

    use super::*;
    use crate::report::{ExportReport, Gathered, Skip, UserReport, json};
    use crate::user::Outcome;

    fn head(command: &str) -> Head {
        Head {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            started: jiff::Timestamp::UNIX_EPOCH,
            users: 3,
            shard: None,
            options: serde_json::json!({"dry-run": false}),
        }
    }

    #[test]
    fn a_run_that_is_killed_leaves_what_is_done_and_who_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let dir = ReportDir::prepare(parent.path()).unwrap();
        let path = parent.path().join(NAME);
        assert!(read(parent.path()).unwrap().is_none());

        let mut journal = Journal::begin(Some(&dir), &head("export")).unwrap();
        let names = ["ann", "\"bob\"\n", "cy"];
        journal.name(names.iter().map(Ok)).unwrap();
        let mut gathered = Gathered::new(ExportReport::of_nobody(), journal);
        let mut bob = UserReport {
            messages: 2,
            added: 1,
            ..UserReport::new(names[1])
        };
        bob.skips.push(Skip {
            folder: "A".into(),
            uid: Some(1),
            uidl: None,
            size: None,
            reason: "gone".into(),
        });
        gathered.add(1, Outcome::without_plan(bob)).unwrap();
        let second = Journal::begin(Some(&dir), &head("export")).unwrap_err();
        assert!(second.to_string().contains("another run"), "{second}");

        // As after a kill in the middle of a line.
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"at\":2,\"user\":\"cy\",\"sta");
        drop(gathered);
        fs::write(&path, &bytes).unwrap();
        let cut = read(parent.path()).unwrap().unwrap();
        assert_eq!((cut.done, cut.head.users), (1, 3));
        let users = cut.run.unwrap().users;
        let told: Vec<_> = users
            .iter()
            .map(|user| (user.user.as_str(), user.status(), user.messages))
            .collect();
        let want = [
            ("ann", Status::Failed, 0),
            (names[1], Status::Partial, 2),
            ("cy", Status::Failed, 0),
        ];
        assert_eq!(told, want);
        assert!(users[0].error().contains("left:"), "{}", users[0].error());
        assert_eq!(users[1].skips.len(), 1);

        // The next run begins anew, and leaves nothing when it has come to its end.
        let journal = Journal::begin(Some(&dir), &head("check")).unwrap();
        let cut = read(parent.path()).unwrap().unwrap();
        assert!(cut.run.is_none() && cut.done == 0);
        Gathered::new(ExportReport::of_nobody(), journal).end();
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        let newer = serde_json::json!({"version": "99.0.0"}).to_string();
        for (text, fault) in [("x\n", "expected"), ("{}\n", "version"), (&*newer, "")] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(NAME), text).unwrap();
            match read(dir.path()) {
                // Its first line is not whole: nothing had begun.
                Ok(None) => assert_eq!(text, newer),
                Err(json::Fault::NoReport(why)) => assert!(why.contains(fault), "{why}"),
                other => panic!("{text}: {other:?}"),
            }
            fs::write(dir.path().join(NAME), format!("{newer}\n")).unwrap();
            assert!(matches!(read(dir.path()), Err(json::Fault::Newer(_))));
        }
    }

    /// A result whose line breaks off, as on a full disk, when a good deal of it is written.
    struct BreaksOff;

    impl Serialize for BreaksOff {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut parts = serializer.serialize_seq(None)?;
            parts.serialize_element(&"x".repeat(2 * WRITTEN_AT_ONCE))?;
            Err(serde::ser::Error::custom("no space left"))
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_does_not_harm_the_others() {
        let parent = tempfile::tempdir().unwrap();
        let dir = ReportDir::prepare(parent.path()).unwrap();
        let mut journal = Journal::begin(Some(&dir), &head("check")).unwrap();
        journal.name(["a", "b", "c"].iter().map(Ok)).unwrap();
        journal.add(1, ("b", Status::Ok), &"of b").unwrap();
        let problem = journal.add(2, ("c", Status::Ok), &BreaksOff).unwrap_err();
        assert_eq!((problem.kind, problem.reach), (Kind::Target, Reach::Run));
        assert!(problem.to_string().contains("no space left"), "{problem}");
        // Neither for this run, nor for whoever reads it after a kill.
        let done = |journal: &Journal| {
            let rows = journal.rows::<String>();
            (
                rows.collect::<Result<Vec<_>, _>>().unwrap(),
                read(parent.path()).unwrap().unwrap().done,
            )
        };
        assert_eq!(done(&journal), (vec!["of b".to_owned()], 1));
        journal.add(0, ("a", Status::Ok), &"of a").unwrap();
        assert_eq!(
            done(&journal),
            (vec!["of a".to_owned(), "of b".to_owned()], 2)
        );
    }

    #[test]
    fn a_long_line_torn_anywhere_is_that_of_a_user_who_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let dir = ReportDir::prepare(parent.path()).unwrap();
        let mut journal = Journal::begin(Some(&dir), &head("check")).unwrap();
        journal.add(1, ("b", Status::Ok), &"of b").unwrap();
        let path = parent.path().join(NAME);
        let before = fs::metadata(&path).unwrap().len();
        let long = "x".repeat(2 * WRITTEN_AT_ONCE);
        journal.add(0, ("a", Status::Ok), &long).unwrap();
        let whole = fs::metadata(&path).unwrap().len();
        assert_eq!(read(parent.path()).unwrap().unwrap().done, 2);
        for length in [whole - 1, before + WRITTEN_AT_ONCE as u64, before + 1] {
            journal.file.set_len(length).unwrap();
            assert_eq!(read(parent.path()).unwrap().unwrap().done, 1, "{length}");
        }
    }

    #[test]
    fn rows_come_back_in_list_order_however_long_they_are() {
        let mut journal = Journal::begin(None, &head("export")).unwrap();
        let long = |n: usize| "é".repeat(n * PIECE);
        for at in [2, 0] {
            journal.add(at, ("u", Status::Ok), &long(at)).unwrap();
        }
        let rows: Vec<String> = journal.rows().collect::<Result<_, _>>().unwrap();
        assert!(rows == [long(0), long(2)]);
    }
}
