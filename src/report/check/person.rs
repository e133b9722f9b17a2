//! The table of a check, and what holds for all users together.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use indicatif::BinaryBytes;

use super::CheckReport;
use crate::check::{Finding, Scheme, Server, Verdict, class};
use crate::report::Gathered;
use crate::report::figures::{count, things};
use crate::text::printable;

pub(super) const HEAD: [&str; 10] = [
    "<user", "<imap", "<pop3", "folders", "messages", "size", "largest", "<scheme", "uidls",
    "<verdict",
];

/// Kinds of software told for one server; a farm may have as many greetings as hosts.
const TOLD: usize = 5;

/// What is summed over the users.
#[derive(Debug, Default)]
pub(super) struct Sums {
    folders: u64,
    messages: u64,
    bytes: u64,
    largest: u64,
    listed: u64,
    kept: u64,
    /// How many logins fail of what.
    failures: BTreeMap<&'static str, u64>,
    /// By server and software.
    software: BTreeMap<String, BTreeMap<String, u64>>,
    /// By server and rule: how many users have it, and Dovecot's name for it.
    schemes: BTreeMap<(String, String), (u64, Option<&'static str>)>,
}

impl Sums {
    pub fn add(&mut self, user: &Finding) {
        let mailbox = &user.mailbox;
        self.folders += mailbox.folders;
        self.messages += mailbox.messages;
        self.bytes += mailbox.bytes;
        let largest = mailbox.largest.as_ref().map_or(0, |it| it.bytes);
        self.largest = self.largest.max(largest);
        self.listed += user.maildrop.as_ref().map_or(0, |it| it.messages);
        self.kept += mailbox.uidls.as_ref().map_or(0, |it| it.kept);
        for server in [&user.imap, &user.pop3].into_iter().flatten() {
            if let Err(problem) = &server.login {
                *self.failures.entry(class(problem.kind)).or_default() += 1;
            }
            if !server.software.is_empty() {
                let of_server = self.software.entry(server.endpoint.clone()).or_default();
                *of_server.entry(server.software.clone()).or_default() += 1;
            }
        }
        self.scheme(user);
    }

    fn scheme(&mut self, user: &Finding) {
        let uidls = user.mailbox.uidls.as_ref().filter(|it| it.kept > 0);
        let (Some(server), Some(uidls)) = (&user.pop3, uidls) else {
            return;
        };
        // Without IMAP there is nothing to see a rule by.
        let scheme = match (&uidls.scheme, uidls.stages.is_empty()) {
            (_, true) => return,
            (Some(scheme), _) => (scheme.name.as_str(), scheme.dovecot_format),
            (None, _) => (OPAQUE, None),
        };
        let key = (server.endpoint.clone(), scheme.0.to_owned());
        self.schemes.entry(key).or_insert((0, scheme.1)).0 += 1;
    }
}

impl Gathered<CheckReport> {
    /// Writes a line for each user, and the totals.
    ///
    /// # Errors
    /// Those of `out`; the results cannot be read back.
    pub fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        let of = &self.tally;
        of.looks.tell(self.rows().map(|row| Ok(row?.told)), out)?;
        of.sums.tell(out)
    }
}

impl Sums {
    fn tell(&self, out: &mut dyn Write) -> io::Result<()> {
        self.tell_failures(out)?;
        writeln!(
            out,
            "messages: {} ({}) in {}; the largest has {}",
            count(self.messages),
            BinaryBytes(self.bytes),
            things(self.folders, "folder"),
            BinaryBytes(self.largest)
        )?;
        writeln!(
            out,
            "UIDLs: {} of {} are kept",
            count(self.kept),
            count(self.listed)
        )?;
        self.tell_software(out)?;
        self.tell_schemes(out)
    }

    fn tell_failures(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let classes = self.failures.iter();
        let classes = classes.map(|(class, times)| format!("{} {class}", count(*times)));
        let classes: Vec<String> = classes.collect();
        writeln!(out, "logins that fail: {}", classes.join(", "))
    }

    fn tell_software(&self, out: &mut dyn Write) -> io::Result<()> {
        for (endpoint, kinds) in &self.software {
            let told = kinds.iter().take(TOLD);
            let mut told: Vec<String> = told
                .map(|(kind, times)| format!("{} ({})", printable(kind), things(*times, "user")))
                .collect();
            if kinds.len() > TOLD {
                told.push(format!("and {} more", kinds.len() - TOLD));
            }
            writeln!(out, "software of {endpoint}: {}", told.join(", "))?;
        }
        Ok(())
    }

    /// A line for each rule by which each POP3 server makes UIDLs, the most usual first.
    fn tell_schemes(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut found: Vec<_> = self.schemes.iter().collect();
        found.sort_by_key(|((endpoint, _), (times, _))| (endpoint, Reverse(*times)));
        for ((endpoint, scheme), (times, format)) in found {
            let format = format.map_or(String::new(), |format| {
                format!("; pop3_uidl_format = {format}")
            });
            writeln!(
                out,
                "UIDLs of {endpoint}: {scheme} ({}){format}",
                things(*times, "user")
            )?;
        }
        Ok(())
    }
}

/// UIDLs that follow no rule that is known.
const OPAQUE: &str = "opaque";

/// The line of a user.
pub(super) fn cells(user: &Finding) -> [String; 10] {
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
