//! The tuner against servers that are simulated: how much is done in all goes up to a knee, and then down.

#![allow(clippy::cast_sign_loss, reason = "bytes are never below zero")]

use std::collections::VecDeque;

use super::*;

const STEP: Duration = Duration::from_millis(20);
/// What one user gets alone, in bytes a second.
const ALONE: f64 = 1e6;

#[derive(Debug, Clone, Copy)]
struct Server {
    /// So many users at once get as much each as one alone.
    knee: usize,
    /// Such a part of all is lost with each user beyond.
    fall: f64,
    /// More are refused.
    most: usize,
    /// What is done in a step differs by such a part.
    noise: f64,
    /// How long a login takes at most, half of it at least.
    login: Duration,
}

impl Server {
    fn rate(&self, users: usize) -> f64 {
        let beyond = users.saturating_sub(self.knee) as f64;
        users.min(self.knee) as f64 * ALONE * (1.0 - self.fall * beyond).max(0.1)
    }
}

/// What came of a run.
#[derive(Debug)]
struct Came {
    seconds: f64,
    share: usize,
    /// The most that were there, and how often one was refused.
    most: usize,
    refusals: usize,
}

/// Numbers from -1 to 1, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        let step = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = step.wrapping_add(1);
        (self.0 >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}

/// A user at work: when it has logged in, and what is left of it.
struct User {
    begins: Instant,
    left: f64,
}

/// Runs `users`, each of so many bytes; `servers` take over after so many seconds.
fn run(
    tuner: &mut Tuner,
    is_fixed: bool,
    servers: &[(u64, Server)],
    users: &[f64],
    until: f64,
) -> Came {
    let start = Instant::now();
    let mut now = start;
    let mut waiting: VecDeque<f64> = users.iter().copied().collect();
    let mut at_work: Vec<User> = Vec::new();
    let (mut done, mut most, mut refusals) = (Reading::default(), 0, 0);
    let mut rests_until = start;
    let mut random = Random(7);
    while !(waiting.is_empty() && at_work.is_empty()) && (now - start).as_secs_f64() < until {
        let passed = (now - start).as_secs();
        let server = servers.iter().rev().find(|(from, _)| *from <= passed);
        let server = server.expect("the first is there from the beginning").1;
        while now >= rests_until && at_work.len() < tuner.share() {
            let Some(size) = waiting.pop_front() else {
                break;
            };
            if at_work.len() >= server.most {
                refusals += 1;
                waiting.push_back(size);
                if !is_fixed {
                    tuner.refused(at_work.len() + 1, now);
                }
                rests_until = now + Duration::from_secs(1);
                break;
            }
            at_work.push(User {
                begins: now + server.login.mul_f64(0.75 + 0.25 * random.next()),
                left: size,
            });
        }
        most = most.max(at_work.len());
        let is_full = at_work.len() >= tuner.share() && now >= rests_until;
        if is_full && !waiting.is_empty() && !is_fixed {
            tuner.look(done, at_work.len(), now);
        }
        now += STEP;
        let noise = 1.0 + server.noise * random.next();
        let each = server.rate(at_work.len()) / at_work.len().max(1) as f64;
        let each = each * noise * STEP.as_secs_f64();
        for user in at_work.iter_mut().filter(|user| user.begins <= now) {
            let bytes = each.min(user.left);
            user.left -= bytes;
            done.received += bytes as u64;
        }
        let before = at_work.len();
        at_work.retain(|user| user.left >= 1.0);
        (at_work.len()..before).for_each(|_| tuner.left());
        done.answers += (before - at_work.len()) as u64;
    }
    Came {
        seconds: (now - start).as_secs_f64(),
        share: tuner.share(),
        most,
        refusals,
    }
}

fn fixed(share: usize, server: Server, users: &[f64]) -> f64 {
    let mut tuner = Tuner::new(share);
    tuner.share = share;
    run(&mut tuner, true, &[(0, server)], users, f64::MAX).seconds
}

const PLAIN: Server = Server {
    knee: 6,
    fall: 0.08,
    most: 10,
    noise: 0.1,
    login: Duration::from_millis(100),
};

#[test]
fn it_gets_nearly_as_much_done_as_the_best_number_and_settles_near_it() {
    let of = |seconds: f64, count: usize| vec![seconds * ALONE; count];
    let mixed: Vec<f64> = (0..400u32)
        .map(|at| ALONE * f64::from(at * 7919 % 100) / 25.0)
        .collect();
    // (name, server, users, the most of the admin, part of the best speed, share at the end)
    let table = [
        ("the issue's", PLAIN, of(1.5, 240), 32, 0.9, 5..=7),
        ("large users", PLAIN, of(20.0, 40), 32, 0.9, 5..=7),
        ("mixed users", PLAIN, mixed, 32, 0.9, 5..=7),
        (
            "noise",
            Server {
                noise: 0.5,
                ..PLAIN
            },
            of(2.0, 300),
            32,
            0.85,
            5..=8,
        ),
        (
            "refusals alone",
            Server { knee: 100, ..PLAIN },
            of(1.5, 500),
            32,
            0.9,
            9..=10,
        ),
        (
            "no limit but the admin's",
            Server {
                knee: 100,
                most: 100,
                ..PLAIN
            },
            of(2.0, 2000),
            32,
            0.85,
            32..=32,
        ),
        (
            "a limit below where it begins",
            Server {
                knee: 100,
                most: 2,
                ..PLAIN
            },
            of(1.0, 100),
            32,
            0.85,
            2..=2,
        ),
        (
            "tiny users",
            Server {
                knee: 24,
                most: 100,
                fall: 0.02,
                ..PLAIN
            },
            of(0.05, 10_000),
            32,
            0.85,
            20..=32,
        ),
        (
            "one that serves one after the other",
            Server {
                knee: 1,
                fall: 0.0,
                most: 100,
                ..PLAIN
            },
            of(0.5, 200),
            32,
            0.9,
            1..=4,
        ),
    ];
    for (name, server, users, most, part, want) in table {
        let best = (1..=most.min(server.most))
            .map(|share| fixed(share, server, &users))
            .fold(f64::MAX, f64::min);
        let mut tuner = Tuner::new(most);
        let came = run(&mut tuner, false, &[(0, server)], &users, f64::MAX);
        eprintln!("{name}: {came:?}, best {best}");
        assert!(best / came.seconds >= part, "{name}: {came:?} {best}");
        assert!(want.contains(&came.share), "{name}: {came:?}");
        assert!(came.most <= most, "{name}: {came:?}");
        assert!(came.refusals <= 4, "{name}: {came:?}");
    }
}

/// By day others use the server too.
#[test]
fn it_follows_a_server_that_changes() {
    let wide = Server {
        knee: 16,
        most: 100,
        ..PLAIN
    };
    let users = vec![ALONE; 100_000];
    for (servers, until, want) in [
        ([(0, wide), (60, PLAIN)], 600.0, 4..=8),
        ([(0, PLAIN), (60, wide)], 900.0, 12..=18),
    ] {
        let came = run(&mut Tuner::new(32), false, &servers, &users, until);
        assert!(want.contains(&came.share), "{came:?}");
    }
}

#[test]
fn what_was_refused_long_ago_is_no_limit_any_more() {
    let mut tuner = Tuner::new(32);
    let now = Instant::now();
    tuner.refused(3, now);
    assert_eq!(tuner.refused_of_late(now), Some(3));
    let later = now + REFUSED;
    assert_eq!(tuner.refused_of_late(later), None);
    tuner.refused(20, later);
    assert_eq!(tuner.refused_of_late(later), Some(20));
    tuner.refused(25, later);
    assert_eq!(tuner.refused_of_late(later), Some(20));
}

#[test]
fn where_too_few_wait_nothing_is_tried() {
    let mut tuner = Tuner::new(32);
    let now = Instant::now();
    for at in 0..100 {
        let done = Reading {
            received: at * 1_000_000,
            ..Reading::default()
        };
        // Once a second somebody waits.
        assert!(!tuner.look(done, 4, now + Duration::from_secs(at)));
    }
    assert_eq!(tuner.share(), 4);
    assert_eq!(Tuner::new(0).share(), 1);
    tuner.refused(1, now);
    assert_eq!(tuner.share(), 1, "and never none");
}
