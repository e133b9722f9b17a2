//! What `mailseed explain` is asked.

use std::path::{Path, PathBuf};

use super::template::Template;
use super::{FolderEncoding, Layout, Servers};
use crate::cli;
use crate::problem::{Kind, Problem, Reach};
use crate::userlist::{self, List};

/// A question about one message.
#[derive(Debug)]
pub struct Question {
    /// Whose message.
    pub user: String,
    /// What it is called; what kind of name that is shows when it is looked for.
    pub message: String,
    /// The only folder to look in, where there is one.
    pub folder: Option<String>,
    /// The user's Maildir.
    pub maildir: PathBuf,
    /// The servers whose announcements are wanted.
    pub servers: Servers,
    /// How folders lie on disk.
    pub layout: Layout,
    /// How folder names are encoded on disk.
    pub encoding: FolderEncoding,
}

impl Question {
    /// What `typed` means.
    ///
    /// # Errors
    /// Everything that is wrong (reach Run, kind Input).
    pub fn from_cli(typed: &cli::Explain) -> Result<Self, Vec<Problem>> {
        let refused = |fault: String| vec![Problem::new(Kind::Input, Reach::Run, fault)];
        userlist::sound_name(&typed.user).map_err(|fault| refused(format!("USER: {fault}")))?;
        if typed.message.is_empty() {
            return Err(refused("MESSAGE: it is empty".to_owned()));
        }
        let own = match &typed.users {
            Some(path) => own_maildir(path, &typed.user)?,
            None => None,
        };
        let Some(template) = own.as_ref().or(typed.maildir.as_ref()) else {
            return Err(refused(
                "where is the mail? Give --maildir TEMPLATE, as for export".to_owned(),
            ));
        };
        let maildir = Template::parse(template)
            .and_then(|template| template.fill(&typed.user))
            .map_err(|fault| refused(format!("--maildir: {fault}")))?;
        Ok(Self {
            user: typed.user.clone(),
            message: typed.message.clone(),
            folder: typed.folder.clone(),
            maildir,
            servers: typed.form.target.iter().copied().collect(),
            layout: typed.form.layout,
            encoding: typed.form.encoding(),
        })
    }
}

/// The Maildir that the user's row of the list has, where it has one.
fn own_maildir(path: &Path, user: &str) -> Result<Option<String>, Vec<Problem>> {
    let refused = |fault: String| {
        let what = format!("--users {}: {fault}", path.display());
        Problem::new(Kind::Input, Reach::Run, what)
    };
    let list = List::open(path).map_err(|error| vec![refused(error.to_string())])?;
    let mut faults = Vec::new();
    let mut row = None;
    let mut refuse = |line, fault| faults.push(refused(format!("line {line}: {fault}")));
    list.scan(&mut refuse, |read| {
        if read.user == user {
            row = Some(read.clone());
        }
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    match row {
        Some(row) => Ok(row.maildir),
        None => Err(vec![refused(format!("there is no user {user:?} in it"))]),
    }
}
