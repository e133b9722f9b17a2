//! A Dovecot or a Courier at work between a run that was killed and the next one: what it serves of the tree
//! that was cut is served nowhere under another UID or UIDL, and afterwards all is as it should be.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::system_calls::copy;
use crate::courier_target::assert_alike;
use crate::migration::{PASSWORD, Source, Target, views};
use crate::support::courier::Courier;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::give_to_mail_owner;
use crate::support::imap_view::ImapView;
use crate::support::pop3_view::{self, Pop3Entry};
use crate::support::tree::TempTree;

type View = (ImapView, Vec<Pop3Entry>);

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Dovecot,
    Courier,
}

enum Server {
    Dovecot(Dovecot, TempTree),
    Courier(Courier),
}

impl Server {
    /// For the users ann-before, ann-uncut and so many others, ann-0 and so on.
    fn start(who: Who, count: usize) -> Self {
        match who {
            Who::Dovecot => {
                let root = TempTree::new();
                let home = format!("{}/%u", root.path().display());
                Self::Dovecot(Dovecot::start(DovecotOptions::reading(&home)), root)
            }
            Who::Courier => {
                let numbers = (0..count).map(|number| number.to_string());
                let names = ["before".to_owned(), "uncut".to_owned()].into_iter();
                let users: Vec<String> = names
                    .chain(numbers)
                    .map(|name| format!("ann-{name}"))
                    .collect();
                let users: Vec<(&str, &str)> =
                    users.iter().map(|user| (user.as_str(), PASSWORD)).collect();
                Self::Courier(Courier::start(&users))
            }
        }
    }

    fn target(&self, suffix: &str) -> Target {
        match self {
            Self::Dovecot(_, root) => Target::within(root.path(), suffix),
            Self::Courier(server) => Target::within(&server.homes(), suffix),
        }
    }

    fn views(&self, user: &str) -> View {
        match self {
            Self::Dovecot(server, _) => views(server, user, PASSWORD),
            // Whose POP3 marks what it sends as seen: it sends nothing.
            Self::Courier(server) => (
                ImapView::read(server.imap_port(), user, PASSWORD).without_prefix("INBOX."),
                pop3_view::read(server.pop3_port(), user, PASSWORD, false),
            ),
        }
    }
}

/// What a server may serve, and the server.
pub(super) struct Between<'a> {
    source: &'a Source,
    more: &'a [&'a str],
    server: Server,
    count: AtomicUsize,
    known: Known,
    whole: View,
}

/// What has been served before, or is at the end.
#[derive(Default)]
struct Known {
    /// By UIDVALIDITY, which differs from folder to folder, and UID: a folder that is renamed keeps both.
    /// A mirror gives a UID of the target's own mail to that of the source.
    by_uid: HashMap<(u32, u32), Vec<blake3::Hash>>,
    by_uidl: HashMap<String, Vec<Option<blake3::Hash>>>,
    contents: HashSet<blake3::Hash>,
    validities: HashSet<u32>,
    had_mail: bool,
    /// What is there at the end: other mail is about to go, and may have to give up its UID before.
    stays: HashSet<blake3::Hash>,
}

impl Known {
    fn add(&mut self, (imap, pop3): &View) {
        for folder in imap.folders.values() {
            for message in &folder.messages {
                let key = (folder.uid_validity, message.uid);
                self.by_uid.entry(key).or_default().push(message.hash);
                self.contents.insert(message.hash);
            }
            self.validities.insert(folder.uid_validity);
        }
        for entry in pop3 {
            let known = self.by_uidl.entry(entry.uidl.clone()).or_default();
            known.push(entry.hash);
        }
    }

    /// What of a view is wrong. Where nothing was served before, a client has nothing that could
    /// contradict a UIDVALIDITY or a UIDL that it has never seen.
    fn wrong(&self, (imap, pop3): &View) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, folder) in &imap.folders {
            let is_known = self.validities.contains(&folder.uid_validity);
            for message in &folder.messages {
                let told = format!("{name} {} UID {}", folder.uid_validity, message.uid);
                if !self.contents.contains(&message.hash) {
                    wrong.push(format!("{told}: no message has this content"));
                }
                let key = (folder.uid_validity, message.uid);
                match self.by_uid.get(&key) {
                    Some(known) if !known.contains(&message.hash) => {
                        wrong.push(format!("{told}: is that of another message"));
                    }
                    None if (is_known || self.had_mail) && self.stays.contains(&message.hash) => {
                        wrong.push(format!("{told}: is new"));
                    }
                    _ => {}
                }
            }
        }
        for entry in pop3 {
            match self.by_uidl.get(&entry.uidl) {
                Some(known) if !known.contains(&entry.hash) => {
                    wrong.push(format!("UIDL {} is that of another message", entry.uidl));
                }
                None if self.had_mail && entry.hash.is_some_and(|it| self.stays.contains(&it)) => {
                    wrong.push(format!("UIDL {} is new", entry.uidl));
                }
                _ => {}
            }
        }
        wrong
    }
}

impl<'a> Between<'a> {
    /// Where a run `more` finds a copy of `before` and makes of it what `uncut` is; to be looked at `count`
    /// times.
    pub(super) fn new(
        (who, count): (Who, usize),
        source: &'a Source,
        more: &'a [&'a str],
        before: Option<&Target>,
        uncut: &Target,
    ) -> Self {
        let server = Server::start(who, count);
        let look_at = |target: &Target, name: &str| {
            copy(Some(target), &server.target(name));
            server.views(&format!("ann{name}"))
        };
        let mut known = Known::default();
        if let Some(before) = before {
            known.add(&look_at(before, "-before"));
            known.had_mail = true;
        }
        let whole = look_at(uncut, "-uncut");
        known.add(&whole);
        let folders = whole.0.folders.values();
        let messages = folders.flat_map(|folder| &folder.messages);
        known.stays = messages.map(|message| message.hash).collect();
        known
            .stays
            .extend(whole.1.iter().filter_map(|entry| entry.hash));
        Self {
            source,
            more,
            server,
            count: AtomicUsize::new(0),
            known,
            whole,
        }
    }

    /// Serves a copy of a tree that was cut, and then lets the next run at it.
    pub(super) fn look_at(&self, cut: &Target, context: &str) {
        if !cut.maildir("ann").join("cur").exists() {
            return;
        }
        let suffix = format!("-{}", self.count.fetch_add(1, Ordering::Relaxed));
        let target = self.server.target(&suffix);
        copy(Some(cut), &target);
        // What was killed before it was given away is served too.
        give_to_mail_owner(&target.maildir("ann"));
        let user = format!("ann{suffix}");
        let view = self.server.views(&user);
        let wrong = self.known.wrong(&view);
        assert!(wrong.is_empty(), "{context}: {wrong:#?}");
        target.export_ok(self.source, "ann", self.more);
        let (imap, pop3) = self.server.views(&user);
        match self.server {
            Server::Dovecot(..) => {
                assert_eq!(imap, self.whole.0, "{context}: served in between");
            }
            // Which tells no UIDNEXT.
            Server::Courier(_) => assert_alike(&self.whole.0, &imap),
        }
        assert_eq!(pop3, self.whole.1, "{context}: served in between");
    }
}
