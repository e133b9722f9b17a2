//! Where passwords come from, and which of several wins.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Credential, SecretSource};
use crate::cli;
use crate::secret_command::{self, PASSWORD_VARIABLE};
use crate::source::login::{Mechanism, Secret};
use crate::userlist::{UserRow, sound_name};

/// How everybody logs in, as far as the command line and the environment say.
#[derive(Debug)]
pub struct Logins {
    mechanism: Option<Mechanism>,
    /// Name and separator.
    master: Option<(String, String)>,
    shared: Option<Shared>,
}

/// A secret that no row brought.
#[derive(Debug)]
enum Shared {
    /// There may be a password in it.
    Command(Secret),
    Known(Secret),
    /// It was refused already, which is not to be told again for each user.
    Refused,
}

/// What a row brings for one of its two accounts.
#[derive(Debug)]
pub struct Own<'r> {
    /// The name of the protocol, for messages.
    pub protocol: &'static str,
    /// The login name, where it is not the user's.
    pub user: Option<&'r str>,
    /// The password of this account alone.
    pub password: Option<&'r Secret>,
}

impl Logins {
    /// Reads what `typed` and the environment's `password` give; faults go to `refuse`.
    pub fn read(
        typed: &cli::Login,
        password: Option<OsString>,
        refuse: &mut dyn FnMut(String),
    ) -> Self {
        let mut take = |secret: Result<Secret, String>| match secret {
            Ok(secret) => Shared::Known(secret),
            Err(fault) => {
                refuse(fault);
                Shared::Refused
            }
        };
        let shared = match (&typed.password_command, &typed.password_file, password) {
            (Some(command), ..) if command.trim().is_empty() => {
                Some(take(Err("--password-command is empty".to_owned())))
            }
            (Some(command), ..) => Some(Shared::Command(Secret::new(command.clone()))),
            (None, Some(file), _) => Some(take(password_file("--password-file", file))),
            (None, None, Some(password)) => Some(take(variable(password))),
            (None, None, None) => None,
        };
        let master = typed.master_user.as_ref();
        if let Some(master) = master {
            if let Err(fault) = sound_name(master) {
                refuse(format!("--master-user: {fault}"));
            }
            if shared.is_none() {
                refuse(format!(
                    "--master-user needs the master's password: use --password-file, \
                     {PASSWORD_VARIABLE} or --password-command"
                ));
            }
        }
        Self {
            mechanism: typed.auth,
            master: master.map(|master| (master.clone(), typed.master_separator.clone())),
            shared: shared.or(master.map(|_| Shared::Refused)),
        }
    }

    /// Whether there is a password for users whose row has none.
    pub fn shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The login of one account: the row's own password first, for a master user the master's
    /// only. `Ok(None)` where its password was refused already.
    ///
    /// # Errors
    /// There is no password, or the command cannot be filled in; told in words.
    pub fn credential(&self, row: &UserRow, own: &Own<'_>) -> Result<Option<Credential>, String> {
        let user = own.user.unwrap_or(&row.user).to_owned();
        let own_password = own.password.or(row.password.as_ref());
        let secret = match (own_password, &self.shared, &self.master) {
            (Some(password), _, None) => SecretSource::Known(password.clone()),
            (_, Some(Shared::Known(secret)), _) => SecretSource::Known(secret.clone()),
            (_, Some(Shared::Command(command)), _) => {
                let command = secret_command::fill(command.expose(), &row.user)?;
                SecretSource::Command(Secret::new(command))
            }
            (_, Some(Shared::Refused), _) => return Ok(None),
            (_, None, _) => return Err(format!("there is no password for {}", own.protocol)),
        };
        let (name, authzid) = match &self.master {
            None => (user, None),
            Some((master, _)) if self.mechanism == Some(Mechanism::Plain) => {
                (master.clone(), Some(user))
            }
            Some((master, separator)) => (format!("{user}{separator}{master}"), None),
        };
        Ok(Some(Credential {
            name,
            authzid,
            of_master: self.master.is_some(),
            secret,
            mechanism: self.mechanism,
        }))
    }
}

/// Whether others than the owner may do anything with an open regular file.
pub fn open_to_others(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o077 != 0)
}

/// The password in the file that `option` names.
///
/// # Errors
/// It cannot be read, or others can read it, or it holds no password; told in words.
pub fn password_file(option: &str, path: &Path) -> Result<Secret, String> {
    let told = format!("{option} {}", path.display());
    let file = File::open(path).map_err(|error| {
        let hint = "it is a file with the password as its first line, and mode 0600";
        format!("{told} cannot be read: {error} (hint: {hint})")
    })?;
    if open_to_others(&file) {
        return Err(format!(
            "{told} can be read by others: chmod 600 {}",
            path.display()
        ));
    }
    let mut text = Vec::new();
    // Longer than any line that is accepted, and no /dev/zero fills the memory.
    file.take(1 << 20)
        .read_to_end(&mut text)
        .map_err(|error| format!("{told} cannot be read: {error}"))?;
    secret_command::line_as_secret(text).map_err(|fault| format!("{told} holds {fault}"))
}

fn variable(password: OsString) -> Result<Secret, String> {
    let refuse = |fault| Err(format!("{PASSWORD_VARIABLE} holds {fault}"));
    match password.into_string() {
        Err(_) => refuse("a password that is not UTF-8"),
        Ok(password) if password.is_empty() => refuse("nothing"),
        Ok(password) if password.contains(['\r', '\n']) => {
            refuse("a password with a line end in it")
        }
        Ok(password) => Ok(Secret::new(password)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn typed() -> cli::Login {
        cli::Login {
            master_user: None,
            master_separator: "*".to_owned(),
            password_file: None,
            password_command: None,
            auth: None,
        }
    }

    fn told(credential: Result<Option<Credential>, String>) -> (String, Option<String>, String) {
        let credential = credential.expect("a login").expect("a login");
        let secret = match credential.secret {
            SecretSource::Known(secret) => secret.expose().to_owned(),
            SecretSource::Command(command) => format!("$({})", command.expose()),
        };
        (credential.name, credential.authzid, secret)
    }

    #[test]
    fn the_nearest_password_wins_but_for_a_master_user() {
        let row = |password: Option<&str>| UserRow {
            user: "u@d".to_owned(),
            password: password.map(|password| Secret::new(password.to_owned())),
            ..UserRow::default()
        };
        let account = Secret::new("account".to_owned());
        let own = |password| Own {
            protocol: "IMAP",
            user: None,
            password,
        };
        let other = Own {
            protocol: "IMAP",
            user: Some("other"),
            password: Some(&account),
        };
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("secret");
        fs::write(&file, "file\r\nx").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("closed");
        let mut none = |fault: String| panic!("{fault}");
        let env = || Some(OsString::from("env"));

        let with_env = typed();
        let logins = Logins::read(&with_env, env(), &mut none);
        let (both, one, no) = (row(Some("row")), row(Some("row")), row(None));
        assert_eq!(
            told(logins.credential(&both, &own(Some(&account)))).2,
            "account"
        );
        assert_eq!(told(logins.credential(&one, &own(None))).2, "row");
        assert_eq!(told(logins.credential(&no, &own(None))).2, "env");

        let with_file = cli::Login {
            password_file: Some(file),
            ..typed()
        };
        let logins = Logins::read(&with_file, env(), &mut none);
        assert_eq!(told(logins.credential(&no, &own(None))).2, "file");

        let with_command = cli::Login {
            password_command: Some("pw {user}".to_owned()),
            master_user: Some("m".to_owned()),
            ..with_file
        };
        let logins = Logins::read(&with_command, env(), &mut none);
        let want = |name: &str, authzid: Option<&str>| {
            (
                name.to_owned(),
                authzid.map(str::to_owned),
                "$(pw u@d)".to_owned(),
            )
        };
        assert_eq!(
            told(logins.credential(&both, &own(None))),
            want("u@d*m", None)
        );
        assert_eq!(
            told(logins.credential(&both, &other)),
            want("other*m", None)
        );

        let plain = cli::Login {
            auth: Some(Mechanism::Plain),
            ..with_command
        };
        let logins = Logins::read(&plain, None, &mut none);
        assert_eq!(
            told(logins.credential(&both, &own(None))),
            want("m", Some("u@d"))
        );

        let nothing = typed();
        let logins = Logins::read(&nothing, None, &mut none);
        assert!(!logins.shared());
        assert!(
            logins
                .credential(&no, &own(None))
                .is_err_and(|fault| fault.contains("IMAP"))
        );
    }

    #[test]
    fn bad_secrets_are_refused_once_and_not_repeated() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str, mode| {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            cli::Login {
                password_file: Some(path),
                ..typed()
            }
        };
        let master = cli::Login {
            master_user: Some("m".to_owned()),
            ..typed()
        };
        let command = cli::Login {
            password_command: Some(" ".to_owned()),
            ..typed()
        };
        let gone = cli::Login {
            password_file: Some(dir.path().join("gone")),
            ..typed()
        };
        for (typed, env, want) in [
            (file("open", "hunter2", 0o640), None, "chmod 600"),
            (
                file("empty", "\nhunter2", 0o600),
                None,
                "nothing on its first line",
            ),
            (file("cr", "hunter2\rx\n", 0o600), None, "carriage return"),
            (gone, None, "cannot be read"),
            (typed(), Some("hunter2\nx"), "line end"),
            (typed(), Some(""), "nothing"),
            (master, None, "--master-user needs"),
            (command, None, "--password-command is empty"),
        ] {
            let mut faults = Vec::new();
            let logins = Logins::read(&typed, env.map(OsString::from), &mut |fault| {
                faults.push(fault)
            });
            assert_eq!(faults.len(), 1, "{want}: {faults:?}");
            assert!(
                faults[0].contains(want) && !faults[0].contains("hunter2"),
                "{faults:?}"
            );
            let row = UserRow {
                user: "u".to_owned(),
                ..UserRow::default()
            };
            let own = Own {
                protocol: "IMAP",
                user: None,
                password: None,
            };
            assert!(
                logins
                    .credential(&row, &own)
                    .is_ok_and(|login| login.is_none()),
                "{want}"
            );
        }
    }
}
