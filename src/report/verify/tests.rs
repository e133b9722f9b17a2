use std::path::Path;

use super::*;
use crate::mail::{FolderPath, Uid};
use crate::problem::{Kind, Problem, Reach};
use crate::report::{Gathered, ReportDir};
use crate::verify::{Difference, Risk, What};

fn fine() -> Finding {
    Finding {
        folders: 3,
        messages: 1210,
        content_checked: 60,
        seconds: 1.5,
        attempts: 1,
        ..Finding::new("ann")
    }
}

fn wrong() -> Finding {
    let inbox = FolderPath::inbox();
    let flags = Difference::new(Some(&inbox), What::Flags, "S", "").at(Uid::new(7));
    let uidl = Difference {
        uidl: Some("=x\u{1b}".to_owned()),
        servers: vec!["dovecot", "courier"],
        ..Difference::new(Some(&inbox), What::Uidl, "", "number 3")
    };
    Finding {
        folders: 1,
        messages: 2,
        content_checked: 2,
        differences: vec![flags, uidl],
        counts: [(What::Flags, 1), (What::Uidl, 2)].into(),
        risk: Risk {
            messages: 1,
            octets: 2048,
            fresh: 0,
        },
        ..Finding::new("=bob")
    }
}

fn ended(kind: Kind, reach: Reach) -> Finding {
    Finding {
        ended_by: Some(Problem::new(kind, reach, "-no\x1b")),
        ..Finding::new("c")
    }
}

#[test]
fn a_person_sees_a_line_a_user_and_the_risk() {
    let told = |all, dir: Option<&str>| {
        let mut out = Vec::new();
        let users = [fine(), wrong(), ended(Kind::Auth, Reach::User)];
        let report = Gathered::of(VerifyReport::new(all), users);
        report.tell(dir.map(Path::new), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let want = "\
user  folders  messages  read  differences  verdict
ann         3     1,210    60            0  transparent
=bob        1         2     2            3  not transparent because flags of 1 message, 2 UIDLs
c           0         0     0            0  not transparent because the login fails
    auth: -no\\u{1b}

users: 3, of these 1 transparent, 1 not, 1 failed
messages: 1,212 in 4 folders; 62 were read on both sides; 3 differences
POP3 clients that leave mail on the server would download 1 message (2.00 KiB) again, not counting 1 user that could not be looked at
";
    let more = "\
-v tells the first differences of each user, --report DIR writes all of them to DIR/verify.csv
";
    assert_eq!(told(false, None), format!("{want}{more}"));
    let all = told(true, Some("/r"));
    assert!(all.ends_with(
        "/r/verify.csv has a row for each difference; once it is mended, verify again with \
         --only-failed /r/verified.csv and another --report\n"
    ));
    let fine = Gathered::of(VerifyReport::new(true), [fine()]);
    let mut out = Vec::new();
    fine.tell(None, &mut out).unwrap();
    assert!(out.ends_with(b" again\n"));
    for line in [
        "    folder INBOX, UID 7: flags: S -> -\n",
        "    folder INBOX, UIDL =x\\u{1b}, shown by dovecot, courier: uidl: - -> number 3\n",
    ] {
        assert!(all.contains(line), "{line}{all}");
    }
}

#[test]
fn the_files_read_back_and_hold_no_formula() {
    let dir = tempfile::tempdir().unwrap();
    let place = ReportDir::prepare(dir.path()).unwrap();
    let report = Gathered::of(VerifyReport::new(false), [fine(), wrong()]);
    place.write_verify(&report).unwrap();
    let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(
        text("verify.csv"),
        "user,folder,uid,uidl,what,old,new,servers\n\
         =bob,INBOX,7,,flags,S,,\n\
         =bob,INBOX,,'=x\\u{1b},uidl,,number 3,dovecot courier\n\
         =bob,,,,doubt,,\"1 more differences, which are not told one by one\",\n"
    );
    assert_eq!(
        text("verified.csv"),
        "user,status,verdict,folders,messages,content_checked,differences,again_messages,\
         again_bytes,seconds,error\n\
         ann,ok,transparent,3,1210,60,0,0,0,1.500,\n\
         =bob,partial,\"not transparent because flags of 1 message, 2 UIDLs\",1,2,2,3,1,2048,0.000,\n"
    );
    let failed = crate::userlist::failed_users(&dir.path().join("verified.csv")).unwrap();
    assert_eq!(failed, ["=bob".to_owned()].into());
}

#[test]
fn the_exit_status_is_that_of_the_worst_user() {
    let cut = || ended(Kind::Interrupted, Reach::Run);
    for (users, exit) in [
        (vec![], Exit::Ok),
        (vec![fine()], Exit::Ok),
        (vec![fine(), wrong()], Exit::Some),
        (vec![fine(), ended(Kind::Network, Reach::User)], Exit::Some),
        (vec![wrong(), cut()], Exit::Interrupted),
    ] {
        let report = Gathered::of(VerifyReport::new(false), users);
        assert_eq!(report.tally.exit(), exit);
    }
}
