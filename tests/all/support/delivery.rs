//! Mail that arrives in a Maildir beside any server, as a delivery agent puts it there.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::corpus::directory;
use super::{Layout, give_to_mail_owner};

/// Delivers `message`, with LF line ends and dated `date`, to the folder `name` of `maildir`: into
/// `tmp/` under a name of its own, then to `new/`. The name is returned.
pub fn deliver(maildir: &Path, name: &str, date: i64, message: &str) -> String {
    static DELIVERIES: AtomicU32 = AtomicU32::new(0);
    let number = DELIVERIES.fetch_add(1, Ordering::SeqCst);
    let process = std::process::id();
    let file_name = format!("{date}.M{number:06}P{process}_{number}.lda");
    let folder = directory(maildir, Layout::MaildirPlusPlus, name);
    let arriving = folder.join("tmp").join(&file_name);
    fs::write(&arriving, message).unwrap_or_else(|error| panic!("{}: {error}", arriving.display()));
    let time = filetime::FileTime::from_unix_time(date, 0);
    filetime::set_file_mtime(&arriving, time).expect("the file was just written");
    give_to_mail_owner(&arriving);
    fs::rename(&arriving, folder.join("new").join(&file_name)).expect("a Maildir has new/");
    file_name
}
