use super::room::{Lack, allocated, look, nearest};
use super::*;

const MIB: u64 = 1 << 20;

fn room(bytes_free: u64, inodes_free: Option<u64>) -> Room {
    Room {
        block: 4096,
        bytes_all: 100 * MIB,
        bytes_free,
        inodes_free,
    }
}

#[test]
fn files_take_whole_blocks_and_a_folder_its_lists() {
    for (bytes, block, want) in [
        (0, 4096, 0),
        (1, 4096, 4096),
        (4096, 4096, 4096),
        (4097, 4096, 8192),
        (u64::MAX, 4096, u64::MAX),
    ] {
        assert_eq!(allocated(bytes, block), want, "{bytes} in {block}");
    }
    // Messages of these sizes, and what they take in blocks and inodes.
    for (sizes, blocks, inodes) in [
        (&[][..], 0, 0),
        (&[1], 1 + 1 + 10, 11),
        (&[4096, 5000], 1 + 2 + 1 + 10, 12),
        (&[100; 16], 16 + 2 + 10, 26),
    ] {
        let want = Need {
            bytes: blocks * 4096,
            inodes,
        };
        assert_eq!(need(sizes.iter().copied(), 4096), want, "{sizes:?}");
    }
    let huge = need([u64::MAX, u64::MAX].into_iter(), 4096);
    assert_eq!(huge.bytes, u64::MAX);
}

#[test]
fn what_is_set_aside_and_what_stays_free_is_not_free() {
    let need = |bytes, inodes| Need { bytes, inodes };
    let none = Need::default();
    // Free bytes and inodes; set aside; needed; kept free.
    let cases = [
        (room(10, Some(10)), none, need(10, 10), 0, Ok(())),
        (
            room(10, Some(10)),
            none,
            need(11, 1),
            0,
            Err(Lack::Bytes(11, 10, 0)),
        ),
        (
            room(10, Some(10)),
            none,
            need(8, 1),
            3,
            Err(Lack::Bytes(8, 7, 3)),
        ),
        (room(10, Some(10)), need(5, 0), need(5, 1), 0, Ok(())),
        (
            room(10, Some(10)),
            need(6, 0),
            need(5, 1),
            0,
            Err(Lack::Bytes(5, 4, 0)),
        ),
        (
            room(10, Some(10)),
            need(0, 8),
            need(1, 3),
            0,
            Err(Lack::Inodes(3, 2)),
        ),
        (room(10, None), need(0, 8), need(1, 300), 0, Ok(())),
        (
            room(10, Some(10)),
            need(u64::MAX, 0),
            need(1, 1),
            3,
            Err(Lack::Bytes(1, 0, 3)),
        ),
        (room(0, Some(0)), none, none, 5, Ok(())),
    ];
    for (room, reserved, need, kept, want) in cases {
        assert_eq!(
            room.fits(reserved, need, kept),
            want,
            "{room:?} {reserved:?} {need:?} {kept}"
        );
    }
    assert_eq!(kept_by_default(room(0, None)), MIB);
    let large = Room {
        bytes_all: 1 << 50,
        ..room(0, None)
    };
    assert_eq!(kept_by_default(large), 1 << 30);
}

/// 3 MiB free, of which 1 stays so; 2 file systems.
fn two_disks(path: &Path) -> io::Result<(u64, Room)> {
    match path.starts_with("/b") {
        true => Ok((2, room(50 * MIB, Some(1000)))),
        false => Ok((1, room(3 * MIB, Some(1000)))),
    }
}

#[test]
fn users_at_work_share_what_there_is() {
    let space = Space::looking(None, two_disks);
    let take = |maildir: &str, mib: u64| space.reserve(Path::new(maildir), [mib * MIB].into_iter());
    let first = take("/a/ann", 1).expect("room").expect("it was looked at");
    let refused = take("/a/bob", 1).expect_err("what ann needs is not free");
    assert_eq!(
        (refused.kind, refused.reach, refused.retry),
        (Kind::Space, Reach::User, false)
    );
    assert!(refused.to_string().contains("/a/bob: no room"), "{refused}");
    take("/b/bob", 1).expect("another file system");
    // Half of it written: the file system shows it, here it still says 3 MiB.
    first.written(MIB);
    assert!(take("/a/bob", 1).is_ok());
    first.written(5 * MIB);
    drop(first);
    assert_eq!(
        space.lock()[&1].need,
        Need::default(),
        "no more is given back than was taken"
    );
    assert!(take("/a/bob", 2).is_err(), "with its lists it is more");
    let unwatched = Space::looking(Some(0), two_disks);
    let all = unwatched.reserve(Path::new("/a/ann"), [500 * MIB].into_iter());
    assert!(all.expect("nothing is looked at").is_none());
    let all = Space::looking(Some(1), two_disks);
    let all = all.reserve(Path::new("/a/ann"), [2 * MIB].into_iter());
    assert!(all.is_ok(), "one byte stays free, not a hundredth");
}

#[test]
fn a_plan_is_summed_up_by_file_system() {
    let space = Space::looking(None, two_disks);
    for (maildir, mib) in [("/a/ann", 1), ("/a/bob", 1), ("/b/eve", 4)] {
        space.expect(Path::new(maildir), [mib * MIB, 10].into_iter());
    }
    let told = space.told();
    let want = [
        "/: 2.09 MiB and 24 inodes needed, 3.00 MiB and 1,000 inodes free: IT DOES NOT FIT: \
         2.09 MiB needed, 2.00 MiB free besides what users at work still need and 1.00 MiB that stay free",
        "/: 4.05 MiB and 12 inodes needed, 50.00 MiB and 1,000 inodes free: it fits",
    ];
    assert_eq!(told, want);
}

#[test]
fn a_place_that_is_not_there_yet_is_that_of_the_nearest_directory() {
    let dir = tempfile::tempdir().expect("a place");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("it can be written");
    for below in ["", "a/b/c", "file", "file/x"] {
        assert_eq!(nearest(&dir.path().join(below)), dir.path(), "{below}");
    }
    let (device, room) = look(&dir.path().join("a/b")).expect("it is there");
    let (of_dir, _) = look(dir.path()).expect("it is there");
    assert_eq!(device, of_dir);
    assert!(room.block.is_power_of_two() && room.bytes_all >= room.bytes_free);
}
