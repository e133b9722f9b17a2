//! What is taken of each user's mail, and under which names it goes: from the options typed to a
//! [`Selection`], everything wrong with them told at once. What it means for a user's folders is for
//! [`crate::plan::selection`].

mod glob;
mod rename;
mod values;

pub use glob::Glob;
pub use rename::Rename;
pub(super) use values::size;

use super::options::{Told, told, word};
use super::{FolderEncoding, Layout};
use crate::cli;
use crate::mail::FolderPath;
use crate::naming::MaildirFolder;

/// What is taken, and where it goes; the default takes everything as it is.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only folders that one of these stands for; empty: all.
    pub folders: Vec<Glob>,
    /// But none of these.
    pub exclude: Vec<Glob>,
    /// Only subscribed folders, and INBOX.
    pub subscribed: bool,
    /// No folder is made in which nothing would lie.
    pub skip_empty: bool,
    /// What is done with virtual folders such as Gmail's All Mail; `None`: as the server needs it.
    pub all_mail: Option<AllMail>,
    /// Special-use folders get the usual names.
    pub special_use: bool,
    /// Substitutions in names, in order.
    pub renames: Vec<Rename>,
    /// Folders (by the names that people read) with fixed names.
    pub maps: Vec<(String, FolderPath)>,
    /// Everything goes below this folder, where the user has none of its own.
    pub subfolder: Option<FolderPath>,
    /// Only messages that arrived at or after this time, in seconds since 1970.
    pub since: Option<i64>,
    /// Only messages that arrived so many seconds ago at most.
    pub max_age: Option<i64>,
    /// Only messages of so many octets at most.
    pub max_size: Option<u64>,
    /// Only messages that an IMAP server finds by these SEARCH keys.
    pub search: Option<String>,
}

/// What is done with folders that show messages of other folders once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AllMail {
    /// Leave them out
    Skip,
    /// Take them as folders like all others
    Keep,
    /// Take them too, and link their messages to the files of other folders (hard links) where the
    /// server tells by X-GM-MSGID or EMAILID that they are the same: nothing is fetched or stored
    /// twice. A server's quota counts each link
    Link,
}

impl Selection {
    /// Whether only some messages of a folder are taken.
    pub fn narrows_messages(&self) -> bool {
        self.since.is_some()
            || self.max_age.is_some()
            || self.max_size.is_some()
            || self.search.is_some()
    }

    /// What `typed` means for a target of this form; what is wrong with it goes to `refuse`.
    pub(super) fn from_cli(
        typed: &cli::Selection,
        form: (Layout, FolderEncoding),
        refuse: &mut dyn FnMut(String),
    ) -> Self {
        let subfolder = |name: &str| subfolder(name, form);
        Self {
            folders: each(&typed.folder, "--folder", Glob::parse, refuse),
            exclude: each(&typed.exclude, "--exclude", Glob::parse, refuse),
            subscribed: typed.subscribed,
            skip_empty: typed.skip_empty,
            all_mail: typed.all_mail,
            special_use: typed.special_use,
            renames: each(&typed.rename, "--rename", Rename::parse, refuse),
            maps: maps(&typed.map, form, refuse),
            subfolder: one(typed.subfolder.as_deref(), "--subfolder", subfolder, refuse),
            since: one(typed.since.as_deref(), "--since", values::date, refuse),
            max_age: one(typed.max_age, "--max-age", values::days, refuse),
            max_size: one(typed.max_size.as_deref(), "--max-size", size, refuse),
            search: one(
                typed.search.as_deref(),
                "--search",
                values::search_keys,
                refuse,
            ),
        }
    }
}

/// The value of an option that may be given once.
fn one<V, T>(
    typed: Option<T>,
    option: &str,
    read: impl Fn(T) -> Result<V, String>,
    refuse: &mut dyn FnMut(String),
) -> Option<V> {
    let read = read(typed?);
    read.map_err(|fault| refuse(format!("{option}: {fault}")))
        .ok()
}

/// The values of an option that may be repeated.
fn each<V>(
    typed: &[String],
    option: &str,
    read: impl Fn(&str) -> Result<V, String>,
    refuse: &mut dyn FnMut(String),
) -> Vec<V> {
    let read = typed.iter().filter_map(|text| {
        let read = read(text);
        read.map_err(|fault| refuse(format!("{option} {text:?}: {fault}")))
            .ok()
    });
    read.collect()
}

/// The values of `--map`, which may give no folder two names.
fn maps(
    typed: &[String],
    form: (Layout, FolderEncoding),
    refuse: &mut dyn FnMut(String),
) -> Vec<(String, FolderPath)> {
    let mut maps: Vec<(String, FolderPath)> = Vec::new();
    for text in typed {
        match map(text, form) {
            Ok((from, _)) if maps.iter().any(|(known, _)| *known == from) => {
                refuse(format!("--map gives folder {from} two names"));
            }
            Ok(pair) => maps.push(pair),
            Err(fault) => refuse(format!("--map {text:?}: {fault}")),
        }
    }
    maps
}

/// The options that only IMAP can serve, as far as they are used.
pub(super) fn imap_options(typed: &cli::Selection) -> Vec<&'static str> {
    [
        (!typed.folder.is_empty(), "--folder"),
        (!typed.exclude.is_empty(), "--exclude"),
        (typed.subscribed, "--subscribed"),
        (typed.special_use, "--special-use"),
        (typed.all_mail.is_some(), "--all-mail"),
        (typed.since.is_some(), "--since"),
        (typed.max_age.is_some(), "--max-age"),
        (typed.search.is_some(), "--search"),
    ]
    .into_iter()
    .filter_map(|(used, option)| used.then_some(option))
    .collect()
}

/// What was typed, for `run.json`.
pub(super) fn options(typed: &cli::Selection) -> Told {
    told([
        ("folder", typed.folder.clone().into()),
        ("exclude", typed.exclude.clone().into()),
        ("subscribed", typed.subscribed.into()),
        ("skip-empty", typed.skip_empty.into()),
        ("all-mail", typed.all_mail.as_ref().and_then(word).into()),
        ("special-use", typed.special_use.into()),
        ("rename", typed.rename.clone().into()),
        ("map", typed.map.clone().into()),
        ("subfolder", typed.subfolder.clone().into()),
        ("since", typed.since.clone().into()),
        ("max-age", typed.max_age.into()),
        ("max-size", typed.max_size.clone().into()),
        ("search", typed.search.clone().into()),
    ])
}

/// The folder below which a user's mail is to lie.
///
/// # Errors
/// It is INBOX, or the target cannot hold it; told in words.
pub(super) fn subfolder(name: &str, form: (Layout, FolderEncoding)) -> Result<FolderPath, String> {
    let path = values::folder(name)?;
    if path.is_inbox() {
        return Err("INBOX is no subfolder: leave it out".to_owned());
    }
    holdable(&path, form)?;
    Ok(path)
}

fn map(text: &str, form: (Layout, FolderEncoding)) -> Result<(String, FolderPath), String> {
    let (from, to) = values::sides(text)?;
    let (from, to) = (values::folder(&from)?, values::folder(&to)?);
    holdable(&to, form)?;
    Ok((from.to_string(), to))
}

fn holdable(path: &FolderPath, (layout, encoding): (Layout, FolderEncoding)) -> Result<(), String> {
    match MaildirFolder::of(path, layout, encoding) {
        Ok(_) => Ok(()),
        Err(fault) => Err(format!("the target cannot hold {path}: {fault}")),
    }
}
