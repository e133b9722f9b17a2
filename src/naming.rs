//! What things are called on disk: pure. A folder becomes a directory, a message a base name,
//! flags a suffix; or there is a refusal that says what the layout cannot hold. Nothing that a
//! server says becomes a path without passing through here.

pub mod folder;
pub mod keyword;
pub mod message;
pub mod rank;
pub mod uidl;

pub use folder::{FolderFault, MaildirFolder};
pub use keyword::KeywordLetters;
pub use message::{BaseName, Identity, UidlNameFault};
pub use rank::Rank;
