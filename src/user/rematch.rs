//! The source has given its messages other UIDs: which of the files on disk is which of them is
//! found by content, so that nothing is fetched twice.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _};

use tracing::Level;

use super::attempt::Attempt;
use super::evidence::{imap_contents, imap_headers};
use crate::mail::Uid;
use crate::matching::content::{ContentDigest, ContentHasher};
use crate::matching::header::{HeaderDigest, HeaderHasher};
use crate::matching::rematch::{self, Sketch};
use crate::naming::MaildirFolder;
use crate::naming::message::size_field;
use crate::plan::on_disk::{DiskFile, OnDisk};
use crate::plan::{self, Past, SourceFolder};
use crate::problem::Problem;
use crate::sink::on_disk::Messages;
use crate::sink::{line_ends, target_problem};
use crate::source::imap;

/// Bytes read of a file at once.
const PIECE: usize = 64 << 10;

/// Messages of the source with what is known of each.
type Sketches = Vec<(Uid, Sketch)>;

/// What has been found out about files whose messages have other UIDs now.
#[derive(Debug)]
pub(super) struct Rematched {
    /// By the base names of files the UIDs that their messages have now.
    pub(super) uids: HashMap<Box<str>, Uid>,
    /// Whether all has been seen that could be one of them: then the source no longer has what is not
    /// among `uids`.
    pub(super) is_sure: bool,
}

impl Default for Rematched {
    fn default() -> Self {
        Self {
            uids: HashMap::new(),
            is_sure: true,
        }
    }
}

impl Attempt<'_> {
    /// Which messages have other UIDs now. Nothing is asked for unless there are files under UIDs that
    /// no longer hold.
    pub(super) fn rematch(
        &mut self,
        session: &mut imap::Session,
        source: &SourceFolder<'_>,
        target: &MaildirFolder,
        past: &Past<'_>,
        disk: &OnDisk,
    ) -> Result<Rematched, Problem> {
        let (mut files, open) = plan::estranged(source, past, disk);
        // Copies of one message are paired in order.
        files.sort_by_cached_key(|at| disk.files.get(*at).map(|file| file.base));
        if files.is_empty() || open.is_empty() {
            return Ok(Rematched::default());
        }
        let cannot = |error| target_problem("read messages", error).in_folder(source.path);
        let messages = Messages::open(&self.user.maildir, target).map_err(cannot)?;
        let mut old = Vec::new();
        for at in &files {
            if let Some(file) = disk.files.get(*at)
                && let Some(sketch) = sketch(&messages, &file).map_err(cannot)?
            {
                old.push((*at, sketch));
            }
        }
        let (new, without_header) = self.listed_sketches(session, source, &open)?;
        let mut uids: Vec<Uid> = new.iter().map(|(uid, _)| *uid).collect();
        let (mut pairs, mut doubtful) = rematch::by_header(&sketches(&old), &sketches(&new));
        if !without_header.is_empty() {
            // Each may be any of those that are left.
            let paired: HashSet<usize> = pairs.iter().map(|(old, _)| *old).collect();
            doubtful.old = (0..old.len()).filter(|at| !paired.contains(at)).collect();
            doubtful
                .new
                .extend((uids.len()..).take(without_header.len()));
            uids.extend(without_header);
        }
        let mut is_sure = old.len() == files.len();
        if !doubtful.old.is_empty() {
            let mut contents = Vec::new();
            for place in &doubtful.old {
                if let Some(file) = disk.files.get(old[*place].0)
                    && let Some(digest) = content(&messages, &file).map_err(cannot)?
                {
                    contents.push((*place, digest));
                }
            }
            let asked = doubtful.new.iter().map(|place| (uids[*place], *place));
            let read = self.listed_contents(session, source, asked.collect())?;
            is_sure &= contents.len() == doubtful.old.len() && read.len() == doubtful.new.len();
            pairs.extend(rematch::by_content(&contents, &read));
        }
        let line = format!(
            "folder {}: the old server has given its messages other UIDs; {} of {} are there already",
            source.path,
            pairs.len(),
            open.len()
        );
        self.log.line(Level::INFO, line);
        if !is_sure {
            let note = format!(
                "folder {}: the old server has given its messages other UIDs and did not show all of \
                 them; nothing is deleted in this folder, what could not be compared may lie there twice",
                source.path
            );
            self.log.line(Level::WARN, &note);
            self.memory.tally.notes.push(note);
        }
        let pairs = pairs.into_iter().filter_map(|(one, other)| {
            let file = disk.files.get(old[one].0)?;
            Some((file.base, uids[other]))
        });
        Ok(Rematched {
            uids: pairs.collect(),
            is_sure,
        })
    }

    /// What is known of entries without reading them whole, and those that show no header.
    fn listed_sketches(
        &mut self,
        session: &mut imap::Session,
        source: &SourceFolder<'_>,
        open: &[usize],
    ) -> Result<(Sketches, Vec<Uid>), Problem> {
        let entries = open.iter().map(|at| &source.entries[*at]);
        let uids: Vec<Uid> = entries.clone().map(|entry| entry.uid).collect();
        let breaks = self.memory.breaks.entry(source.path.clone()).or_default();
        let headers: HashMap<Uid, HeaderDigest> =
            imap_headers(session, self.context.stop, breaks, &uids)?
                .into_iter()
                .collect();
        let mut sketches = Vec::with_capacity(uids.len());
        let mut without_header = Vec::new();
        for entry in entries {
            let (uid, size) = (entry.uid, entry.size);
            match headers.get(&uid) {
                Some(header) => sketches.push((
                    uid,
                    Sketch {
                        size,
                        header: *header,
                    },
                )),
                None => without_header.push(uid),
            }
        }
        Ok((sketches, without_header))
    }

    /// The contents of messages, by what stands for each.
    fn listed_contents(
        &mut self,
        session: &mut imap::Session,
        source: &SourceFolder<'_>,
        places: HashMap<Uid, usize>,
    ) -> Result<Vec<(usize, ContentDigest)>, Problem> {
        let mut wanted: Vec<Uid> = places.keys().copied().collect();
        wanted.sort_unstable();
        let keeps = !self.context.config.dry_run;
        let bodies = keeps.then(|| self.memory.bodies.of(source.path, Some(source.validity)));
        let breaks = self.memory.breaks.entry(source.path.clone()).or_default();
        let read =
            imap_contents(session, self.context.stop, (breaks, bodies), &wanted)?.into_iter();
        let mut read: Vec<(usize, ContentDigest)> = read
            .filter_map(|(uid, digest)| Some((*places.get(&uid)?, digest)))
            .collect();
        read.sort_unstable_by_key(|(place, _)| *place);
        Ok(read)
    }
}

fn sketches<K>(list: &[(K, Sketch)]) -> Vec<Sketch> {
    list.iter().map(|(_, sketch)| *sketch).collect()
}

/// `None` where a server has just renamed the file.
fn sketch(messages: &Messages, file: &DiskFile) -> io::Result<Option<Sketch>> {
    let mut hasher = HeaderHasher::default();
    let Some(size) = read(messages, file, |bytes| {
        hasher.update(bytes);
        !hasher.has_ended()
    })?
    else {
        return Ok(None);
    };
    let size = match size_field(&file.base, 'W') {
        Some(size) => size,
        None => match messages.file(file) {
            Ok(mut message) => line_ends::measure(&mut message)?.virtual_size,
            Err(_) => size,
        },
    };
    Ok(Some(Sketch {
        size,
        header: hasher.finish(),
    }))
}

fn content(messages: &Messages, file: &DiskFile) -> io::Result<Option<ContentDigest>> {
    let mut hasher = ContentHasher::new();
    let found = read(messages, file, |bytes| {
        hasher.update(bytes);
        true
    })?;
    Ok(found.map(|_| hasher.finish()))
}

/// Reads a file until `take` has enough, and returns how many bytes that were.
fn read(
    messages: &Messages,
    file: &DiskFile,
    mut take: impl FnMut(&[u8]) -> bool,
) -> io::Result<Option<u64>> {
    let mut message = match messages.file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    loop {
        let count = message.read(&mut buffer)?;
        total += count as u64;
        if count == 0 || !take(&buffer[..count]) {
            return Ok(Some(total));
        }
    }
}
