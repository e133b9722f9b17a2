//! Bodies that pairing has read over IMAP, kept for the export, which needs them next: so
//! none of them crosses the wire twice. What is kept has a limit; beyond it a body is read once
//! more.

use std::collections::HashMap;

use crate::mail::{FolderPath, Uid, UidValidity};
use crate::problem::Problem;
use crate::source::BodySink;

/// The most bytes that are kept for a user: twice what pairing reads of a small mailbox, since
/// announced sizes lie.
const ROOM: usize = 8 << 20;

/// Whole messages of a user, by folder.
#[derive(Debug, Default)]
pub(crate) struct Bodies(HashMap<FolderPath, FolderBodies>);

impl Bodies {
    /// Those of a folder, what was read under another UIDVALIDITY thrown away; without one UIDs
    /// name nothing for long. All folders share the room.
    pub(super) fn of(
        &mut self,
        folder: &FolderPath,
        validity: Option<UidValidity>,
    ) -> &mut FolderBodies {
        let others = self.0.iter().filter(|(path, _)| *path != folder);
        let taken: usize = others.map(|(_, bodies)| bodies.bytes).sum();
        let bodies = self.0.entry(folder.clone()).or_default();
        if validity.is_none() || bodies.validity != validity {
            *bodies = FolderBodies {
                validity,
                ..FolderBodies::default()
            };
        }
        bodies.limit = ROOM.saturating_sub(taken);
        bodies
    }

    /// Whether that of the message `uid` of a folder, which now has this UIDVALIDITY, is here.
    pub(super) fn has(&self, folder: &FolderPath, validity: Option<UidValidity>, uid: Uid) -> bool {
        let bodies = self.0.get(folder);
        bodies.is_some_and(|bodies| {
            validity.is_some()
                && bodies.validity == validity
                && bodies.bodies.contains_key(&uid.value())
        })
    }

    /// Takes out those of a folder, which now has this UIDVALIDITY, to be delivered.
    pub(super) fn take(&mut self, folder: &FolderPath, validity: UidValidity) -> FolderBodies {
        let bodies = self.0.remove(folder).unwrap_or_default();
        match bodies.validity == Some(validity) {
            true => bodies,
            false => FolderBodies::default(),
        }
    }

    /// Puts back what [`Bodies::take`] gave, for another attempt.
    pub(super) fn put_back(&mut self, folder: &FolderPath, bodies: FolderBodies) {
        if !bodies.bodies.is_empty() {
            self.0.insert(folder.clone(), bodies);
        }
    }
}

/// Whole messages of one folder, by UID.
#[derive(Debug, Default)]
pub(crate) struct FolderBodies {
    validity: Option<UidValidity>,
    bodies: HashMap<u32, Vec<u8>>,
    bytes: usize,
    limit: usize,
}

impl FolderBodies {
    /// Hands on those of `wanted` (UID and announced size) that are here. Returns the others.
    ///
    /// # Errors
    /// Those of `sink`.
    pub(super) fn deliver(
        &self,
        mut wanted: Vec<(u32, u64)>,
        sink: &mut dyn BodySink,
    ) -> Result<Vec<(u32, u64)>, Problem> {
        for (uid, _) in &wanted {
            if let Some(body) = self.bodies.get(uid) {
                sink.begin(Some(body.len() as u64))?;
                sink.data(body)?;
                sink.end(*uid)?;
            }
        }
        wanted.retain(|(uid, _)| !self.bodies.contains_key(uid));
        Ok(wanted)
    }

    fn keep(&mut self, uid: u32, body: Vec<u8>) {
        // An empty one may be a server's slip: whoever knows its size asks again.
        if !body.is_empty() && body.len() <= self.room() {
            self.bytes += body.len();
            if let Some(old) = self.bodies.insert(uid, body) {
                self.bytes -= old.len();
            }
        }
    }

    fn room(&self) -> usize {
        match self.validity {
            Some(_) => self.limit.saturating_sub(self.bytes),
            None => 0,
        }
    }
}

/// Keeps what it hands on, as far as there is room.
pub(super) struct Keeping<'k> {
    bodies: &'k mut FolderBodies,
    next: &'k mut dyn BodySink,
    /// The body at hand; `None`: it is too large.
    at_hand: Option<Vec<u8>>,
}

impl<'k> Keeping<'k> {
    pub(super) fn new(bodies: &'k mut FolderBodies, next: &'k mut dyn BodySink) -> Self {
        Self {
            bodies,
            next,
            at_hand: None,
        }
    }
}

impl BodySink for Keeping<'_> {
    fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
        let room = self.bodies.room() as u64;
        self.at_hand = (announced.unwrap_or(0) <= room).then(Vec::new);
        self.next.begin(announced)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let room = self.bodies.room();
        self.at_hand = self
            .at_hand
            .take()
            .filter(|kept| kept.len() + bytes.len() <= room);
        if let Some(kept) = &mut self.at_hand {
            kept.extend_from_slice(bytes);
        }
        self.next.data(bytes)
    }

    fn end(&mut self, uid: u32) -> Result<(), Problem> {
        if let Some(body) = self.at_hand.take() {
            self.bodies.keep(uid, body);
        }
        self.next.end(uid)
    }

    fn abandon(&mut self) {
        self.at_hand = None;
        self.next.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came, as `begin 2, data ab, end 7`.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl BodySink for Told {
        fn begin(&mut self, announced: Option<u64>) -> Result<(), Problem> {
            self.0.push(format!("begin {announced:?}"));
            Ok(())
        }
        fn data(&mut self, bytes: &[u8]) -> Result<(), Problem> {
            self.0.push(format!("data {}", bytes.len()));
            Ok(())
        }
        fn end(&mut self, key: u32) -> Result<(), Problem> {
            self.0.push(format!("end {key}"));
            Ok(())
        }
        fn abandon(&mut self) {
            self.0.push("abandon".to_owned());
        }
    }

    fn send(bodies: &mut FolderBodies, uid: u32, announced: u64, pieces: &[usize]) {
        let mut told = Told::default();
        let mut sink = Keeping::new(bodies, &mut told);
        sink.begin(Some(announced)).unwrap();
        for piece in pieces {
            sink.data(&vec![b'x'; *piece]).unwrap();
        }
        sink.end(uid).unwrap();
        assert_eq!(told.0.len(), pieces.len() + 2, "all is handed on");
    }

    fn delivered(bodies: &FolderBodies, uids: &[u32]) -> (Vec<String>, Vec<u32>) {
        let mut told = Told::default();
        let wanted: Vec<(u32, u64)> = uids.iter().map(|uid| (*uid, 1)).collect();
        let others = bodies.deliver(wanted, &mut told).unwrap();
        (told.0, others.into_iter().map(|(uid, _)| uid).collect())
    }

    const SEVEN: u32 = 7;

    fn validity(value: u32) -> UidValidity {
        UidValidity::new(value).unwrap()
    }

    #[test]
    fn what_was_read_is_delivered_as_it_came() {
        let inbox = FolderPath::inbox();
        let mut all = Bodies::default();
        let bodies = all.of(&inbox, UidValidity::new(SEVEN));
        send(bodies, 3, 5, &[2, 3]);
        send(bodies, 4, 0, &[]);
        let mut told = Told::default();
        let mut cut = Keeping::new(bodies, &mut told);
        cut.begin(Some(9)).unwrap();
        cut.data(b"half").unwrap();
        cut.abandon();
        let has = |uid, value| all.has(&inbox, UidValidity::new(value), Uid::new(uid).unwrap());
        let shown = [
            has(3, SEVEN),
            has(4, SEVEN),
            has(9, SEVEN),
            has(3, 8),
            has(3, 0),
        ];
        assert_eq!(shown, [true, false, false, false, false]);
        // Empty ones are asked for again.
        let want = ["begin Some(5)", "data 5", "end 3"].map(str::to_owned);
        let taken = all.take(&inbox, validity(SEVEN));
        assert_eq!(delivered(&taken, &[9, 4, 3]), (want.to_vec(), vec![9, 4]));

        // Another attempt, another folder, and then another mailbox of that name.
        all.put_back(&inbox, taken);
        let sent = FolderPath::new(vec!["Sent".to_owned()]);
        assert_eq!(all.of(&inbox, UidValidity::new(SEVEN)).bodies.len(), 1);
        assert_eq!(all.of(&sent, UidValidity::new(SEVEN)).bodies.len(), 0);
        let of_another = all.take(&inbox, validity(8));
        assert_eq!(delivered(&of_another, &[3]).1, [3]);
        send(all.of(&inbox, None), 3, 5, &[5]);
        assert_eq!(all.of(&inbox, None).bodies.len(), 0);
        send(all.of(&inbox, UidValidity::new(SEVEN)), 3, 5, &[5]);
        assert_eq!(all.of(&inbox, UidValidity::new(8)).bodies.len(), 0);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut all = Bodies::default();
        let bodies = all.of(&FolderPath::inbox(), UidValidity::new(SEVEN));
        send(bodies, 1, ROOM as u64 + 1, &[1]);
        // What was announced is no promise.
        send(bodies, 2, 1, &[ROOM, 1]);
        send(bodies, 3, 6, &[ROOM - 10]);
        send(bodies, 4, 11, &[11]);
        send(bodies, 5, 8, &[8]);
        assert_eq!(delivered(bodies, &[1, 2, 3, 4, 5]).1, [1, 2, 4]);
        let sent = FolderPath::new(vec!["Sent".to_owned()]);
        let bodies = all.of(&sent, UidValidity::new(SEVEN));
        send(bodies, 1, 3, &[3]);
        send(bodies, 2, 2, &[2]);
        assert_eq!(delivered(bodies, &[1, 2]).1, [1]);
        let kept: usize = all.0.values().map(|bodies| bodies.bytes).sum();
        assert_eq!(kept, ROOM);
    }
}
