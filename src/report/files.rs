//! The files of `--report DIR`: `summary.csv`, `skipped.csv` and `run.json`, each whole or absent.
//! Only their owner may read them.

use std::borrow::Cow;
use std::fs::DirBuilder;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{ExportReport, Gathered, UserReport, json};
use crate::problem::{Kind, Problem, Reach};
use crate::text::printable;

/// The columns of `summary.csv`: others script against them, new ones come last.
pub const SUMMARY_COLUMNS: [&str; 21] = [
    "user",
    "status",
    "folders",
    "messages",
    "bytes",
    "added",
    "kept",
    "changed",
    "deleted",
    "skipped",
    "uidls",
    "uidls_missing",
    "uidls_extra",
    "max_date_shift_s",
    "seconds",
    "attempts",
    "error",
    "uidls_elsewhere",
    "left_deleted",
    "source_deleted",
    "added_bytes",
];

/// A report directory that exists and can be written.
#[derive(Debug, Clone)]
pub struct ReportDir(PathBuf);

impl ReportDir {
    /// Makes the directory where it does not exist, and tries it: a run of days must not find at
    /// its end that its report has no place.
    ///
    /// # Errors
    /// It cannot be made or written (reach Run, kind Input: nothing has been started).
    pub fn prepare(dir: &Path) -> Result<Self, Problem> {
        let tried = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir.join("logs"))
            .and_then(|()| tempfile::NamedTempFile::new_in(dir).map(drop));
        match tried {
            Ok(()) => Ok(Self(dir.to_owned())),
            Err(error) => Err(Problem::new(
                Kind::Input,
                Reach::Run,
                format!("--report {} cannot be written", dir.display()),
            )
            .caused_by(error)),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the three files, replacing those of an earlier run.
    ///
    /// # Errors
    /// One of them could not be written (reach Run, kind Target); the others are there.
    pub fn write(&self, run: &Gathered<ExportReport>) -> Result<(), Problem> {
        let written = [
            (
                "summary.csv",
                self.replace("summary.csv", |out| summary(run, out)),
            ),
            (
                "skipped.csv",
                self.replace("skipped.csv", |out| skipped(run, out)),
            ),
            (
                "run.json",
                self.replace("run.json", |out| json::write(run, out)),
            ),
        ];
        for (name, result) in written {
            result.map_err(|error| self.not_written(name, error))?;
        }
        Ok(())
    }

    /// The problem that a file that cannot be written is.
    pub(super) fn not_written(&self, name: &str, error: io::Error) -> Problem {
        let what = format!("{} could not be written", self.0.join(name).display());
        Problem::new(Kind::Target, Reach::Run, what)
            .caused_by(error)
            .with_hint(
                "see to room and permissions there; `mailseed report` tells what the run has done",
            )
    }

    /// Puts a file in place whole or not at all. Temporary files are made with mode 0600.
    pub(super) fn replace(
        &self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = BufWriter::new(tempfile::NamedTempFile::new_in(&self.0)?);
        content(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(self.0.join(name))?;
        Ok(())
    }
}

fn summary(run: &Gathered<ExportReport>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(SUMMARY_COLUMNS)?;
    for row in run.rows() {
        let (user, _) = row?.parts()?;
        summary_fields(&mut csv, &user)?;
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

/// Writes what `summary.csv` has of `user`; the record is not ended.
pub(super) fn summary_fields(
    csv: &mut csv::Writer<impl Write>,
    user: &UserReport,
) -> csv::Result<()> {
    let numbers = [
        user.folders,
        user.messages,
        user.bytes,
        user.added,
        user.kept,
        user.changed,
        user.deleted,
        user.skipped(),
        user.uidls,
        user.uidls_missing,
        user.uidls_extra,
        user.max_date_shift_s,
    ];
    // The name as it is in the user list: --only-failed looks it up there.
    csv.write_field(&user.user)?;
    csv.write_field(user.status().word())?;
    for number in numbers {
        csv.write_field(number.to_string())?;
    }
    csv.write_field(format!("{:.3}", user.seconds))?;
    csv.write_field(user.attempts.to_string())?;
    csv.write_field(defused(&user.error()).as_ref())?;
    csv.write_field(user.uidls_elsewhere.to_string())?;
    csv.write_field(user.left_deleted.to_string())?;
    csv.write_field(user.source_deleted.to_string())?;
    csv.write_field(user.added_bytes.to_string())
}

fn skipped(run: &Gathered<ExportReport>, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["user", "folder", "uid", "uidl", "size", "reason"])?;
    let number = |number: Option<u64>| number.map_or(String::new(), |it| it.to_string());
    for row in run.rows() {
        let (user, _) = row?.parts()?;
        for skip in &user.skips {
            csv.write_record([
                user.user.as_str(),
                &defused(&printable(&skip.folder)),
                &number(skip.uid.map(u64::from)),
                &defused(skip.uidl.as_deref().unwrap_or_default()),
                &number(skip.size),
                &defused(&printable(&skip.reason)),
            ])?;
        }
    }
    csv.flush()
}

/// Free text that a spreadsheet would take for a formula gets a `'` before it.
pub(super) fn defused(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::report::Skip;
    use crate::user::Outcome;
    use crate::userlist::failed_users;

    fn run() -> Gathered<ExportReport> {
        let mut partial = UserReport {
            folders: 2,
            messages: 3,
            bytes: 1234,
            added: 1,
            added_bytes: 411,
            kept: 1,
            uidls: 3,
            source_deleted: 2,
            seconds: 1.23456,
            attempts: 1,
            ..UserReport::new("-b,\"@d")
        };
        partial.skips.push(Skip {
            folder: "=cmd\x1b".into(),
            uid: Some(7),
            uidl: Some("+uidl".to_owned()),
            size: None,
            reason: "@reason,\n2".into(),
        });
        let mut failed = UserReport::new("c");
        failed
            .problems
            .push(Problem::new(Kind::Auth, Reach::User, "no\nway"));
        let mut of = ExportReport::of_nobody();
        of.options = serde_json::json!({"jobs": 4});
        let users = [UserReport::new("=a"), partial, failed];
        Gathered::of(of, users.map(Outcome::without_plan))
    }

    fn rows(path: &Path) -> Vec<Vec<String>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .from_path(path)
            .and_then(|mut reader| {
                reader
                    .records()
                    .map(|row| row.map(|row| row.iter().map(str::to_owned).collect()))
                    .collect()
            })
            .expect("a CSV file")
    }

    #[test]
    fn reports_read_back_as_they_were_meant() {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = ReportDir::prepare(&parent.path().join("a/b")).expect("a place");
        dir.write(&run()).expect("written");
        dir.write(&run()).expect("and again");

        let summary = rows(&dir.path().join("summary.csv"));
        assert_eq!(
            summary[0].join(","),
            "user,status,folders,messages,bytes,added,kept,changed,deleted,skipped,uidls,\
             uidls_missing,uidls_extra,max_date_shift_s,seconds,attempts,error,uidls_elsewhere,\
             left_deleted,source_deleted,added_bytes"
        );
        assert_eq!(
            summary[1].join("|"),
            "=a|ok|0|0|0|0|0|0|0|0|0|0|0|0|0.000|0||0|0|0|0"
        );
        assert_eq!(
            summary[2].join("|"),
            "-b,\"@d|partial|2|3|1234|1|1|0|0|1|3|0|0|0|1.235|1||0|0|2|411"
        );
        assert_eq!(
            summary[3].join("|"),
            "c|failed|0|0|0|0|0|0|0|0|0|0|0|0|0.000|0|auth: no\\u{a}way|0|0|0|0"
        );
        let failed = failed_users(&dir.path().join("summary.csv")).expect("a report");
        assert_eq!(failed, ["-b,\"@d".to_owned(), "c".to_owned()].into());

        let skipped = rows(&dir.path().join("skipped.csv"));
        assert_eq!(skipped.len(), 2);
        assert_eq!(skipped[0].join(","), "user,folder,uid,uidl,size,reason");
        assert_eq!(
            skipped[1].join("|"),
            "-b,\"@d|'=cmd\\u{1b}|7|'+uidl||'@reason,\\u{a}2"
        );

        let json = fs::read(dir.path().join("run.json")).expect("a file");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["started"], "1970-01-01T00:00:00Z");
        assert_eq!(json["totals"]["messages"], 3);
        assert_eq!(json["totals"]["added_bytes"], 411);
        assert_eq!(json["users"][1]["seconds"], 1.235);
        assert_eq!(json["users"][1]["skips"][0]["uidl"], "+uidl");
        assert_eq!(json["users"][2]["problems"][0]["kind"], "auth");
        assert_eq!(
            (&json["exit"], &json["options"]["jobs"]),
            (&1.into(), &4.into())
        );

        let mut left: Vec<_> = fs::read_dir(dir.path())
            .expect("a directory")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
                (entry.file_name().to_string_lossy().into_owned(), mode)
            })
            .collect();
        left.sort();
        let want = [
            ("logs", 0o700),
            ("run.json", 0o600),
            ("skipped.csv", 0o600),
            ("summary.csv", 0o600),
        ];
        assert_eq!(left, want.map(|(name, mode)| (name.to_owned(), mode)));
        let mode = fs::metadata(dir.path())
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_beforehand() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let problem = ReportDir::prepare(file.path()).expect_err("a file is no directory");
        assert_eq!((problem.kind, problem.reach), (Kind::Input, Reach::Run));
    }
}
