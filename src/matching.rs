//! Which POP3 entry is which IMAP message: pure.
