//! What has been fetched for a user on one day, `mailseed.daily` beside the record: with it a limit
//! (`--daily-cap`) holds over all runs of that day, those included that were killed. Only runs with a limit
//! write it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::mail::FolderPath;

/// The bytes of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// The day, in local time.
    pub day: Date,
    /// Bytes that have come over the wire, and those of messages that were on their way when a run was killed.
    pub bytes: u64,
    /// Octets of the messages among them.
    pub octets: u64,
}

impl Daily {
    /// A day on which nothing has been fetched.
    pub fn begin(day: Date) -> Self {
        Self {
            day,
            bytes: 0,
            octets: 0,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    day: String,
    bytes: u64,
    octets: u64,
}

/// The name of the file; for a user whose mail goes below `subfolder` as for the record.
pub fn file_name(subfolder: Option<&FolderPath>) -> String {
    super::file_name(subfolder).replacen(super::FILE, "mailseed.daily", 1)
}

impl Daily {
    /// Reads the file; `None`: it is damaged.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            day: line.day.parse().ok()?,
            bytes: line.bytes,
            octets: line.octets,
        })
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let line = Line {
            day: self.day.to_string(),
            bytes: self.bytes,
            octets: self.octets,
        };
        // A string and a number can always be said in JSON.
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let day = Daily {
            day: jiff::civil::date(2026, 11, 25),
            bytes: 2_621_440_000,
            octets: 7,
        };
        let text = day.to_text();
        assert_eq!(
            text,
            "{\"day\":\"2026-11-25\",\"bytes\":2621440000,\"octets\":7}\n"
        );
        assert_eq!(Daily::parse(text.as_bytes()), Some(day));
        for damaged in [
            "",
            "{\"day\":\"2026-11-",
            "{\"day\":\"2026-13-25\",\"bytes\":1,\"octets\":1}\n",
        ] {
            assert_eq!(Daily::parse(damaged.as_bytes()), None, "{damaged}");
        }
        let below = FolderPath::new(vec!["old".to_owned()]);
        assert_eq!(file_name(None), "mailseed.daily");
        assert!(file_name(Some(&below)).starts_with("mailseed.daily."));
    }
}
