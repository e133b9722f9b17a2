//! A blocking IMAP session: the `imap` crate for the control plane, our own streaming reader for
//! everything that lists or fetches.
