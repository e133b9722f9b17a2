//! The fuzzer's targets (`tests/fuzz`) over their seeds and the same mutations of them each time: what
//! `scripts/fuzz` has found stays found, and a new break is found before it.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::program;

#[path = "../fuzz/targets/mod.rs"]
mod targets;

/// How many inputs each target gets, of which the seeds are the first.
const INPUTS: usize = 2_000;
/// Bytes that mean something to one reader or another.
const ODD: &[u8] = b"\0\r\n\" (){}*\xff~&:,.";
/// No input of some kilobytes may take more of a processor.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: usize = 8192;

#[test]
fn no_seed_and_no_mutation_of_one_breaks_a_promise() {
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() > 2, "{name} has no seeds");
        let mut dice = Dice(name.bytes().fold(1, |sum, byte| sum * 31 + u64::from(byte)));
        for turn in 0..INPUTS.max(seeds.len()) {
            let input = match seeds.get(turn) {
                Some(seed) => seed.clone(),
                None => mutated(&seeds, &mut dice),
            };
            let before = cpu_time();
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| target(&input)));
            assert!(outcome.is_ok(), "{name}: {}", input.escape_ascii());
            let took = cpu_time().saturating_sub(before);
            assert!(
                took < PATIENCE,
                "{name} took {took:?}: {}",
                input.escape_ascii()
            );
        }
    }
}

/// What this thread has taken of a processor: on a busy machine a clock would tell nothing.
fn cpu_time() -> Duration {
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanoseconds = times.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("time on the processor comes first"))
}

/// A package that came or went is one of the fuzzer's, too; `scripts/fuzz` builds it as it was locked.
#[test]
fn the_lock_file_of_the_fuzzer_is_that_of_its_manifest() {
    let mut command = Command::new(env!("CARGO"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/Cargo.toml");
    command.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    command.args(["--manifest-path", manifest]);
    let output = program::run(command, Duration::from_secs(60));
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

/// The fixtures of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/fuzz")
        .join(target);
    let files = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a seed"))
        .collect()
}

/// One or more changes to one of `seeds`.
fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len() + 1);
        let length = dice.below(16).min(input.len() - at);
        match dice.below(7) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => input[at] = ODD[dice.below(ODD.len())],
            2 => drop(input.drain(at..at + length)),
            3 => {
                let piece = input[at..at + length].repeat(1 + dice.below(3));
                input.splice(at..at, piece);
            }
            4 => input.truncate(at),
            5 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                let piece = &other[from..(from + 40).min(other.len())];
                input.splice(at..at + length, piece.iter().copied());
            }
            _ => {
                const NUMBERS: [&str; 6] = [
                    "0",
                    "-1",
                    "4294967295",
                    "4294967296",
                    "18446744073709551615",
                    "9e9",
                ];
                let number = NUMBERS[dice.below(NUMBERS.len())].bytes();
                input.splice(at..at + length.min(1), number);
            }
        }
    }
    input.truncate(LONGEST);
    input
}

/// Numbers that are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most.max(1) as u64) as usize
    }
}
