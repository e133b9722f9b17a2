//! From the rows of a user list to [`User`]s: what a row does not say is taken from what holds for
//! everyone.

use std::collections::HashMap;
use std::path::PathBuf;

use super::resolve::Faults;
use super::secrets::{Logins, Own};
use super::targets::Targets;
use super::template::Template;
use super::{Account, FolderEncoding, Layout, Owner, User, selection};
use crate::mail::FolderPath;
use crate::source::net::Endpoint;
use crate::userlist::UserRow;

/// What holds for all users, where their row does not say otherwise. The `_typed` fields are true
/// also where the value was refused: the rows are then not blamed for its lack.
pub(super) struct Everyone<'c> {
    pub listed: bool,
    pub imap: Option<Endpoint>,
    pub pop3: Option<Endpoint>,
    pub imap_typed: bool,
    pub pop3_typed: bool,
    pub maildir: Option<Template>,
    pub maildir_typed: bool,
    pub maildir_needed: bool,
    pub owner: Option<Owner>,
    pub form: (Layout, FolderEncoding),
    pub subfolder: Option<FolderPath>,
    /// The options used that only IMAP can serve.
    pub imap_options: Vec<&'static str>,
    pub apop: bool,
    pub logins: Logins<'c>,
}

/// What to look for in each row. What all rows lack is told once, not once a row.
struct Look {
    server: bool,
    pop3_for_apop: bool,
    imap_for_options: bool,
    password: bool,
    maildir: bool,
    one_maildir: bool,
}

impl Everyone<'_> {
    /// The users of the rows that are right, in order; what is wrong with the others goes to
    /// `faults`.
    pub fn users(&self, rows: &[UserRow], faults: &mut Faults) -> Vec<User> {
        let look = self.lacks_of_all(rows, faults);
        let mut owners = HashMap::new();
        let mut targets = Targets::default();
        let mut users = Vec::with_capacity(rows.len());
        for row in rows {
            let mut wrong = |fault: String| faults.0.push((row.line, fault));
            let owner = match &row.owner {
                None => self.owner,
                Some(text) => owners
                    .entry(text.as_str())
                    .or_insert_with(|| Owner::parse(text))
                    .clone()
                    .map_err(&mut wrong)
                    .ok(),
            };
            let (imap, pop3) = self.accounts(row, &look, &mut wrong);
            let maildir = match self.maildir(row) {
                Ok(Some(maildir)) => maildir,
                Ok(None) if !self.maildir_needed => PathBuf::new(),
                Ok(None) if look.maildir => {
                    wrong("no Maildir: fill the maildir column, or give --maildir".to_owned());
                    continue;
                }
                Ok(None) => continue,
                Err(fault) => {
                    wrong(fault);
                    continue;
                }
            };
            let subfolder = match &row.subfolder {
                None => self.subfolder.clone(),
                Some(name) => match selection::subfolder(name, self.form) {
                    Ok(path) => Some(path),
                    Err(fault) => {
                        wrong(format!("subfolder: {fault}"));
                        continue;
                    }
                },
            };
            // A template for all that gives one directory has been told already.
            let is_told = look.one_maildir && row.maildir.is_none() && row.subfolder.is_none();
            if !maildir.as_os_str().is_empty()
                && let Err(fault) = targets.take(row.line, &maildir, subfolder.as_ref(), owner)
                && !is_told
            {
                wrong(format!("user {:?} {fault}", row.user));
            }
            users.push(User {
                name: row.user.clone(),
                line: row.line,
                imap,
                pop3,
                maildir,
                owner,
                subfolder,
                reserved: Vec::new(),
            });
        }
        for user in users.iter_mut().filter(|user| user.subfolder.is_none()) {
            user.reserved = targets.subfolders(&user.maildir);
        }
        users
    }

    fn lacks_of_all(&self, rows: &[UserRow], faults: &mut Faults) -> Look {
        let any = |has: fn(&UserRow) -> bool| rows.iter().any(has);
        let a_pop3 = any(|row| row.pop3.is_some());
        let a_server = a_pop3 || any(|row| row.imap.is_some());
        let a_maildir = any(|row| row.maildir.is_some());
        let a_password = any(|row| {
            row.password.is_some() || row.imap_password.is_some() || row.pop3_password.is_some()
        });
        // Rows that were refused may have had it.
        let known = !rows.is_empty() || !self.listed;
        let server_typed = self.imap_typed || self.pop3_typed;
        if known && !server_typed && !a_server {
            faults.refuse(
                "no server to read from: give --imap URL, --pop3 URL or both (or fill the columns \
                 imap and pop3 of the user list)",
            );
        }
        let apop_without_pop3 = self.apop && !self.pop3_typed && !a_pop3;
        if known && apop_without_pop3 && (server_typed || a_server) {
            faults.refuse("--auth apop is POP3's: give --pop3 URL, or use --auth cram-md5");
        }
        let no_imap = known && !self.imap_typed && !any(|row| row.imap.is_some());
        if no_imap && (server_typed || a_server) && !self.imap_options.is_empty() {
            faults.refuse(format!(
                "{} need IMAP, for POP3 does not tell: give --imap URL",
                self.imap_options.join(", ")
            ));
        }
        if known && !self.logins.shared() && !a_password {
            faults.refuse(
                "no password: fill the column password of the user list, or use \
                 --password-command, --password-file or MAILSEED_PASSWORD",
            );
        }
        if known && self.maildir_needed && !self.maildir_typed && !a_maildir {
            faults.refuse(
                "where is the mail to go? Give --maildir TEMPLATE (or fill the column maildir of \
                 the user list)",
            );
        }
        let one_maildir = self.maildir.as_ref().is_some_and(|it| !it.names_the_user())
            && rows
                .iter()
                .filter(|row| row.maildir.is_none() && row.subfolder.is_none())
                .count()
                > 1;
        if one_maildir {
            faults.refuse(
                "--maildir gives all users the same directory: put {user}, or {local} and \
                 {domain}, in it, or give all but one a subfolder (in the user list)",
            );
        }
        Look {
            server: !server_typed && a_server,
            pop3_for_apop: self.apop && !apop_without_pop3,
            imap_for_options: !no_imap && !self.imap_options.is_empty(),
            password: self.logins.shared() || a_password,
            maildir: self.maildir_needed && !self.maildir_typed && a_maildir,
            one_maildir,
        }
    }

    /// The IMAP and the POP3 account of a row.
    fn accounts(
        &self,
        row: &UserRow,
        look: &Look,
        wrong: &mut dyn FnMut(String),
    ) -> (Option<Account>, Option<Account>) {
        let imap = row.imap.as_ref().or(self.imap.as_ref());
        let pop3 = row.pop3.as_ref().or(self.pop3.as_ref());
        if look.server && imap.is_none() && pop3.is_none() {
            wrong("no server: fill the column imap or pop3, or give --imap or --pop3".to_owned());
        }
        if look.pop3_for_apop && imap.is_some() && pop3.is_none() && !self.pop3_typed {
            wrong("no POP3 server, which --auth apop needs".to_owned());
        }
        // A URL that was refused is told by itself.
        if look.imap_for_options && imap.is_none() && pop3.is_some() && !self.imap_typed {
            wrong(format!(
                "user {:?} has no IMAP server, which {} need",
                row.user,
                self.imap_options.join(", ")
            ));
        }
        let mut account = |endpoint: Option<&Endpoint>, own: Own<'_>| {
            let credential = match self.logins.credential(row, &own) {
                _ if endpoint.is_none() => None,
                Ok(credential) => credential,
                Err(fault) => {
                    if look.password {
                        wrong(format!("user {:?}: {fault}", row.user));
                    }
                    None
                }
            };
            Some(Account {
                endpoint: endpoint?.clone(),
                credential: credential?,
            })
        };
        (
            account(
                imap,
                Own {
                    protocol: "IMAP",
                    user: row.imap_user.as_deref(),
                    password: row.imap_password.as_ref(),
                },
            ),
            account(
                pop3,
                Own {
                    protocol: "POP3",
                    user: row.pop3_user.as_deref(),
                    password: row.pop3_password.as_ref(),
                },
            ),
        )
    }

    /// The Maildir of a row; `None` where there is none that could be told here.
    fn maildir(&self, row: &UserRow) -> Result<Option<PathBuf>, String> {
        let own = row.maildir.as_deref().map(Template::parse).transpose()?;
        own.as_ref()
            .or(self.maildir.as_ref())
            .map(|template| template.fill(&row.user))
            .transpose()
    }
}
