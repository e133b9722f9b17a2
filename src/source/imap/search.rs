//! UID SEARCH (RFC 3501 section 6.4.4), with ESEARCH's short answer (RFC 4731) where the server has
//! that.
//!
//! The listing is there already, so that a large folder is searched piece by piece: no answer
//! is longer than a line may be, whatever the number of messages.

use super::Talk;
use super::gather::most;
use super::reader::{Fault, Response};
use super::reply::{Reply, Status};
use super::sets::{self, Collected};
use crate::mail::{Entry, UidSet};
use crate::problem::{Problem, Reach};

/// Messages searched by one command: so many UIDs of ten digits fit a line of the reader.
const PIECE: usize = 50_000;

/// Which of `entries` the server finds by `keys`. The inner error is its refusal.
pub fn search(
    talk: &mut Talk<'_>,
    keys: &str,
    entries: &[Entry],
) -> Result<Result<UidSet, Problem>, Fault> {
    let mut found = Collected::default();
    let is_whole = entries.len() <= PIECE;
    for piece in entries.chunks(PIECE) {
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
            continue;
        };
        let mut command = "UID SEARCH ".to_owned();
        if talk.extensions.esearch {
            command.push_str("RETURN (ALL) ");
        }
        if !keys.is_ascii() {
            command.push_str("CHARSET UTF-8 ");
        }
        if !is_whole {
            command.push_str(&format!("UID {}:{} ", first.uid, last.uid));
        }
        command.push_str(keys);
        match one(talk, &command, piece.len() as u64)? {
            Ok(uids) => found.add(&uids, most(entries.len() as u64))?,
            Err(reply) => return Ok(Err(reply.refusal("to search the folder", Reach::Folder))),
        }
    }
    let known: UidSet = entries.iter().map(|entry| entry.uid).collect();
    Ok(Ok(found.set().intersection(&known)))
}

/// One command: what it finds among so many messages. The inner error is its refusal.
pub(super) fn one(
    talk: &mut Talk<'_>,
    command: &str,
    messages: u64,
) -> Result<Result<UidSet, Reply>, Fault> {
    let tags = talk.send(&[command])?;
    let mut found = Collected::default();
    let mut is_answered = false;
    loop {
        let word = match talk.next()? {
            Response::Tagged(tag, reply) if tags.contains(&tag) => {
                if reply.status != Status::Ok {
                    return Ok(Err(reply));
                }
                if !is_answered {
                    talk.warnings
                        .add("UID SEARCH was not answered: taken for nothing found");
                }
                return Ok(Ok(found.set()));
            }
            Response::Tagged(..) => return Err(Fault::never_sent()),
            Response::Data => talk.reader.text().to_ascii_uppercase(),
            _ => Vec::new(),
        };
        let is_ours = |said: &[u8]| tags.iter().any(|tag| tag.as_bytes() == said);
        let uids = match word.as_slice() {
            b"SEARCH" => sets::search(&mut talk.reader).map(Some),
            b"ESEARCH" => sets::esearch(&mut talk.reader, is_ours),
            _ => Ok(None),
        };
        match uids {
            Ok(Some(uids)) => {
                found.add(&uids, most(messages))?;
                is_answered = true;
            }
            Ok(None) => {}
            // Half an answer would be taken for all of it.
            Err(Fault::Nonsense(why)) => return Err(Fault::Broken(why)),
            Err(fault) => return Err(fault),
        }
        talk.reader.unasked()?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::{Script, logged_in};
    use super::*;
    use crate::mail::{Flags, KeywordSet, Uid};
    use crate::problem::Kind;

    /// Plays `transcript` after a login to a server with these capabilities.
    fn play(
        capabilities: &str,
        transcript: &str,
        keys: &str,
        entries: &[Entry],
    ) -> (Result<String, Problem>, Vec<String>) {
        let whole = logged_in(capabilities) + transcript;
        let script = Script::new(whole.as_bytes(), 5);
        let mut session = script.open().unwrap();
        let found = session.search(keys, entries);
        script.finish();
        (found.map(|set| set.to_string()), session.take_warnings())
    }

    fn entries(last: u32) -> Vec<Entry> {
        let uids = (1..=last).filter_map(Uid::new);
        uids.map(|uid| Entry {
            uid,
            flags: Flags::empty(),
            keywords: KeywordSet::default(),
            internal_date: None,
            size: 1,
        })
        .collect()
    }

    #[test]
    fn both_forms_of_answer_are_read() {
        let few = entries(9);
        for (answer, want) in [
            ("S: * SEARCH 2 3 6 1\n", "1:3,6"),
            ("S: * SEARCH 5 6 7 (MODSEQ 917162500)\n", "5:7"),
            ("S: * SEARCH\n", ""),
            ("S: * search 2 11\nS: * 4 EXISTS\nS: * SEARCH 9\n", "2,9"),
        ] {
            let transcript = format!("C: x1 UID SEARCH UNSEEN\n{answer}S: x1 OK\n");
            let (found, warnings) = play("", &transcript, "UNSEEN", &few);
            assert_eq!(found.unwrap(), want, "{answer}");
            assert_eq!(warnings, Vec::<String>::new());
        }
        for (answer, want) in [
            ("S: * ESEARCH (TAG \"x1\") UID ALL 9:7,2\n", "2,7:9"),
            (
                "S: * ESEARCH (TAG \"x1\") UID COUNT 3 ALL 1:3 X (a (b))\n",
                "1:3",
            ),
            ("S: * ESEARCH (TAG \"x1\") UID ALL 1:4294967295\n", "1:9"),
            ("S: * ESEARCH (TAG \"x1\") UID\n", ""),
            ("S: * ESEARCH UID ALL 4\n", "4"),
            ("S: * ESEARCH (TAG \"x9\") UID ALL 4\nS: * SEARCH 5\n", "5"),
        ] {
            let transcript = format!("C: x1 UID SEARCH RETURN (ALL) UNSEEN\n{answer}S: x1 OK\n");
            let (found, warnings) = play("ESEARCH", &transcript, "UNSEEN", &few);
            assert_eq!(found.unwrap(), want, "{answer}");
            assert_eq!(warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn keys_beyond_ascii_have_a_charset() {
        let transcript = "C: x1 UID SEARCH CHARSET UTF-8 SUBJECT \"Été\"\n\
                          S: * SEARCH 1\nS: x1 OK\n";
        let (found, _) = play("", transcript, "SUBJECT \"Été\"", &entries(1));
        assert_eq!(found.unwrap(), "1");
    }

    #[test]
    fn large_folders_are_searched_piece_by_piece_and_empty_ones_not_at_all() {
        let transcript = "C: x1 UID SEARCH UID 1:50000 OR SEEN DELETED\n\
                          S: * SEARCH 50000\nS: x1 OK\n\
                          C: x2 UID SEARCH UID 50001:50002 OR SEEN DELETED\n\
                          S: * SEARCH 50001\nS: x2 OK\n";
        let (found, _) = play("", transcript, "OR SEEN DELETED", &entries(50_002));
        assert_eq!(found.unwrap(), "50000:50001");
        let (found, _) = play("", "", "ALL", &[]);
        assert_eq!(found.unwrap(), "");
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        let few = entries(3);
        let ask = "C: x1 UID SEARCH FOO\n";
        let refused = format!("{ask}S: x1 BAD unknown key\n");
        let problem = play("", &refused, "FOO", &few).0.unwrap_err();
        assert_eq!(
            (problem.kind, problem.reach),
            (Kind::Refused, Reach::Folder)
        );
        for answer in ["1 x", "0", "4294967296", "\"1\"", "1:3"] {
            let transcript = format!("{ask}S: * SEARCH {answer}\n");
            let problem = play("", &transcript, "FOO", &few).0.unwrap_err();
            assert_eq!(problem.kind, Kind::Protocol, "{answer}");
        }
        let ask = "C: x1 UID SEARCH RETURN (ALL) FOO\n";
        for answer in [
            "(TAG \"x1\"",
            "(TAG \"x1\") UID ALL",
            "UID ALL 1:",
            "UID ALL *",
            "UID (1)",
            // Sequence numbers.
            "(TAG \"x1\") ALL 2",
        ] {
            let transcript = format!("{ask}S: * ESEARCH {answer}\n");
            let problem = play("ESEARCH", &transcript, "FOO", &few).0.unwrap_err();
            assert_eq!(problem.kind, Kind::Protocol, "{answer}");
        }
        let silent = format!("{ask}S: x1 OK\n");
        let (found, warnings) = play("ESEARCH", &silent, "FOO", &few);
        assert_eq!((found.unwrap().as_str(), warnings.len()), ("", 1));
    }
}
