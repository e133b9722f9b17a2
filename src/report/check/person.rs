//! The table of a check, and what holds for all users together.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::{BinaryBytes, HumanCount};

use super::CheckReport;
use crate::check::{Finding, Scheme, Server, Verdict, class, details};
use crate::report::Status;
use crate::report::looks;
use crate::report::table::Table;
use crate::text::printable;

const HEAD: [&str; 10] = [
    "<user", "<imap", "<pop3", "folders", "messages", "size", "largest", "<scheme", "uidls",
    "<verdict",
];

/// Kinds of software told for one server; a farm may have as many greetings as hosts.
const TOLD: usize = 5;

impl CheckReport {
    /// Writes a line for each user (with `all` also what else was found), and the totals.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn tell(&self, all: bool, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<_> = self.users.iter().map(row).collect();
        let table = Table::new(HEAD, &rows);
        table.head(out)?;
        for (user, row) in self.users.iter().zip(&rows) {
            table.row(out, row)?;
            if all {
                for line in details(user) {
                    writeln!(out, "    {}", printable(&line))?;
                }
            }
        }
        writeln!(out)?;
        self.totals(out)
    }

    fn totals(&self, out: &mut dyn Write) -> io::Result<()> {
        let statuses: Vec<Status> = self.users.iter().map(|it| Verdict::of(it).status).collect();
        looks::tell_users(&statuses, out)?;
        self.failures(out)?;
        let sum = |of: fn(&Finding) -> u64| self.users.iter().map(of).sum::<u64>();
        let largest = self
            .users
            .iter()
            .filter_map(|it| it.mailbox.largest.as_ref());
        writeln!(
            out,
            "messages: {} ({}) in {} folders; the largest has {}",
            count(sum(|it| it.mailbox.messages)),
            BinaryBytes(sum(|it| it.mailbox.bytes)),
            count(sum(|it| it.mailbox.folders)),
            BinaryBytes(largest.map(|it| it.bytes).max().unwrap_or(0))
        )?;
        writeln!(
            out,
            "UIDLs: {} of {} are kept",
            count(sum(|it| it.mailbox.uidls.as_ref().map_or(0, |it| it.kept))),
            count(sum(|it| it.maildrop.as_ref().map_or(0, |it| it.messages)))
        )?;
        self.software(out)?;
        self.schemes(out)
    }

    /// How many logins fail of what.
    fn failures(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
        for server in self.servers() {
            if let Err(problem) = &server.login {
                *classes.entry(class(problem.kind)).or_default() += 1;
            }
        }
        if classes.is_empty() {
            return Ok(());
        }
        let classes = classes.iter();
        let classes = classes.map(|(class, times)| format!("{} {class}", count(*times)));
        let classes: Vec<String> = classes.collect();
        writeln!(out, "logins that fail: {}", classes.join(", "))
    }

    fn software(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut found: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for server in self.servers().filter(|it| !it.software.is_empty()) {
            let of_server = found.entry(&server.endpoint).or_default();
            *of_server.entry(&server.software).or_default() += 1;
        }
        for (endpoint, kinds) in found {
            let told = kinds.iter().take(TOLD);
            let mut told: Vec<String> = told
                .map(|(kind, times)| format!("{} ({})", printable(kind), users(*times)))
                .collect();
            if kinds.len() > TOLD {
                told.push(format!("and {} more", kinds.len() - TOLD));
            }
            writeln!(out, "software of {endpoint}: {}", told.join(", "))?;
        }
        Ok(())
    }

    /// A line for each rule by which each POP3 server makes UIDLs, the most usual first.
    fn schemes(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut found: BTreeMap<(&str, &str), (u64, Option<&str>)> = BTreeMap::new();
        for user in &self.users {
            let uidls = user.mailbox.uidls.as_ref().filter(|it| it.kept > 0);
            let (Some(server), Some(uidls)) = (&user.pop3, uidls) else {
                continue;
            };
            // Without IMAP there is nothing to see a rule by.
            let scheme = match (&uidls.scheme, uidls.stages.is_empty()) {
                (_, true) => continue,
                (Some(scheme), _) => (scheme.name.as_str(), scheme.dovecot_format),
                (None, _) => (OPAQUE, None),
            };
            let key = (server.endpoint.as_str(), scheme.0);
            found.entry(key).or_insert((0, scheme.1)).0 += 1;
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|((endpoint, _), (times, _))| (*endpoint, Reverse(*times)));
        for ((endpoint, scheme), (times, format)) in found {
            let format = format.map_or(String::new(), |format| {
                format!("; pop3_uidl_format = {format}")
            });
            writeln!(
                out,
                "UIDLs of {endpoint}: {scheme} ({}){format}",
                users(times)
            )?;
        }
        Ok(())
    }

    fn servers(&self) -> impl Iterator<Item = &Server> {
        let both = self.users.iter().map(|user| [&user.imap, &user.pop3]);
        both.flatten().flatten()
    }
}

/// UIDLs that follow no rule that is known.
const OPAQUE: &str = "opaque";

fn row(user: &Finding) -> [String; 10] {
    let login = |server: &Option<Server>| match server {
        None => "-",
        Some(Server { login: Ok(()), .. }) => "ok",
        Some(Server {
            login: Err(problem),
            ..
        }) => class(problem.kind),
    };
    let mailbox = &user.mailbox;
    let none = || "-".to_owned();
    let listed = user.maildrop.as_ref().map(|it| it.messages);
    let scheme = |uidls: &crate::check::Uidls| match &uidls.scheme {
        Some(Scheme { name, .. }) => printable(name),
        None if uidls.stages.is_empty() => none(),
        None => OPAQUE.to_owned(),
    };
    let uidls = match (&mailbox.uidls, listed) {
        (Some(uidls), _) => format!("{}/{}", count(uidls.kept), count(uidls.listed)),
        (None, Some(listed)) => format!("?/{}", count(listed)),
        (None, None) => none(),
    };
    [
        printable(&user.user),
        login(&user.imap).to_owned(),
        login(&user.pop3).to_owned(),
        count(mailbox.folders),
        count(mailbox.messages),
        BinaryBytes(mailbox.bytes).to_string(),
        mailbox
            .largest
            .as_ref()
            .map_or_else(none, |it| BinaryBytes(it.bytes).to_string()),
        mailbox.uidls.as_ref().map_or_else(none, scheme),
        uidls,
        printable(&Verdict::of(user).to_string()),
    ]
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

fn users(number: u64) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} user{s}", count(number))
}
