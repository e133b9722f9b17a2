//! Where folders lie, and what names them: directories, subscriptions, the records of exports.

use std::io::Write as _;

use super::{Folder, Retarget};
use crate::config::{FolderEncoding, Servers};
use crate::explain::other_records;
use crate::mail::FolderPath;
use crate::mail::subscriptions::{Form, Subscriptions};
use crate::mutf7;
use crate::naming::MaildirFolder;
use crate::naming::folder::subscription_line;
use crate::problem::Problem;
use crate::sink::tree::Tree;
use crate::sink::{control, export, on_disk, removal, target_problem};
use crate::state::{self, Record};

/// Gives a folder its new place.
pub(super) fn move_folder(
    tree: &Tree,
    from: &MaildirFolder,
    to: &MaildirFolder,
) -> Result<(), Problem> {
    removal::move_folder(tree, from, to)
}

/// Takes over which folders are subscribed; without `tree` nothing is written.
pub(super) fn subscribe(retarget: &Retarget, tree: Option<&Tree>) -> Result<(), Problem> {
    let forms = |servers: Servers| {
        let dovecot = servers.dovecot.then_some(Form::Dovecot(retarget.layout));
        dovecot
            .into_iter()
            .chain(servers.courier.then_some(Form::Courier))
    };
    let Some(from) = forms(retarget.from).next() else {
        return Ok(());
    };
    let told = |error| target_problem(&format!("read {}", from.name()), error);
    let root = on_disk::open_existing(&retarget.maildir, &MaildirFolder::root()).map_err(told)?;
    let Some(root) = root else { return Ok(()) };
    let Some(bytes) = control::read(&root, from.name()).map_err(told)? else {
        return Ok(());
    };
    let names = Subscriptions::parse(Some(&bytes), from).names();
    let lines: Vec<String> = names
        .iter()
        .filter_map(|name| line_in(retarget, name))
        .collect();
    for form in forms(retarget.to).filter(|form| *form != from) {
        let change = |list: &mut Subscriptions, _| list.become_like(&lines);
        export::subscribe(&retarget.maildir, tree, form, change)?;
    }
    // The file of a server that stays, where the names of its folders change.
    if !retarget.is_encoded_so() && forms(retarget.to).any(|it| it == from) {
        let change = |list: &mut Subscriptions, _| list.become_like(&lines);
        export::subscribe(&retarget.maildir, tree, from, change)?;
    }
    Ok(())
}

/// A line of `subscriptions` in the new encoding.
fn line_in(retarget: &Retarget, line: &str) -> Option<String> {
    if retarget.is_encoded_so() {
        return Some(line.to_owned());
    }
    let parts = line.split('\t').map(|part| match retarget.from_encoding {
        FolderEncoding::Mutf7 => mutf7::decode(part).unwrap_or_else(|_| part.to_owned()),
        FolderEncoding::Utf8 | FolderEncoding::Utf8OfCourier => part.to_owned(),
    });
    let path = FolderPath::new(parts.collect());
    subscription_line(&path, retarget.layout, retarget.to_encoding).ok()
}

/// Lets the records of exports know where folders lie now, so that the next export goes on there.
pub(super) fn note_in_records(
    retarget: &Retarget,
    tree: &Tree,
    folders: &[Folder],
) -> Result<(), Problem> {
    let moved: Vec<(String, String)> = folders
        .iter()
        .filter(|folder| folder.place != folder.destination)
        .map(|folder| (folder.place.to_string(), folder.destination.to_string()))
        .collect();
    if retarget.is_encoded_so() {
        return Ok(());
    }
    let told = |error| target_problem("read the record", error);
    let mut names = other_records(&retarget.maildir).map_err(told)?;
    names.push(state::FILE.to_owned());
    for name in names {
        let bytes = control::read(tree.root(), &name).map_err(told)?;
        // A record that cannot be read is as good as lost, to the next export too.
        let Some(Ok(parsed)) = bytes.as_deref().map(Record::parse) else {
            continue;
        };
        let mut record = parsed.record;
        let paths: Vec<FolderPath> = record.folders().iter().map(state::Folder::path).collect();
        let mut changed = false;
        for path in paths {
            let folder = record.folder(&path);
            let new = moved
                .iter()
                .find(|(old, _)| folder.directory.as_ref() == Some(old));
            if let Some((_, new)) = new {
                folder.directory = Some(new.clone());
                changed = true;
            }
        }
        for line in record
            .head
            .subscribed
            .iter_mut()
            .flat_map(|it| it.values_mut())
        {
            if let Some(new) = line_in(retarget, line).filter(|new| new != line) {
                *line = new;
                changed = true;
            }
        }
        if changed {
            let text = record.to_text();
            control::replace_in_root(tree, &name, |out| out.write_all(text.as_bytes()))?;
        }
    }
    Ok(())
}
