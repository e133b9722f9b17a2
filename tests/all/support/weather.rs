//! Lines as they are in bad weather: slow, refused, cut, reset, silent or trickling, at random from a seed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::corpus::Random;
use super::far_away::{Fate, Fault, Line, start_with};

/// The longest round trip, in milliseconds.
const FARTHEST: u64 = 60;

/// What the weather is like; copies are the same.
#[derive(Debug, Clone, Default)]
pub struct Weather(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_calm: bool,
    connections: u64,
    faults: [u64; KINDS.len()],
}

/// The faults, each with how many of 1,000 connections it meets.
const KINDS: [(&str, u64); 6] = [
    ("away", 4),
    ("refused", 20),
    ("cut", 60),
    ("reset", 50),
    ("stalled", 20),
    ("trickling", 10),
];

impl Weather {
    /// A proxy before the server on `port` of 127.0.0.1, with this weather on the way; its port.
    pub fn before(&self, port: u16, seed: u64) -> u16 {
        let (weather, mut dice) = (self.clone(), Random::new(seed));
        let fate = move || weather.fate(&mut dice);
        start_with("127.0.0.1", port, fate).expect("loopback has free ports")
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.state().is_calm = true;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, dice: &mut Random) -> Fate {
        let mut state = self.state();
        state.connections += 1;
        let mut line = Line {
            round_trip: Duration::from_millis(dice.below(FARTHEST)),
            rate: None,
        };
        // As many bytes of one order as of another.
        let order = dice.below(16);
        let after = dice.below(2 << order);
        let mut turn = dice.below(1000);
        if state.is_calm {
            line.round_trip = Duration::ZERO;
            return Fate { line, fault: None };
        }
        let kind = KINDS.iter().position(|(_, share)| {
            let is_it = turn < *share;
            turn = turn.saturating_sub(*share);
            is_it
        });
        let fault = kind.map(|kind| {
            state.faults[kind] += 1;
            match KINDS[kind].0 {
                "away" => Fault::Away(Duration::from_millis(300)),
                "refused" => Fault::Refused,
                "cut" => Fault::Cut(after),
                "reset" => Fault::Reset(after),
                "stalled" => Fault::Stall(after),
                _ => Fault::Trickle(after, Duration::from_millis(200)),
            }
        });
        Fate { line, fault }
    }

    /// How many faults of all kinds there were.
    pub fn faults(&self) -> u64 {
        self.state().faults.iter().sum()
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "{} connections", state.connections)?;
        for ((kind, _), count) in KINDS.iter().zip(state.faults) {
            write!(f, ", {count} {kind}")?;
        }
        Ok(())
    }
}
