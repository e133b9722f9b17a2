//! What the pairing asks for, read from the open sessions and hashed on the way.

use crate::mail::{PopNumber, Uid};
use crate::matching::{ContentDigest, ContentHasher, Evidence, HeaderDigest, HeaderHasher};
use crate::problem::Problem;
use crate::source::{BodySink, imap, pop3};

/// The two sessions of one user.
#[derive(Debug)]
pub(crate) struct Sessions<'s> {
    pub(crate) imap: &'s mut imap::Session,
    pub(crate) pop3: &'s mut pop3::Session,
}

impl Evidence for Sessions<'_> {
    fn pop_headers(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, HeaderDigest)>, Problem> {
        let mut sink = Hashing::<HeaderHasher>::default();
        self.pop3.headers(numbers, &mut sink)?;
        Ok(sink.done)
    }

    fn imap_headers(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, HeaderDigest)>, Problem> {
        let mut sink = Hashing::<HeaderHasher>::default();
        self.imap.fetch_headers(uids, &mut sink)?;
        Ok(by_uid(sink.done))
    }

    fn pop_contents(
        &mut self,
        numbers: &[PopNumber],
    ) -> Result<Vec<(PopNumber, ContentDigest)>, Problem> {
        let mut sink = Hashing::<ContentHasher>::default();
        self.pop3.whole(numbers, &mut sink)?;
        Ok(sink.done)
    }

    fn imap_contents(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, ContentDigest)>, Problem> {
        let wanted: Vec<(Uid, u64)> = uids.iter().map(|uid| (*uid, UNKNOWN_SIZE)).collect();
        let mut sink = Hashing::<ContentHasher>::default();
        self.imap.fetch_bodies(&wanted, &mut sink)?;
        Ok(by_uid(sink.done))
    }

    fn imap_guids(&mut self, uids: &[Uid]) -> Result<Vec<(Uid, String)>, Problem> {
        self.imap.fetch_guids(uids)
    }
}

/// Says that the size is not known: a body may then be empty.
const UNKNOWN_SIZE: u64 = 0;

fn by_uid<D>(digests: Vec<(u32, D)>) -> Vec<(Uid, D)> {
    digests
        .into_iter()
        .filter_map(|(uid, digest)| Some((Uid::new(uid)?, digest)))
        .collect()
}

/// A hasher of messages.
trait Hasher: Default {
    type Digest;
    fn update(&mut self, bytes: &[u8]);
    fn finish(self) -> Self::Digest;
}

impl Hasher for HeaderHasher {
    type Digest = HeaderDigest;
    fn update(&mut self, bytes: &[u8]) {
        HeaderHasher::update(self, bytes);
    }
    fn finish(self) -> HeaderDigest {
        HeaderHasher::finish(self)
    }
}

impl Hasher for ContentHasher {
    type Digest = ContentDigest;
    fn update(&mut self, bytes: &[u8]) {
        ContentHasher::update(self, bytes);
    }
    fn finish(self) -> ContentDigest {
        ContentHasher::finish(self)
    }
}

/// Keeps of each message its digest only.
struct Hashing<H: Hasher> {
    at_hand: H,
    done: Vec<(u32, H::Digest)>,
}

impl<H: Hasher> Default for Hashing<H> {
    fn default() -> Self {
        Self {
            at_hand: H::default(),
            done: Vec::new(),
        }
    }
}

impl<H: Hasher> BodySink for Hashing<H> {
    fn begin(&mut self, _announced: Option<u64>) -> Result<(), Problem> {
        self.at_hand = H::default();
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.at_hand.update(bytes);
        Ok(())
    }

    fn end(&mut self, key: u32) -> Result<(), Problem> {
        let hasher = std::mem::take(&mut self.at_hand);
        self.done.push((key, hasher.finish()));
        Ok(())
    }

    fn abandon(&mut self) {
        self.at_hand = H::default();
    }
}
