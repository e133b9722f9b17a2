//! From a row of a user list to a [`User`]: what the row does not say is taken from what holds for
//! everyone.

use std::collections::HashMap;
use std::path::PathBuf;

use super::faults::Faults;
use super::secrets::{Logins, Own};
use super::template::Template;
use super::{Account, FolderEncoding, Layout, Owner, User, selection};
use crate::mail::FolderPath;
use crate::source::net::Endpoint;
use crate::userlist::{Scan, UserRow};

/// What holds for all users, where their row does not say otherwise. The `_typed` fields are true
/// also where the value was refused: the rows are then not blamed for its lack.
#[derive(Debug)]
pub(super) struct Everyone {
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
    pub logins: Logins,
}

/// What to look for in each row. What all rows lack is told once, not once a row.
#[derive(Debug, Default)]
pub(super) struct Look {
    server: bool,
    pop3_for_apop: bool,
    imap_for_options: bool,
    password: bool,
    maildir: bool,
    pub one_maildir: bool,
}

/// Owners by what was written: names are looked up in the system.
#[derive(Debug, Default)]
pub(super) struct Owners(HashMap<String, Result<Owner, String>>);

impl Owners {
    fn get(&mut self, text: &str) -> Result<Owner, String> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let owner = Owner::parse(text);
        self.0.insert(text.to_owned(), owner.clone());
        owner
    }
}

impl Everyone {
    /// The user of a row; what is wrong with it goes to `wrong`. `None`: there is no telling.
    pub fn user(
        &self,
        row: &UserRow,
        look: &Look,
        owners: &mut Owners,
        wrong: &mut dyn FnMut(String),
    ) -> Option<User> {
        let owner = match &row.owner {
            None => self.owner,
            Some(text) => owners.get(text).map_err(&mut *wrong).ok(),
        };
        let (imap, pop3) = self.accounts(row, look, wrong);
        let maildir = match self.maildir(row) {
            Ok(Some(maildir)) => maildir,
            Ok(None) if !self.maildir_needed => PathBuf::new(),
            Ok(None) => {
                if look.maildir {
                    wrong("no Maildir: fill the maildir column, or give --maildir".to_owned());
                }
                return None;
            }
            Err(fault) => {
                wrong(fault);
                return None;
            }
        };
        let subfolder = match &row.subfolder {
            None => self.subfolder.clone(),
            Some(name) => match selection::subfolder(name, self.form) {
                Ok(path) => Some(path),
                Err(fault) => {
                    wrong(format!("subfolder: {fault}"));
                    return None;
                }
            },
        };
        Some(User {
            name: row.user.clone(),
            imap,
            pop3,
            maildir,
            owner,
            subfolder,
            reserved: Vec::new(),
        })
    }

    /// What to look for in the rows of which `all` holds; what they all lack goes to `faults`.
    pub fn lacks_of_all(&self, all: &Scan, faults: &mut Faults) -> Look {
        let a_pop3 = all.any_pop3;
        let a_server = a_pop3 || all.any_imap;
        let a_maildir = all.any_maildir;
        let a_password = all.any_password;
        // Rows that were refused may have had it.
        let known = all.rows > 0 || !self.listed;
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
        let no_imap = known && !self.imap_typed && !all.any_imap;
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
        let one_maildir =
            self.maildir.as_ref().is_some_and(|it| !it.names_the_user()) && all.bare > 1;
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
