//! What the source sends against what is read back from the disk.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use tracing::Level;

use super::{Deletable, Message};
use crate::mail::UidSet;
use crate::problem::{Kind, Problem, Reach};
use crate::sink::digest::read_back;
use crate::sink::on_disk::Messages;
use crate::sink::target_problem;
use crate::source::{BodySink, Refused};
use crate::user::attempt::Attempt;
use crate::user::digesting::{Digested, digests};
use crate::user::interrupted;
use crate::user::on_target::Files;

impl Attempt<'_> {
    /// The digests of what the source has not sent in this run, asked for once more.
    pub(super) fn sent_again(
        &mut self,
        folder: &Deletable,
        fetch: impl FnOnce(&[(u32, u64)], &mut dyn BodySink) -> Result<Refused, Problem>,
    ) -> Result<Digested, Problem> {
        let context = self.context;
        let breaks = self.memory.breaks.entry(folder.path.clone()).or_default();
        let not_sent = folder.messages.iter().filter(|it| it.sent.is_none());
        let wanted: Vec<(u32, u64)> = not_sent.map(|it| (it.key, it.size)).collect();
        let keep_double_cr = context.config.target.servers.dovecot;
        digests(&wanted, breaks, keep_double_cr, context.stop, fetch)
            .map_err(|problem| problem.in_folder(&folder.path))
    }

    /// The messages whose files hold what the source has sent. Of each other one it is told why it is
    /// not deleted.
    pub(super) fn proven<'f>(
        &mut self,
        folder: &'f Deletable,
        sent: &HashMap<u32, blake3::Hash>,
    ) -> Result<Vec<&'f Message>, Problem> {
        let cannot = |error| target_problem("read messages", error).in_folder(&folder.path);
        let disk = self.scan(&folder.target, false)?;
        let messages = Messages::open(&self.user.maildir, &folder.target).map_err(cannot)?;
        let files = Files::of(&disk, folder.validity);
        let mut proven = Vec::new();
        let mut damaged = UidSet::default();
        for message in &folder.messages {
            if self.context.stop.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            let told = message.sent.as_ref().or_else(|| sent.get(&message.key));
            let Some(told) = told else {
                let what =
                    "the server did not send it once more to be compared; it was not deleted there";
                let problem = Problem::new(Kind::Refused, Reach::Message, what);
                self.note_message(folder, message, problem);
                continue;
            };
            let mut other = None;
            let mut is_proven = false;
            for file in files.of_message(message.uid, message.name.as_deref()) {
                match read_back(&messages, &file).map_err(cannot)? {
                    Some(found) if found == *told => is_proven = true,
                    Some(_) => other = Some(file),
                    None => {}
                }
            }
            match other {
                _ if is_proven => proven.push(message),
                Some(file) => {
                    damaged.insert(message.uid);
                    let what = format!(
                        "its file {} does not hold what the source has; it was not deleted there",
                        file.name()
                    );
                    let problem = Problem::new(Kind::Conflict, Reach::Message, what).with_hint(
                        "remove the file and run again: the message is fetched once more",
                    );
                    self.note_message(folder, message, problem);
                }
                None => {
                    let line = format!(
                        "folder {}: {} {}: its file has gone or has another name by now; it was not deleted at the source",
                        folder.path, folder.called, message.key
                    );
                    self.log.line(Level::WARN, line);
                }
            }
        }
        if !damaged.is_empty() {
            // Should the admin remove the file, the message is not taken for deleted by its owner.
            self.noted(&folder.path).forget_seen(&damaged);
        }
        Ok(proven)
    }
}
