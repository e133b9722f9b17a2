//! `mailseed report`: which directories are read, and where the sum goes.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Sum, csv, person};
use crate::cli;
use crate::problem::{Kind, Problem, Reach};
use crate::report::{html, read as found};

/// Reads and sums the directories that were `typed`.
///
/// # Errors
/// Everything that is wrong with them (reach Run, kind Input).
pub fn read(typed: &cli::Report) -> Result<Sum, Vec<Problem>> {
    let both = [&typed.html, &typed.csv].map(|path| path.as_deref().is_some_and(is_stdout));
    if both == [true, true] {
        let what = "--html and --csv cannot both go to standard output";
        return Err(vec![Problem::new(Kind::Input, Reach::Run, what)]);
    }
    let mut all = Vec::new();
    let mut problems = Vec::new();
    for dir in &typed.dirs {
        match found::read(dir) {
            Ok(found) => all.push(found),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Sum::of(all)
}

/// Writes `sum` where it was `typed` to go; as text to standard output if nothing was.
///
/// # Errors
/// A file cannot be written (reach Run, kind Target).
pub fn write(sum: &Sum, typed: &cli::Report) -> Result<(), Problem> {
    if let Some(path) = &typed.html {
        let now = jiff::Timestamp::now();
        put(path, |out| html::write(sum, now, out))?;
    }
    if let Some(path) = &typed.csv {
        put(path, |out| csv::write(sum, out))?;
    }
    if typed.html.is_none() && typed.csv.is_none() {
        put(Path::new("-"), |out| person::tell(sum, out))?;
    }
    Ok(())
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Puts a file in place whole or not at all.
fn put(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Problem> {
    if is_stdout(path) {
        let mut out = BufWriter::new(io::stdout().lock());
        return match content(&mut out).and_then(|()| out.flush()) {
            // Nobody reads on: that is theirs to say.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let what = "standard output could not be written";
                Err(Problem::new(Kind::Target, Reach::Run, what).caused_by(error))
            }
            _ => Ok(()),
        };
    }
    replace(path, content).map_err(|error| {
        let what = format!("{} could not be written", path.display());
        Problem::new(Kind::Target, Reach::Run, what).caused_by(error)
    })
}

fn replace(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    // Others are to read it as far as the umask lets them: unlike a report it is made to be shown.
    let file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(dir)?;
    let mut file = BufWriter::new(file);
    content(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.persist(path)?;
    Ok(())
}
