//! The sum as one HTML page, for the admin and the boss: nothing of it comes from elsewhere. What it
//! begins with is plain HTML and SVG; its long tables are made by `page.js` from the data in it, a
//! part at a time, for a browser is slow to lay out ten thousand rows.
//!
//! The page is hostile ground, for names and errors are strangers' text: maud escapes all of it, the
//! data holds no `<`, the script makes text nodes only, and the policy of the page lets nothing run but
//! this script, and nothing be fetched.

mod data;
mod page;
mod plots;
mod scale;
mod summary;
mod to_do;

pub use page::write;

#[cfg(test)]
mod tests;
