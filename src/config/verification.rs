//! What a verify looks at besides what an export works with.

use std::path::Path;

use super::secrets::password_file;
use super::{Account, Config, Credential, SecretSource, User};
use crate::announce::UidlFormat;
use crate::cli;
use crate::problem::{Kind, Problem, Reach};
use crate::source::login::{Mechanism, Secret};
use crate::source::net::{Endpoint, Protocol};
use crate::text::printable;
use crate::userlist::{endpoint, sound_name};

/// Which messages a verify reads and compares byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Content {
    /// Every one
    All,
    /// Some of each folder, at least 20 and one in 100, the same each time; and those whose sizes
    /// differ, or whose files are named for other UIDs
    #[default]
    Sample,
    /// None
    None,
}

/// What a verify looks at.
#[derive(Debug)]
pub struct Verification {
    /// Which messages are read.
    pub content: Content,
    /// The new host, where it is to be asked too.
    pub new: Option<NewHost>,
    /// How the Dovecot of the Maildirs makes UIDLs for messages that have none of their own, where that
    /// was said.
    pub uidl_format: Option<UidlFormat>,
}

/// The new host, and how to log in there.
#[derive(Debug)]
pub struct NewHost {
    imap: Option<Endpoint>,
    pop3: Option<Endpoint>,
    /// The master user, and what stands between it and the user.
    master: Option<(String, String)>,
    /// The password, where it is not that of the old host.
    secret: Option<Secret>,
    mechanism: Option<Mechanism>,
}

impl Verification {
    /// What `typed` means.
    ///
    /// # Errors
    /// Everything that is wrong (reach Run, kind Input).
    pub fn from_cli(typed: &cli::Verifying, login: &cli::Login) -> Result<Self, Vec<Problem>> {
        let mut faults = Vec::new();
        let new = NewHost::from_cli(typed, login, &mut faults);
        if typed.new.is_empty()
            && (typed.new_master_user.is_some() || typed.new_password_file.is_some())
        {
            faults.push("--new-master-user and --new-password-file are for --new".to_owned());
        }
        refused(faults)?;
        Ok(Self {
            content: typed.content,
            new,
            uidl_format: typed.pop3_uidl_format.clone(),
        })
    }
}

impl Verification {
    /// Whether everything that is named can be held against something: else a verify would pass of which
    /// nothing was looked at.
    ///
    /// # Errors
    /// Everything that cannot (reach Run, kind Input).
    pub fn fits(&self, config: &Config) -> Result<(), Vec<Problem>> {
        let mut faults = Vec::new();
        let new = |url: fn(&NewHost) -> Option<&Endpoint>| self.new.as_ref().and_then(url);
        // That the list has been changed is told when the user's turn comes.
        let old = |has: fn(&User) -> bool| config.users.iter().flatten().filter(has);
        let sides = [
            (
                "imap",
                new(|it| it.imap.as_ref()),
                old(|it| it.imap.is_some()),
            ),
            (
                "pop3",
                new(|it| it.pop3.as_ref()),
                old(|it| it.pop3.is_some()),
            ),
        ];
        for (protocol, new, mut with_old) in sides {
            match new {
                Some(new) if !config.users.is_empty() && with_old.next().is_none() => {
                    faults.push(format!(
                        "--new {new} has nothing to be compared with: name the old server with \
                         --{protocol}, or leave it out"
                    ));
                }
                Some(_) => {}
                None => {
                    let mut lost = with_old.filter(|user| user.maildir.as_os_str().is_empty());
                    if let Some(user) = lost.next() {
                        let more = match lost.count() {
                            0 => String::new(),
                            more => format!(" (and {more} more)"),
                        };
                        faults.push(format!(
                            "user {}{more}: nothing to compare --{protocol} with: give --maildir, or \
                             --new {protocol}s://... too",
                            printable(&user.name)
                        ));
                    }
                }
            }
        }
        if self.uidl_format.is_some() && !config.target.servers.dovecot {
            let what = "--pop3-uidl-format is a setting of Dovecot's, which is not in --target: leave it out";
            faults.push(what.to_owned());
        }
        refused(faults)
    }
}

/// What is wrong, as problems.
fn refused(faults: Vec<String>) -> Result<(), Vec<Problem>> {
    let problems = faults.into_iter();
    let problems: Vec<Problem> = problems
        .map(|fault| Problem::new(Kind::Input, Reach::Run, fault))
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

impl NewHost {
    fn from_cli(
        typed: &cli::Verifying,
        login: &cli::Login,
        faults: &mut Vec<String>,
    ) -> Option<Self> {
        if typed.new.is_empty() {
            return None;
        }
        let (mut imap, mut pop3) = (None, None);
        for url in &typed.new {
            let (place, protocol) = match url.starts_with("pop3") {
                true => (&mut pop3, Protocol::Pop3),
                false => (&mut imap, Protocol::Imap),
            };
            match endpoint(url, protocol) {
                Ok(_) if place.is_some() => {
                    faults.push(format!("--new {url}: there is one of this kind already"));
                }
                Ok(endpoint) => *place = Some(endpoint),
                Err(fault) => faults.push(format!("--new: {fault}")),
            }
        }
        let file = typed.new_password_file.as_deref();
        let mut read = |file: &Path| {
            let secret = password_file("--new-password-file", file);
            secret.map_err(|fault| faults.push(fault)).ok()
        };
        let secret = file.and_then(&mut read);
        if let Some(master) = &typed.new_master_user {
            if let Err(fault) = sound_name(master) {
                faults.push(format!("--new-master-user: {fault}"));
            }
            if file.is_none() {
                faults.push(
                    "--new-master-user needs the master's password: use --new-password-file"
                        .to_owned(),
                );
            }
        }
        let separator = &login.master_separator;
        Some(Self {
            imap,
            pop3,
            master: typed
                .new_master_user
                .as_ref()
                .map(|master| (master.clone(), separator.clone())),
            secret,
            mechanism: login.auth,
        })
    }

    /// The accounts of `user` on the new host, IMAP and POP3: as on the old one where nothing else is
    /// said.
    pub fn accounts(&self, user: &User) -> [Option<Account>; 2] {
        let sides = [(&self.imap, &user.imap), (&self.pop3, &user.pop3)];
        sides.map(|(endpoint, old)| {
            Some(Account {
                endpoint: endpoint.clone()?,
                credential: self.credential(user, &old.as_ref()?.credential),
            })
        })
    }

    fn credential(&self, user: &User, old: &Credential) -> Credential {
        let secret = match &self.secret {
            Some(secret) => SecretSource::Known(secret.clone()),
            None => old.secret.clone(),
        };
        match &self.master {
            Some((master, _)) if self.mechanism == Some(Mechanism::Plain) => Credential {
                name: master.clone(),
                authzid: Some(user.name.clone()),
                of_master: true,
                secret,
                mechanism: self.mechanism,
            },
            Some((master, separator)) => Credential {
                name: format!("{}{separator}{master}", user.name),
                authzid: None,
                of_master: true,
                secret,
                mechanism: self.mechanism,
            },
            // The password is the user's own there, whoever logged in here.
            None if self.secret.is_some() => Credential {
                name: user.name.clone(),
                authzid: None,
                of_master: false,
                secret,
                mechanism: self.mechanism,
            },
            None => old.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_host_takes_the_old_logins_unless_it_has_a_master() {
        let secret = |text: &str| SecretSource::Known(Secret::new(text.to_owned()));
        let account = |url, protocol| Account {
            endpoint: endpoint(url, protocol).unwrap(),
            credential: Credential {
                name: "ann-old".to_owned(),
                authzid: None,
                of_master: false,
                secret: secret("old"),
                mechanism: None,
            },
        };
        let user = User {
            imap: Some(account("imaps://old.example", Protocol::Imap)),
            ..User::of_no_server("ann@example")
        };
        let host = |master: Option<&str>, password: Option<&str>, mechanism| NewHost {
            imap: endpoint("imaps://new.example", Protocol::Imap).ok(),
            pop3: endpoint("pop3s://new.example", Protocol::Pop3).ok(),
            master: master.map(|it| (it.to_owned(), "*".to_owned())),
            secret: password.map(|it| Secret::new(it.to_owned())),
            mechanism,
        };
        for (host, want) in [
            (host(None, None, None), "imaps://new.example ann-old - old"),
            (
                host(None, Some("new"), None),
                "imaps://new.example ann@example - new",
            ),
            (
                host(Some("boss"), Some("new"), None),
                "imaps://new.example ann@example*boss - new",
            ),
            (
                host(Some("boss"), Some("new"), Some(Mechanism::Plain)),
                "imaps://new.example boss ann@example new",
            ),
        ] {
            let [imap, pop3] = host.accounts(&user);
            assert!(pop3.is_none());
            let Account {
                endpoint,
                credential,
            } = imap.unwrap();
            let SecretSource::Known(secret) = &credential.secret else {
                panic!("a command");
            };
            let authzid = credential.authzid.as_deref().unwrap_or("-");
            let told = format!(
                "{endpoint} {} {authzid} {}",
                credential.name,
                secret.expose()
            );
            assert_eq!(told, want);
        }
    }
}
