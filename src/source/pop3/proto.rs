//! POP3 with no I/O: bytes in, replies out.
