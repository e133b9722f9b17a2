//! `--shard`: which part of the user list a run works on, and how a job array says so.

use std::ffi::OsString;
use std::fmt;

use md5::{Digest as _, Md5};

/// Part `part` of `of`, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    part: u32,
    of: u32,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

/// How the tasks of a job array are numbered by an engine.
struct Engine {
    name: &'static str,
    index: &'static str,
    /// The number of the first task: always this, or in this variable.
    first: First,
    /// The variable with the number of the last task, or with how many there are.
    last: Last,
}

enum First {
    Always(u32),
    In(&'static str),
}

enum Last {
    Unknown,
    In(&'static str),
    Count(&'static str),
}

/// Each with the page that says so.
const ENGINES: [Engine; 7] = [
    // slurm.schedmd.com/job_array.html
    Engine {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        first: First::In("SLURM_ARRAY_TASK_MIN"),
        last: Last::Count("SLURM_ARRAY_TASK_COUNT"),
    },
    // kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
    Engine {
        name: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        first: First::Always(0),
        last: Last::Unknown,
    },
    // gnu.org/software/parallel/man.html#env-vars
    Engine {
        name: "GNU parallel",
        index: "PARALLEL_SEQ",
        first: First::Always(1),
        last: Last::Unknown,
    },
    // docs.aws.amazon.com/batch/latest/userguide/array_jobs.html
    Engine {
        name: "AWS Batch",
        index: "AWS_BATCH_JOB_ARRAY_INDEX",
        first: First::Always(0),
        last: Last::Count("AWS_BATCH_JOB_ARRAY_SIZE"),
    },
    // Grid Engine's submit(1)
    Engine {
        name: "Grid Engine",
        index: "SGE_TASK_ID",
        first: First::In("SGE_TASK_FIRST"),
        last: Last::In("SGE_TASK_LAST"),
    },
    // PBS Professional user's guide, job arrays
    Engine {
        name: "PBS",
        index: "PBS_ARRAY_INDEX",
        first: First::Always(1),
        last: Last::Unknown,
    },
    // IBM Spectrum LSF, environment variables
    Engine {
        name: "LSF",
        index: "LSB_JOBINDEX",
        first: First::Always(1),
        last: Last::In("LSB_JOBINDEX_END"),
    },
];

/// What is set in the environment: the value of a variable.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

impl Shard {
    /// Reads `K/N`; or `auto`, or `auto/N`, which are what the job array says.
    ///
    /// # Errors
    /// It is none, or there is no job array, or two; told in words.
    pub(super) fn parse(text: &str, environment: Environment<'_>) -> Result<Self, String> {
        let usage = || {
            format!(
                "--shard {text}: give K/N, part K of N, from 1/N to N/N; or, in a job array, auto \
                 (auto/N where its engine does not tell how many there are)"
            )
        };
        let (part, of) = match text.split_once('/') {
            Some((part, of)) => (part, Some(number(of).ok_or_else(usage)?)),
            None => (text, None),
        };
        let (part, of) = match (part, of) {
            ("auto", of) => in_array(of, environment)?,
            (part, Some(of)) => (number(part).ok_or_else(usage)?, of),
            (_, None) => return Err(usage()),
        };
        match (1..=of).contains(&part) {
            true => Ok(Self { part, of }),
            false => Err(usage()),
        }
    }

    /// Whether `user` is in this part.
    pub(super) fn has(self, user: &str) -> bool {
        place(user, self.of) == self.part
    }

    /// How many parts there are.
    pub fn count(self) -> u32 {
        self.of
    }
}

/// The part of `of`, from 1, that `user` is in: the first 8 hexadecimal digits of the MD5 of its name, as
/// a number, modulo `of`, plus 1. Others are to compute it, so it is none of our own.
pub(super) fn place(user: &str, of: u32) -> u32 {
    let digest = Md5::digest(user.as_bytes());
    let head = digest.first_chunk::<4>().copied().unwrap_or_default();
    u32::from_be_bytes(head) % of.max(1) + 1
}

/// The job array that this is a task of, if it is one: for a warning.
pub(super) fn engine(environment: Environment<'_>) -> Option<&'static str> {
    // Everything that GNU parallel starts has its variable, whatever it is for.
    let arrays = ENGINES.iter().filter(|it| it.name != "GNU parallel");
    let mut set = arrays.filter(|it| value(it.index, environment).is_some());
    set.next().map(|engine| engine.name)
}

fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// A number in the environment; Grid Engine says `undefined` outside an array, LSF 0.
fn value(name: &str, environment: Environment<'_>) -> Option<u32> {
    let value = number(environment(name)?.to_str()?)?;
    (name != "LSB_JOBINDEX" || value > 0).then_some(value)
}

fn in_array(of: Option<u32>, environment: Environment<'_>) -> Result<(u32, u32), String> {
    let value = |name| value(name, environment);
    let mut set = ENGINES.iter().filter(|it| value(it.index).is_some());
    let Some(engine) = set.next() else {
        let known: Vec<_> = ENGINES.iter().map(|it| it.index).collect();
        return Err(format!(
            "--shard auto: this is no task of a job array: none of {} is set",
            known.join(", ")
        ));
    };
    if let Some(other) = set.next() {
        return Err(format!(
            "--shard auto: both {} ({}) and {} ({}) are set: which one numbers the shards? Give K/N",
            engine.index, engine.name, other.index, other.name
        ));
    }
    let index = value(engine.index).unwrap_or_default();
    let first = match engine.first {
        First::Always(first) => first,
        First::In(name) => value(name).unwrap_or(1),
    };
    let count = match engine.last {
        Last::Unknown => None,
        Last::In(name) => value(name).and_then(|last| last.checked_add(1)?.checked_sub(first)),
        Last::Count(name) => value(name),
    };
    // A part of the array, run again: its numbers are those of the whole, its count is not.
    let starts_late = first > 1;
    let (first, of) = match (of, count) {
        (Some(of), _) => (u32::from(first > 0), of),
        (None, Some(count)) if !starts_late => (first, count),
        (None, Some(_)) => {
            return Err(format!(
                "--shard auto: the tasks of this array of {}'s begin at {first}: is it a part of a larger \
                 one? Give auto/N, N being how many tasks the whole one has, numbered from 1",
                engine.name
            ));
        }
        (None, None) => {
            return Err(format!(
                "--shard auto: {} does not tell how many tasks there are: give auto/N",
                engine.name
            ));
        }
    };
    let part = index.saturating_add(1).saturating_sub(first);
    if !(1..=of).contains(&part) {
        return Err(format!(
            "--shard: {} is {index}, which is none of {of} tasks: the array has gaps, or is not of {of} tasks",
            engine.index
        ));
    }
    Ok((part, of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, set: &[(&str, &str)]) -> Result<String, String> {
        let environment = |name: &str| {
            let mut found = set.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| OsString::from(value))
        };
        Shard::parse(text, &environment).map(|shard| shard.to_string())
    }

    #[test]
    fn a_shard_is_typed_or_taken_from_the_job_array() {
        let slurm = |id: &'static str, min: &'static str, count: &'static str| {
            vec![
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_COUNT", count),
            ]
        };
        let sge = |id: &'static str| {
            vec![
                ("SGE_TASK_ID", id),
                ("SGE_TASK_FIRST", "1"),
                ("SGE_TASK_LAST", "4"),
            ]
        };
        type Case = (
            &'static str,
            Vec<(&'static str, &'static str)>,
            Result<&'static str, &'static str>,
        );
        let cases: Vec<Case> = vec![
            ("1/7", vec![], Ok("1/7")),
            ("7/7", slurm("3", "1", "9"), Ok("7/7")),
            ("0/7", vec![], Err("part K of N")),
            ("8/7", vec![], Err("part K of N")),
            ("1/0", vec![], Err("part K of N")),
            ("+1/7", vec![], Err("part K of N")),
            ("3", vec![], Err("part K of N")),
            ("auto", vec![], Err("no task of a job array")),
            ("auto", slurm("1", "1", "7"), Ok("1/7")),
            ("auto", slurm("0", "0", "7"), Ok("1/7")),
            ("auto", slurm("6", "0", "7"), Ok("7/7")),
            ("auto", slurm("7", "0", "7"), Err("has gaps")),
            ("auto", slurm("4294967295", "0", "7"), Err("has gaps")),
            (
                "auto",
                vec![("LSB_JOBINDEX", "2"), ("LSB_JOBINDEX_END", "4294967295")],
                Err("give auto/N"),
            ),
            ("auto", slurm("3", "3", "2"), Err("Give auto/N")),
            ("auto/7", slurm("3", "3", "2"), Ok("3/7")),
            ("auto/7", slurm("9", "1", "9"), Err("none of 7 tasks")),
            ("auto/7", vec![("JOB_COMPLETION_INDEX", "0")], Ok("1/7")),
            (
                "auto",
                vec![("JOB_COMPLETION_INDEX", "0")],
                Err("give auto/N"),
            ),
            ("auto/3", vec![("PARALLEL_SEQ", "3")], Ok("3/3")),
            ("auto", sge("4"), Ok("4/4")),
            ("auto", sge("undefined"), Err("no task of a job array")),
            (
                "auto",
                vec![("LSB_JOBINDEX", "2"), ("LSB_JOBINDEX_END", "5")],
                Ok("2/5"),
            ),
            (
                "auto",
                vec![("LSB_JOBINDEX", "0")],
                Err("no task of a job array"),
            ),
            (
                "auto/3",
                [slurm("1", "1", "2"), vec![("PARALLEL_SEQ", "3")]].concat(),
                Err("which one numbers the shards"),
            ),
        ];
        for (text, set, want) in cases {
            match (parse(text, &set), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text} {set:?}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{text} {set:?}: {got}"),
                (got, want) => panic!("{text} {set:?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn others_can_compute_the_part_of_a_user() {
        // echo $(( 0x$(printf %s ann@example.com | md5sum | cut -c1-8) % 7 + 1 ))
        let names = ["ann@example.com", "bob@example.com", "jürgen@example.com"];
        assert_eq!(names.map(|name| place(name, 7)), [7, 1, 7]);
        let counts = (0..7000).fold([0_u32; 7], |mut counts, n| {
            counts[place(&format!("user{n}@example.com"), 7) as usize - 1] += 1;
            counts
        });
        assert!(
            counts.iter().all(|count| (900..1100).contains(count)),
            "{counts:?}"
        );
    }
}
