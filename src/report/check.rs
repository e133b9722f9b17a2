//! What a check found: the table for a person, `check.csv`, the exit status.

mod csv;
mod person;

use serde::{Deserialize, Serialize};

use self::person::Sums;
use super::looks::{Looks, Told};
use super::{Exit, Status, Tally};
use crate::check::{Finding, Verdict, details};
use crate::text::printable;

pub use self::csv::CHECK_COLUMNS;

/// What was found of all users so far.
#[derive(Debug)]
pub struct CheckReport {
    all: bool,
    looks: Looks<10>,
    sums: Sums,
}

/// What is put away of a user.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// Of `check.csv`.
    checked: Vec<String>,
    /// Of the table.
    told: Told,
}

impl CheckReport {
    /// Nothing found yet. With `all` a person is told what else was found of each user, too.
    pub fn new(all: bool) -> Self {
        Self {
            all,
            looks: Looks::new(person::HEAD),
            sums: Sums::default(),
        }
    }

    /// How the process should end.
    pub fn exit(&self) -> Exit {
        self.looks.exit()
    }
}

impl Tally for CheckReport {
    type Of = Finding;
    type Row = Row;

    fn take(&mut self, of: Finding) -> (String, Status, Row) {
        let status = Verdict::of(&of).status;
        self.sums.add(&of);
        let below = match self.all {
            true => details(&of).iter().map(|line| printable(line)).collect(),
            false => Vec::new(),
        };
        let told = (person::cells(&of), below);
        let row = Row {
            checked: csv::row(&of).map(|field| field.into_owned()).into(),
            told: self.looks.add(status, of.ended_by.as_ref(), told),
        };
        (of.user, status, row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Flaw, Largest, Mailbox, Maildropped, Matter, Scheme, Server, Top, Uidls};
    use crate::problem::{Kind, Problem, Reach};
    use crate::report::{Gathered, ReportDir};

    fn server(endpoint: &str, login: Result<(), Problem>) -> Server {
        Server {
            endpoint: endpoint.to_owned(),
            software: match login {
                Ok(()) => "Dovecot".to_owned(),
                Err(_) => String::new(),
            },
            login,
        }
    }

    fn fine() -> Finding {
        Finding {
            imap: Some(server("imaps://old:993", Ok(()))),
            pop3: Some(server("pop3s://old:995", Ok(()))),
            maildrop: Some(Maildropped {
                messages: 1200,
                has_uidls: true,
                faulty: 0,
                first_faulty: None,
                doubled: 0,
                unholdable: 0,
                first_unholdable: None,
                top: Top::There,
            }),
            mailbox: Mailbox {
                folders: 3,
                messages: 1210,
                bytes: 5 << 20,
                largest: Some(Largest {
                    bytes: 1 << 20,
                    folder: "=Sent".to_owned(),
                    message: "UID 7".to_owned(),
                }),
                uidls: Some(Uidls {
                    listed: 1200,
                    kept: 1200,
                    stages: vec![("template(u8v8)".to_owned(), 1200)],
                    scheme: Some(Scheme {
                        name: "u8v8".to_owned(),
                        hits: 1200,
                        dovecot_format: Some("%08Xu%08Xv"),
                    }),
                    in_uid_order: Some(true),
                    elsewhere: vec![("-Sent".to_owned(), 4), ("A b".to_owned(), 3)],
                    ..Uidls::default()
                }),
                ..Mailbox::default()
            },
            seconds: 1.5,
            attempts: 2,
            ..Finding::new("ann")
        }
    }

    fn wrong() -> Finding {
        let problem = Problem::new(Kind::Auth, Reach::User, "-no\x1b");
        Finding {
            imap: Some(server("imaps://old:993", Err(problem))),
            flaws: vec![Flaw::new(Matter::Login, "the IMAP login fails (password)")],
            attempts: 1,
            ..Finding::new("=bob")
        }
    }

    #[test]
    fn a_person_sees_a_line_a_user_and_what_holds_for_all() {
        let told = |all| {
            let mut out = Vec::new();
            let report = Gathered::of(CheckReport::new(all), [fine(), wrong()]);
            report.tell(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let want = "\
user  imap      pop3  folders  messages      size   largest  scheme        uidls  verdict
ann   ok        ok          3     1,210  5.00 MiB  1.00 MiB  u8v8    1,200/1,200  transparent
=bob  password  -           0         0       0 B         -  -                 -  not transparent: because the IMAP login fails (password)

users: 2, of these 1 transparent, 0 not, 1 failed
logins that fail: 1 password
messages: 1,210 (5.00 MiB) in 3 folders; the largest has 1.00 MiB
UIDLs: 1,200 of 1,200 are kept
software of imaps://old:993: Dovecot (1 user)
software of pop3s://old:995: Dovecot (1 user)
UIDLs of pop3s://old:995: u8v8 (1 user); pop3_uidl_format = %08Xu%08Xv
";
        assert_eq!(told(false), want);
        let all = told(true);
        for line in [
            "    IMAP imaps://old:993: the login works; Dovecot\n",
            "    UIDLs paired: 1200 by template(u8v8)\n",
            "    IMAP imaps://old:993: password: -no\\u{1b}\n",
        ] {
            assert!(all.contains(line), "{line}{all}");
        }
    }

    #[test]
    fn the_file_reads_back_and_holds_no_formula() {
        let dir = tempfile::tempdir().unwrap();
        let place = ReportDir::prepare(dir.path()).unwrap();
        let report = Gathered::of(CheckReport::new(false), [fine(), wrong()]);
        place.write_check(&report).unwrap();
        let path = dir.path().join("check.csv");
        let rows: Vec<String> = std::fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(rows[0], CHECK_COLUMNS.join(","));
        assert_eq!(
            rows[1],
            "ann,ok,transparent,ok,,Dovecot,ok,,Dovecot,3,1210,5242880,1048576,'=Sent,UID 7,0,0,0,0,\
             1200,1200,0,0,0,there,u8v8,1200,%08Xu%08Xv,1200,0,0,template(u8v8)=1200,yes,,1.500,2,7,\
             '-Sent=4; A b=3"
        );
        assert_eq!(
            rows[2],
            "=bob,failed,not transparent: because the IMAP login fails (password),password,\
             '-no\\u{1b},,,,,,,,,,,,,,,,,,,,,,,,,,,,,,0.000,1,,"
        );
        let failed = crate::userlist::failed_users(&path).unwrap();
        assert_eq!(failed, ["=bob".to_owned()].into());
    }

    #[test]
    fn the_exit_status_is_that_of_the_worst_user() {
        let cut = || Finding {
            ended_by: Some(Problem::new(Kind::Interrupted, Reach::Run, "")),
            ..Finding::new("c")
        };
        for (users, exit) in [
            (vec![], Exit::Ok),
            (vec![fine()], Exit::Ok),
            (vec![fine(), wrong()], Exit::Some),
            (vec![wrong(), cut()], Exit::Interrupted),
        ] {
            let report = Gathered::of(CheckReport::new(false), users);
            assert_eq!(report.tally.exit(), exit);
        }
    }
}
