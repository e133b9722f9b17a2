//! What the verifies say of all users together.

use super::Sum;
use crate::report::Status;
use crate::report::figures::{count, downloaded_again};

/// How many users the latest verify of each found how, and what POP3 clients would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looks {
    /// Nothing differs.
    pub transparent: u64,
    /// Something does.
    pub not: u64,
    /// They could not be looked at.
    pub failed: u64,
    /// A run came after it: to be verified again.
    pub outdated: u64,
    /// Never verified.
    pub never: u64,
    /// Messages that POP3 clients which leave mail on the server would download again, as far as is known.
    pub again_messages: u64,
    /// Octets of these.
    pub again_bytes: u64,
}

impl Looks {
    /// The numbers in words.
    pub fn words(&self) -> String {
        format!(
            "{} transparent, {}; {}",
            count(self.transparent),
            self.rest(),
            downloaded_again(self.again_messages, self.again_bytes)
        )
    }

    /// How many users are not found transparent.
    pub fn rest(&self) -> String {
        let parts = [
            (self.failed, "could not be looked at"),
            (self.outdated, "before their latest run"),
            (self.never, "never"),
        ];
        let parts = parts.iter().filter(|(number, _)| *number > 0);
        let parts = parts.map(|(number, what)| format!(", {} {what}", count(*number)));
        format!("{} not{}", count(self.not), parts.collect::<String>())
    }
}

impl Sum {
    /// How the verifies found the users; nothing where there are none.
    pub fn looks(&self) -> Option<Looks> {
        let mut looks = Looks::default();
        for user in &self.users {
            let Some(look) = user.look() else {
                match user.verified {
                    Some(_) => looks.outdated += 1,
                    None => looks.never += 1,
                }
                continue;
            };
            match look.of.status {
                Status::Ok => looks.transparent += 1,
                Status::Partial => looks.not += 1,
                Status::Failed => looks.failed += 1,
            }
            looks.again_messages += look.of.again_messages;
            looks.again_bytes += look.of.again_bytes;
        }
        (looks.never < self.users.len() as u64).then_some(looks)
    }
}
