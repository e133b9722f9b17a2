//! Plain values of the trade, without I/O: what a mail server says of folders and messages.

pub mod courier;
pub mod date;
pub mod entry;
pub mod flags;
pub mod folder;
pub mod header;
pub mod place;
pub mod places;
pub mod pop_entries;
pub mod strings;
pub mod subscriptions;
pub mod uid_set;
pub mod uidl;
pub mod uidlist;

pub use entry::{Entry, PopEntry, PopNumber, Uid, UidValidity, octets};
pub use flags::{Flags, KeywordSet, KeywordTable};
pub use folder::FolderPath;
pub use place::Place;
pub use places::Places;
pub use pop_entries::PopEntries;
pub use strings::Strings;
pub use uid_set::UidSet;
pub use uidl::{Uidl, UidlFault};
pub use uidlist::{Extended, UidLine, UidLines, UidList};
