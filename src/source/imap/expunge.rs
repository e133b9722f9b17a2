//! Deleting messages: the only commands of ours that change anything on a server. SELECT, UID STORE
//! `\Deleted`, UID EXPUNGE (UIDPLUS, RFC 4315), and a search for what is left after all.

use super::Talk;
use super::bodies::set_of;
use super::examine::quoted;
use super::reader::{Fault, Response};
use super::reply::{Reply, Status};
use super::search;
use crate::mail::{UidSet, UidValidity};
use crate::problem::{Kind, Problem, Reach};

/// The most messages of one command: each is told with a line of its own when it goes.
const PIECE: usize = 1000;

/// How what is marked as deleted is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expunge {
    /// UID EXPUNGE: the messages that were marked, and no others.
    ByUid,
    /// EXPUNGE: everything in the folder that is marked, by whomever.
    AllMarked,
}

/// `uids` as sequence sets for one command each.
pub fn pieces(uids: &UidSet) -> Vec<String> {
    let uids: Vec<u32> = uids.iter().map(|uid| uid.value()).collect();
    let mut pieces = Vec::new();
    let mut rest = uids.as_slice();
    while !rest.is_empty() {
        let (set, count) = set_of(rest.iter().copied(), PIECE);
        pieces.push(set);
        rest = &rest[count..];
    }
    pieces
}

/// Opens a folder so that it can be changed. The inner error is why it cannot, of reach Folder.
pub fn select(
    talk: &mut Talk<'_>,
    name: &str,
    validity: UidValidity,
) -> Result<Result<(), Problem>, Fault> {
    let Some(name) = quoted(name) else {
        let what = "the folder's name cannot be said to the server";
        return Ok(Err(Problem::new(Kind::Refused, Reach::Folder, what)));
    };
    let tags = talk.send(&[&format!("SELECT {name}")])?;
    // Whatever comes of it: what was opened for reading is open no more.
    talk.ahead.opened(None);
    let mut now = None;
    let mut take = |reply: &Reply| {
        if let Some((code, value)) = reply.code()
            && code.eq_ignore_ascii_case("UIDVALIDITY")
        {
            now = value.trim().parse().ok().and_then(UidValidity::new);
        }
    };
    let reply = loop {
        match talk.hear()? {
            Response::Tagged(tag, reply) if tags.contains(&tag) => break reply,
            Response::Tagged(..) => return Err(Fault::never_sent()),
            Response::Status(reply) => take(&reply),
            _ => {}
        }
        talk.reader.unasked()?;
    };
    if reply.status != Status::Ok {
        let doing = "to open the folder for deleting";
        return Ok(Err(reply.refusal(doing, Reach::Folder)));
    }
    take(&reply);
    let is_read_only = |(code, _): (&str, &str)| code.eq_ignore_ascii_case("READ-ONLY");
    if reply.code().is_some_and(is_read_only) {
        let what = "the server opens the folder for reading only; nothing was deleted there";
        return Ok(Err(Problem::new(Kind::Refused, Reach::Folder, what)));
    }
    if now != Some(validity) {
        return Ok(Err(changed()));
    }
    Ok(Ok(()))
}

/// The folder is not the one whose messages have been compared.
pub fn changed() -> Problem {
    let what = "the folder was replaced by another in the meantime; nothing was deleted there";
    Problem::new(Kind::Conflict, Reach::Folder, what).with_hint("run again")
}

/// Deletes the messages of the sequence set `set`. Returns those of them that are gone, and what went
/// wrong.
pub fn piece(
    talk: &mut Talk<'_>,
    set: &str,
    how: Expunge,
) -> Result<(UidSet, Option<Problem>), Fault> {
    let mark = format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)");
    let expunge = match how {
        Expunge::ByUid => format!("UID EXPUNGE {set}"),
        Expunge::AllMarked => "EXPUNGE".to_owned(),
    };
    for (command, doing) in [
        (mark, "to mark messages as deleted"),
        (expunge, "to remove messages"),
    ] {
        let reply = run(talk, &command)?;
        if reply.status != Status::Ok {
            // None of them counts as gone: a refusal may have reached some of them.
            let problem = reply.refusal(doing, Reach::Folder);
            return Ok((UidSet::default(), Some(problem)));
        }
    }
    let return_all = match talk.extensions.esearch {
        true => "RETURN (ALL) ",
        false => "",
    };
    let asked: UidSet = set.parse().map_err(|_| Fault::Broken("a set of ours"))?;
    let command = format!("UID SEARCH {return_all}UID {set}");
    let left = match search::one(talk, &command, asked.len())? {
        Ok(left) => left.intersection(&asked),
        Err(reply) => {
            let problem = reply.refusal("to say what it has removed", Reach::Folder);
            return Ok((UidSet::default(), Some(problem)));
        }
    };
    let problem = (!left.is_empty()).then(|| {
        let what = format!(
            "the server was told to remove {} messages and still has {} of them: UID {left}",
            asked.len(),
            left.len()
        );
        Problem::new(Kind::Refused, Reach::Folder, what)
    });
    Ok((asked.difference(&left), problem))
}

/// One command, of whose answer only its end counts.
fn run(talk: &mut Talk<'_>, command: &str) -> Result<Reply, Fault> {
    let tags = talk.send(&[command])?;
    loop {
        match talk.next()? {
            Response::Tagged(tag, reply) if tags.contains(&tag) => return Ok(reply),
            Response::Tagged(..) => return Err(Fault::never_sent()),
            _ => talk.reader.unasked()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::{Script, folder, logged_in};
    use super::*;

    /// What a deletion of `uids` leaves: what has gone, and the problem.
    fn play(abilities: &str, transcript: &str, uids: &str, how: Expunge) -> (String, String) {
        let whole = logged_in(abilities) + transcript;
        let script = Script::new(whole.as_bytes(), 7);
        let mut session = script.open().unwrap();
        assert_eq!(session.expunges_by_uid(), abilities.contains("UIDPLUS"));
        let folder = folder("A&-B");
        let mut all = UidSet::default();
        let deleted = session.delete(
            &folder,
            UidValidity::new(77).unwrap(),
            &uids.parse().unwrap(),
            how,
            &mut |gone| {
                all = all.union(gone);
                Ok(())
            },
        );
        if !transcript.ends_with("E:\n") {
            script.finish();
        }
        let problem = deleted.unwrap_or_else(Some);
        (
            all.to_string(),
            problem.map_or(String::new(), |it| it.to_string()),
        )
    }

    const SELECTED: &str = "C: x1 SELECT \"A&-B\"\nS: * 4 EXISTS\nS: * 1 RECENT\n\
        S: * FLAGS (\\Deleted)\nS: * OK [PERMANENTFLAGS (\\Deleted)] these\n\
        S: * OK [UIDVALIDITY 77] valid\nS: x1 OK [READ-WRITE] open\n";
    const MARKED: &str = "C: x2 UID STORE 2:3,9 +FLAGS.SILENT (\\Deleted)\n\
        S: * 2 FETCH (UID 2 FLAGS (\\Deleted))\nS: x2 OK\n";

    #[test]
    fn exactly_what_was_named_is_marked_removed_and_looked_for() {
        let expunge = "C: x3 UID EXPUNGE 2:3,9\nS: * 2 EXPUNGE\nS: * 2 EXPUNGE\n\
                       S: * VANISHED 9\nS: * 1 EXISTS\nS: x3 OK\n";
        let transcript = format!(
            "{SELECTED}{MARKED}{expunge}C: x4 UID SEARCH RETURN (ALL) UID 2:3,9\n\
             S: * ESEARCH (TAG \"x4\") UID\nS: x4 OK\n"
        );
        let told = play("UIDPLUS ESEARCH", &transcript, "2:3,9", Expunge::ByUid);
        assert_eq!(told, ("2:3,9".to_owned(), String::new()));
        // Without UIDPLUS, if that was said.
        let transcript = format!(
            "{SELECTED}{MARKED}C: x3 EXPUNGE\nS: * 1 EXPUNGE\nS: x3 OK\n\
             C: x4 UID SEARCH UID 2:3,9\nS: * SEARCH 3\nS: x4 OK\n"
        );
        let (gone, problem) = play("", &transcript, "2:3,9", Expunge::AllMarked);
        assert_eq!(gone, "2,9");
        assert!(problem.contains("still has 1 of them: UID 3"), "{problem}");
    }

    #[test]
    fn what_is_refused_ends_the_folder_and_nothing_counts_as_gone() {
        let opened = |code: &str, end: &str| {
            format!("C: x1 SELECT \"A&-B\"\nS: * 4 EXISTS\nS: {code}\nS: x1 {end}\n")
        };
        let valid = "* OK [UIDVALIDITY 77] valid";
        let no_store = "C: x2 UID STORE 2:3,9 +FLAGS.SILENT (\\Deleted)\nS: x2 NO [NOPERM] no\n";
        let no_expunge = format!("{MARKED}C: x3 UID EXPUNGE 2:3,9\nS: x3 BAD what\n");
        let no_search = format!(
            "{MARKED}C: x3 UID EXPUNGE 2:3,9\nS: x3 OK\nC: x4 UID SEARCH UID 2:3,9\nS: x4 NO busy\n"
        );
        for (transcript, want) in [
            (
                opened(valid, "NO [NOPERM] no"),
                "refused to open the folder for deleting",
            ),
            (opened(valid, "OK [READ-ONLY] open"), "for reading only"),
            (
                opened("* OK [UIDVALIDITY 78] valid", "OK [READ-WRITE] open"),
                "replaced by another",
            ),
            (
                opened("* OK nothing said", "OK open"),
                "replaced by another",
            ),
            (
                format!("{SELECTED}{no_store}"),
                "refused to mark messages as deleted",
            ),
            (
                format!("{SELECTED}{no_expunge}"),
                "refused to remove messages",
            ),
            (
                format!("{SELECTED}{no_search}"),
                "refused to say what it has removed",
            ),
        ] {
            let (gone, problem) = play("UIDPLUS", &transcript, "2:3,9", Expunge::ByUid);
            assert_eq!(gone, "", "{transcript}");
            assert!(problem.contains(want), "{problem}");
        }
    }

    /// A folder that was opened for reading, and another to delete from.
    #[test]
    fn what_was_open_before_is_open_no_more() {
        let transcript = logged_in("")
            + "C: x1 EXAMINE \"A\"\nS: * 4 EXISTS\nS: * OK [UIDVALIDITY 5]\nS: x1 OK\n\
               C: x2 SELECT \"B\"\nS: x2 NO not now\n";
        let script = Script::new(transcript.as_bytes(), 7);
        let mut session = script.open().unwrap();
        session.examine(&folder("A")).unwrap();
        assert!(session.has_open(&folder("A")));
        let (validity, nothing) = (UidValidity::new(5).unwrap(), UidSet::default());
        let how = Expunge::ByUid;
        let refused = session.delete(&folder("B"), validity, &nothing, how, &mut |_| Ok(()));
        assert!(refused.unwrap().is_some());
        assert!(!session.has_open(&folder("A")));
        script.finish();
    }

    #[test]
    fn what_was_sent_before_the_connection_broke_does_not_count_as_gone() {
        let transcript = format!("{SELECTED}{MARKED}C: x3 UID EXPUNGE 2:3,9\nE:\n");
        let (gone, problem) = play("UIDPLUS", &transcript, "2:3,9", Expunge::ByUid);
        assert_eq!(gone, "");
        assert!(problem.contains("closed the connection"), "{problem}");
    }

    #[test]
    fn no_command_is_longer_than_servers_take() {
        let sparse: UidSet = (1_000_000_000..1_000_003_000_u32)
            .step_by(2)
            .map(|uid| (uid, uid))
            .fold(UidSet::default(), |all, range| {
                all.union(&UidSet::from_ranges([range]))
            });
        let pieces_of = pieces(&sparse);
        assert!(pieces_of.iter().all(|set| set.len() < 7_900));
        let again = pieces_of.iter().map(|set| set.parse::<UidSet>().unwrap());
        assert_eq!(
            again.fold(UidSet::default(), |all, set| all.union(&set)),
            sparse
        );
        let dense = pieces(&"1:2500".parse().unwrap());
        assert_eq!(dense, ["1:1000", "1001:2000", "2001:2500"]);
        assert!(pieces(&UidSet::default()).is_empty());
    }
}
