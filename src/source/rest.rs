//! Whether a server's words ask to be left alone, and by whom. There are codes for it in IMAP (RFC 5530,
//! and those of Exchange and Gmail); most servers have only words, the same in both protocols.

/// What a server asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rest {
    /// It is meant for all who come from us, not for this user alone.
    pub of_host: bool,
    /// For so many seconds; 0: it does not say.
    pub seconds: u32,
}

/// What is said of a server's load, or of our share in it.
const OF_HOST: [&str; 12] = [
    "throttled",
    "backoff time",
    "too many connections",
    "too many simultaneous",
    "number of connections",
    "connection limit",
    "rate limit",
    "server is busy",
    "server busy",
    "too busy",
    "server unavailable",
    "overloaded",
];
/// What is said of what one user takes.
const OF_USER: [&str; 2] = ["bandwidth limit", "command limit"];

/// The rest that `text` asks for, `code` being its response code; `None` where it is about something
/// else.
pub fn wanted(code: Option<&str>, text: &str) -> Option<Rest> {
    let is = |codes: &[&str]| {
        code.is_some_and(|code| codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
    };
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let of_host = is(&["THROTTLED", "LIMIT", "UNAVAILABLE"]) || says(&OF_HOST);
    let of_user = is(&["OVERQUOTA"]) || says(&OF_USER);
    // Gmail gives a code of the host to what one account has had too much of.
    let of_host = of_host && !says(&OF_USER);
    (of_host || of_user).then(|| Rest {
        of_host,
        seconds: backoff(&text).unwrap_or(0),
    })
}

/// `Suggested Backoff Time: 299961 milliseconds` (Exchange) in seconds, rounded up. What is no number of
/// seconds is milliseconds.
fn backoff(lower: &str) -> Option<u32> {
    let (_, rest) = lower.split_once("backoff time")?;
    let rest = rest.trim_start_matches([':', '=', ' ']);
    let digits = rest.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = rest.split_at(digits.unwrap_or(rest.len()));
    let number: u64 = match digits.parse() {
        Ok(number) => number,
        Err(_) if digits.is_empty() => return None,
        // More than 64 bits.
        Err(_) => u64::MAX,
    };
    let seconds = match unit.trim_start().starts_with('s') {
        true => number,
        false => number.div_ceil(1000),
    };
    Some(u32::try_from(seconds).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_ask_for_rest_in_many_words() {
        let host = |seconds| {
            Some(Rest {
                of_host: true,
                seconds,
            })
        };
        let user = Some(Rest::default());
        for (code, text, want) in [
            (
                None,
                "Request is throttled. Suggested Backoff Time: 299961 milliseconds",
                host(300),
            ),
            (
                None,
                "AUTHENTICATE failed. Request is throttled. Suggested Backoff Time: 5 ms",
                host(1),
            ),
            (Some("THROTTLED"), "[THROTTLED]", host(0)),
            (Some("limit"), "[limit] too many", host(0)),
            (Some("UNAVAILABLE"), "[UNAVAILABLE] down", host(0)),
            (None, "Suggested Backoff Time: 7 s", host(7)),
            (None, "backoff time 99999999999999999999999", host(u32::MAX)),
            (None, "Suggested Backoff Time: soon", host(0)),
            (None, "Too many connections from 10.0.0.1", host(0)),
            (None, "Maximum number of connections exceeded", host(0)),
            (None, "Server Busy. Please retry later.", host(0)),
            (None, "Server Unavailable. 15", host(0)),
            (None, "LOGIN Rate limit hit", host(0)),
            (None, "The system is overloaded", host(0)),
            (
                Some("ALERT"),
                "[ALERT] Account exceeded command or bandwidth limits. (Failure)",
                user,
            ),
            (
                Some("OVERQUOTA"),
                "[OVERQUOTA] Account exceeded command or bandwidth limits",
                user,
            ),
            (
                Some("THROTTLED"),
                "[THROTTLED] exceeded bandwidth limits",
                user,
            ),
            (
                Some("AUTHENTICATIONFAILED"),
                "[AUTHENTICATIONFAILED] no",
                None,
            ),
            (Some("INUSE"), "[INUSE] locked", None),
            // It may be said of a wrong password, which is not to be sent again.
            (None, "Authentication failed, try again later", None),
            (None, "", None),
        ] {
            assert_eq!(wanted(code, text), want, "{text}");
        }
    }
}
