//! What the old POP3 server announces of an INBOX whose files may have got other names since. Pure.

use std::collections::{HashMap, HashSet};

use super::journal::Former;
use super::known::Listed;
use crate::announce::{Maildrop, Server, list};
use crate::mail::courier::order::NameKey;
use crate::mail::courier::sizelist;
use crate::mail::uidlist;

/// What `server` announced of `maildrop` when its files had their `former` names, in its order, each
/// message by the name that its file has now. qmail goes by the former names alone; a list of the
/// server's may say either, since a run may have been cut behind it.
pub(super) fn announced(
    maildrop: &Maildrop,
    server: &Server,
    former: &Former,
    now: i64,
) -> Vec<Listed> {
    let before = renamed(maildrop, former, |_, _| true);
    let listed = names_in_list(maildrop, server);
    let listed = |name: &str| listed.contains(&name.as_bytes());
    let as_listed = renamed(maildrop, former, |now, old| listed(old) || !listed(now));
    let mut entries = list(&as_listed, server, now).entries;
    if *server == Server::Courier {
        let order = list(&before, server, now).entries.into_iter().zip(0..);
        let order: HashMap<usize, usize> =
            order.map(|(entry, place)| (entry.file, place)).collect();
        entries.sort_by_key(|entry| order.get(&entry.file).copied());
    }
    let listed = entries.into_iter().filter_map(|entry| {
        let base = maildrop.files.get(entry.file)?.base();
        Some((std::str::from_utf8(base).ok()?.into(), entry.uidl))
    });
    listed.collect()
}

/// The maildrop with the former names of those files of which `is_wanted` says so, by the name now and the
/// former one.
fn renamed(
    maildrop: &Maildrop,
    former: &Former,
    is_wanted: impl Fn(&str, &str) -> bool,
) -> Maildrop {
    let mut renamed = maildrop.clone();
    for file in &mut renamed.files {
        if let Ok(base) = std::str::from_utf8(file.base())
            && let Some(old) = former.get(base)
            && is_wanted(base, old)
        {
            let suffix = &file.name[base.len()..];
            file.name = [old.as_bytes(), suffix].concat().into();
        }
    }
    renamed
}

/// The base names in the list by which `server` announces.
fn names_in_list<'m>(maildrop: &'m Maildrop, server: &Server) -> HashSet<&'m [u8]> {
    let controls = &maildrop.controls;
    match server {
        Server::Dovecot(_) => {
            let list = controls.dovecot_uidlist.as_deref().unwrap_or_default();
            let lines = uidlist::AsRead::of(list).lines.into_iter();
            lines.map(|line| line.name).collect()
        }
        Server::Courier => {
            let list = controls.courier_size_list.as_deref().unwrap_or_default();
            let lines = sizelist::AsRead::of(list).lines.into_iter();
            lines.map(|line| NameKey::of(line.name).base).collect()
        }
        Server::Qmail => HashSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announce::{Controls, MailFile};

    const DOVECOT: &str = "3 V9 N9\n1 Pone O2 :a\n2 Ptwo O1 :b\n";
    const COURIER: &str = "/3 9 7\n1.a:2, 5 4:7:0\n2.b:2, 5 3:7:0\n";

    /// `name date` of each file, `now=former` for names.
    fn told(files: &[&str], names: &[(&str, &str)], server: &Server, list: &str) -> String {
        let file = |text: &&str| {
            let (name, date) = text.split_once(' ').unwrap();
            MailFile {
                name: format!("{name}:2,S").into_bytes().into(),
                in_new: false,
                size: 5,
                mtime: date.parse().unwrap(),
            }
        };
        let list = Some(list.as_bytes().to_vec());
        let (dovecot_uidlist, courier_size_list) = match server {
            Server::Dovecot(_) => (list, None),
            _ => (None, list),
        };
        let maildrop = Maildrop {
            files: files.iter().map(file).collect(),
            controls: Controls {
                dovecot_uidlist,
                courier_size_list,
                ..Controls::default()
            },
            ..Maildrop::default()
        };
        let names = names
            .iter()
            .map(|(now, old)| ((*now).into(), (*old).into()));
        let all = announced(&maildrop, server, &names.collect(), 1000);
        let all = all
            .iter()
            .map(|(base, uidl)| format!("{base}={}", String::from_utf8_lossy(uidl)));
        all.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn files_are_known_by_either_name_and_ordered_by_the_former_one() {
        let dovecot = Server::Dovecot("%v.%u".parse().unwrap());
        let courier = Server::Courier;
        for (files, names, server, list, want) in [
            // Nothing has been renamed.
            (
                &["a 1", "b 2"][..],
                &[][..],
                &dovecot,
                DOVECOT,
                "b=two a=one",
            ),
            // Renamed, and the list is the old one.
            (
                &["x 1", "b 2"],
                &[("x", "a")],
                &dovecot,
                DOVECOT,
                "b=two x=one",
            ),
            // The list has been replaced as well.
            (
                &["a 1", "b 2"],
                &[("a", "x")],
                &dovecot,
                DOVECOT,
                "b=two a=one",
            ),
            (
                &["UID4-7 1", "UID3-7 2"],
                &[("UID4-7", "1.a"), ("UID3-7", "2.b")],
                &courier,
                COURIER,
                "UID4-7=UID4-7 UID3-7=UID3-7",
            ),
            (
                &["1.a 1", "2.b 2"],
                &[("1.a", "9.z"), ("2.b", "8.y")],
                &courier,
                COURIER,
                "2.b=UID3-7 1.a=UID4-7",
            ),
            // qmail announces names.
            (
                &["a 2", "b 1"],
                &[("a", "x")],
                &Server::Qmail,
                "",
                "b=b a=x",
            ),
        ] {
            assert_eq!(
                told(files, names, server, list),
                want,
                "{files:?} {names:?}"
            );
        }
    }
}
