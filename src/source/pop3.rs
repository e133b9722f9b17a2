//! A blocking POP3 session over any stream (RFC 1939, 2449, 2595, 5034, 6856).
pub mod proto;
