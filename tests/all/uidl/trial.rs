//! Made-up Maildirs by the hundred: each is foretold, served by a real server and asked for.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mailseed::announce::Server;

use super::pop3::announced;
use super::{Told, lines, uidl};
use crate::support::program::Output;
use crate::support::{give_to_mail_owner, on_two_cores};

/// A real server, and what it is to be for the program.
pub struct Trial<'t> {
    /// Where it serves POP3, to users `u0`, `u1`, …
    pub port: u16,
    /// Their password.
    pub password: &'t str,
    /// What `mailseed uidl` takes for it.
    pub options: &'t [&'t str],
    /// The same for the library.
    pub server: Server,
    /// What is to be told now and then.
    pub phrases: &'static [&'static str],
    /// How often it was.
    pub told: Mutex<Told>,
}

/// What was foretold of a Maildir, and what the server has said then.
pub struct Asked {
    pub foretold: Output,
    /// The lines of the server's answers as the program is to print them.
    pub said: String,
}

impl Trial<'_> {
    /// Puts `count` Maildirs to the test, made by `make`, which returns what each is, for people.
    pub fn run(
        &self,
        count: u64,
        mail_dir: impl Fn(&str) -> PathBuf + Sync,
        make: fn(u64, &Path) -> String,
        check: impl Fn(u64, &Path) -> Result<(), String> + Sync,
    ) {
        let failed = Mutex::new(Vec::new());
        on_two_cores(0..count, |seed| {
            let maildir = mail_dir(&format!("u{seed}"));
            let made = make(seed, &maildir);
            give_to_mail_owner(&maildir);
            if let Err(why) = check(seed, &maildir) {
                let mut failed = failed.lock().expect("no test thread panics with it");
                failed.push(format!("seed {seed}: {why}\n{made}"));
            }
        });
        let failed = failed.into_inner().expect("no test thread panics with it");
        let some: Vec<&str> = failed.iter().take(4).map(String::as_str).collect();
        assert!(
            failed.is_empty(),
            "{} failed: {}",
            failed.len(),
            some.join("\n\n")
        );
    }

    /// Foretells, and asks.
    pub fn ask(&self, seed: u64, maildir: &Path) -> Result<Asked, String> {
        let foretold = uidl(maildir, self.options);
        let served = announced(self.port, &format!("u{seed}"), self.password)?;
        let mut told = self.told.lock().expect("no test thread panics with it");
        told.count(self.phrases, &foretold.stderr);
        Ok(Asked {
            said: lines(&served).join("\n"),
            foretold,
        })
    }

    /// Whether the server has said what was foretold, which is `stdout` after all, and whether what made it
    /// doubtful is in the exit status.
    pub fn compare(&self, asked: &Asked, stdout: &str) -> Result<(), String> {
        let Asked { foretold, said } = asked;
        let (stderr, code) = (&foretold.stderr, foretold.code);
        if stdout != said {
            return Err(format!(
                "foretold:\n{stdout}\nserved:\n{said}\ntold: {stderr}"
            ));
        }
        match code == Some(i32::from(stderr.contains("warning: "))) {
            true => Ok(()),
            false => Err(format!("exit status {code:?}: {stderr}")),
        }
    }

    /// Foretells once more, when nothing can be open any longer.
    pub fn once_more(&self, asked: &Asked, maildir: &Path) -> Result<(), String> {
        let (after, _) = super::foretold(maildir, &self.server);
        match after.trim_end() == asked.said {
            true => Ok(()),
            false => Err(format!("afterwards:\n{after}\nserved:\n{}", asked.said)),
        }
    }
}
