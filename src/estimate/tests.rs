use super::*;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn job(bytes: u64) -> Job {
    Job {
        users: 1000,
        messages: 5000,
        bytes,
        looked: Duration::from_secs(120),
        jobs: 16,
    }
}

/// A run of an hour that began on that day of November at midnight.
fn run(day: u8, added: u64, again_users: u64, again: u64) -> Past {
    let started: Timestamp = format!("2026-11-{day:02}T00:00:00Z")
        .parse()
        .expect("a time");
    Past {
        started,
        finished: started + Duration::from_secs(3600),
        added_bytes: added,
        again_users,
        again_bytes: again,
    }
}

#[test]
fn the_time_it_takes_is_told_with_its_basis() {
    // Of 3600 MiB in an hour: 1 MiB/s.
    let known = [run(1, 3600 * MIB, 0, 0), run(2, MIB - 1, 1000, MIB - 1)];
    let cases: [(u64, &[Past], &[&str]); 4] = [
        (0, &[], &[]),
        (
            34 * 16 * 1_000_000,
            &[],
            &[
                "to fetch: 518.80 MiB in 5,000 messages, in about 4 minutes (basis: 340 kB/s assumed \
               for each of 16 users at once, which --history with earlier runs would know, and 2 minutes to \
               look at 1,000 users, as now)",
            ],
        ),
        (
            600 * MIB,
            &known[..1],
            &[
                "to fetch: 600.00 MiB in 5,000 messages, in about 12 minutes (basis: 1.00 MiB/s over 1 run of \
                 --history, and 2 minutes to look at 1,000 users, as now)",
                "last delta: not known before a second run of the same users is in --history",
            ],
        ),
        (
            0,
            &known,
            &[
                "last delta: about 1024.00 KiB come in a day; a run a day after the one before takes about \
               2 minutes (basis: what 1 run brought of 1,000 users that were there already, 1.0 days in all; \
               and as above)",
            ],
        ),
    ];
    for (bytes, history, want) in cases {
        assert_eq!(lines(&job(bytes), history), want, "{bytes} {history:?}");
    }
    // A user alone is no 16 at once.
    let one = Job {
        users: 1,
        ..job(340_000 * 600)
    };
    assert!(
        lines(&one, &[])[0].contains("in about 12 minutes"),
        "{:?}",
        lines(&one, &[])
    );
}

#[test]
fn the_delta_goes_by_what_came_to_users_that_were_there() {
    let all = |history: &[Past]| delta(&job(0), history, &rate(&job(0), history));
    // A first run of 100 GiB, then three of 3 GiB for all, of which 1 GiB each was new users' first.
    let night = |day, again| run(day, again + GIB, 1000, again);
    let history = [
        run(1, 100 * GIB, 0, 0),
        night(2, 2 * GIB),
        night(4, 4 * GIB),
        night(5, 2 * GIB),
    ];
    let told = all(&history);
    assert!(told.starts_with("about 2.00 GiB come in a day;"), "{told}");
    assert!(
        told.contains("what 3 runs brought of 1,000 users that were there already, 4.0 days"),
        "{told}"
    );
    // The order in which they are named does not matter.
    let mut turned = history;
    turned.reverse();
    assert_eq!(all(&turned), told);
    // Two shards of a night are one, and half of the users stand for all.
    let shards = [
        run(1, 50 * GIB, 0, 0),
        run(1, 50 * GIB, 0, 0),
        run(2, GIB, 250, GIB),
        run(2, GIB, 250, GIB),
    ];
    let told = all(&shards);
    assert!(told.starts_with("about 4.00 GiB come in a day;"), "{told}");
    assert!(told.contains("what 1 run brought of 500 users"), "{told}");
    // The same run twice is no interval.
    assert!(all(&[run(1, GIB, 10, 5), run(1, GIB, 10, 5)]).starts_with("not known"));
}

#[test]
fn reports_are_read_row_by_row_and_dry_runs_are_left_out() {
    let dir = tempfile::tempdir().expect("a place");
    let made = |name: &str, run: &str, rows: &str| {
        let dir = dir.path().join(name);
        std::fs::create_dir(&dir).expect("it can be made");
        std::fs::write(dir.join("run.json"), run).expect("it can be written");
        let head = "user,status,kept,added_bytes\n";
        std::fs::write(dir.join("summary.csv"), format!("{head}{rows}"))
            .expect("it can be written");
        dir
    };
    let json = |dry_run: bool| {
        format!(
            "{{\"version\":\"0.1.0\",\"started\":\"2026-11-01T00:00:00Z\",\
             \"finished\":\"2026-11-01T01:00:00Z\",\"users\":[{{\"user\":\"a\"}}],\
             \"options\":{{\"dry-run\":{dry_run},\"jobs\":4}}}}"
        )
    };
    let rows = "a,ok,0,100\nb,partial,5,10\nc,ok,1,0\nd,failed,7,3\n";
    let good = made("good", &json(false), rows);
    let dry = made("dry", &json(true), rows);
    let torn = made("torn", "{\"started\"", rows);
    let bad = made("bad", &json(false), "a,ok,many,1\n");
    let read = history::read(&[good.clone(), dry]).expect("both are sound");
    assert_eq!(read, [run(1, 113, 2, 10)]);
    let gone = dir.path().join("gone");
    let problems = history::read(&[good, torn, bad, gone]).expect_err("three are not");
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (told, words) in told.iter().zip([
        "torn/run.json: ",
        "bad/summary.csv: ",
        "gone/run.json: No such file",
    ]) {
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(told.len(), 3);
}
