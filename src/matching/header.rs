//! What is left of a message's header when everything is taken away in which two servers, or two
//! protocols of one server, may differ: three digests of rising tolerance.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// 16 bytes of BLAKE3.
pub type Digest = [u8; 16];

/// The digests of one header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderDigest {
    /// Of all fields in order, without CR, spaces, tabs and folding.
    pub strict: Digest,
    /// As `strict`, and without what mail servers are known to add, drop or replace: the fields
    /// of an mbox (Status, X-UID, ...), fields with an odd name, lines without a colon, all
    /// from a line of bare CRs on; runs of control and 8-bit bytes are one `?`.
    pub loose: Digest,
    /// Of Message-ID, Date, From and Subject alone, decoded and reduced to what survives a server
    /// that writes its headers anew. `None` without a Message-ID.
    pub identity: Option<Digest>,
    /// Whether `loose` passes over more than white space and mbox fields: two headers of equal
    /// `loose` may then have been written differently by their senders.
    pub rough: bool,
}

/// Fields that a server adds, changes or hides by itself (Dovecot's pop3-migration plugin keeps
/// the same list, found at real migrations).
const DROPPED: [&[u8]; 11] = [
    b"content-length",
    b"return-path", // Yahoo shows it in IMAP only.
    b"status",
    b"x-imap",
    b"x-imapbase",
    b"x-keywords",
    b"x-message-flag",
    b"x-status",
    b"x-uid",
    b"x-uidl",
    b"x-yahoo-newman-property",
];

/// A field name longer than this is none; RFC 5322 allows 998 bytes a line.
const NAME_CAP: usize = 256;
/// What is kept of the value of an identity field.
const VALUE_CAP: usize = 4096;

/// Makes a [`HeaderDigest`] from a header, or from the header of a message, in pieces of any size
/// with CRLF or LF. Its memory does not depend on the length of lines or of the header.
#[derive(Debug)]
pub struct HeaderHasher {
    strict: Feed,
    loose: Feed,
    rough: bool,
    /// A line of bare CRs has been seen: nothing more counts for `loose` (Courier's IMAP ends the
    /// header there, its POP3 does not).
    cut: bool,
    ended: bool,
    /// The last byte that counted for the current value was written as `?`.
    after_mark: bool,
    line: Line,
    name: Vec<u8>,
    /// Values of Message-ID, Date, From, Subject: the first field of each name.
    identity: [Option<Vec<u8>>; 4],
}

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At its start, after so many CRs; the field before it, for the case that it goes on.
    Start(u8, Field),
    /// In what may become a field name.
    Name,
    /// In the value of a field.
    Value(Field),
}

/// What the bytes of a value are good for, apart from `strict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Dropped,
    Plain,
    Identity(usize),
}

const IDENTITY_FIELDS: [&[u8]; 4] = [b"message-id", b"date", b"from", b"subject"];

impl Default for HeaderHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self {
            strict: Feed::new(),
            loose: Feed::new(),
            rough: false,
            cut: false,
            ended: false,
            after_mark: false,
            line: Line::Start(0, Field::Dropped),
            name: Vec::new(),
            identity: [const { None }; 4],
        }
    }

    /// Takes the next bytes. Those after the empty line that ends the header are passed over.
    pub fn update(&mut self, bytes: &[u8]) {
        self.take(bytes);
    }

    /// The digests. The empty line at the end may be missing.
    pub fn finish(mut self) -> HeaderDigest {
        if self.line == Line::Name {
            self.rough = true;
        }
        HeaderDigest {
            strict: self.strict.finish(),
            loose: self.loose.finish(),
            identity: identity_digest(&self.identity),
            rough: self.rough,
        }
    }

    /// Whether the empty line at the end of the header has come.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes bytes up to the end of the header; returns how many those were.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            if self.ended {
                return at;
            }
            self.step(*byte);
        }
        bytes.len()
    }

    fn step(&mut self, byte: u8) {
        match self.line {
            Line::Start(crs, field) => match byte {
                b'\n' if crs <= 1 => self.ended = true,
                b'\n' => {
                    self.cut = true;
                    self.rough = true;
                    self.line = Line::Start(0, Field::Dropped);
                }
                b'\r' => self.line = Line::Start(crs.saturating_add(1), field),
                b' ' | b'\t' => {
                    self.line = Line::Value(field);
                    self.value_byte(byte, field);
                }
                _ => {
                    self.strict.push(b'\n');
                    self.name.clear();
                    self.line = Line::Name;
                    self.name_byte(byte);
                }
            },
            Line::Name => self.name_byte(byte),
            Line::Value(field) => {
                if byte == b'\n' {
                    self.line = Line::Start(0, field);
                } else {
                    self.value_byte(byte, field);
                }
            }
        }
    }

    fn name_byte(&mut self, byte: u8) {
        match byte {
            // No colon came: Zimbra drops such lines.
            b'\n' => {
                self.rough = true;
                self.line = Line::Start(0, Field::Dropped);
            }
            b':' => {
                self.strict.push(b':');
                self.line = Line::Value(self.begin_field());
            }
            _ => {
                push_strict(&mut self.strict, byte);
                if byte != b'\r' {
                    self.name.push(byte);
                }
                if self.name.len() > NAME_CAP {
                    self.rough = true;
                    self.line = Line::Value(Field::Dropped);
                }
            }
        }
    }

    fn begin_field(&mut self) -> Field {
        self.after_mark = false;
        // Yahoo's IMAP drops fields with such names; an mbox "From " line is one of them.
        if self.name.is_empty() || !self.name.iter().all(|b| (0x21..=0x7e).contains(b)) {
            self.rough = true;
            return Field::Dropped;
        }
        self.name.make_ascii_lowercase();
        if DROPPED.contains(&self.name.as_slice()) {
            return Field::Dropped;
        }
        if !self.cut {
            self.loose.push(b'\n');
            self.loose.extend(&self.name);
            self.loose.push(b':');
        }
        let slot = IDENTITY_FIELDS.iter().position(|f| *f == self.name);
        match slot.and_then(|slot| Some((slot, self.identity.get_mut(slot)?))) {
            Some((slot, value @ None)) => {
                *value = Some(Vec::new());
                Field::Identity(slot)
            }
            _ => Field::Plain,
        }
    }

    fn value_byte(&mut self, byte: u8, field: Field) {
        push_strict(&mut self.strict, byte);
        if field == Field::Dropped || byte == b'\r' {
            return;
        }
        if let Field::Identity(slot) = field
            && let Some(Some(value)) = self.identity.get_mut(slot)
            && value.len() < VALUE_CAP
        {
            value.push(byte);
        }
        if self.cut || byte == b' ' || byte == b'\t' {
            return;
        }
        let unsafe_byte = !(0x21..=0x7e).contains(&byte);
        self.rough |= unsafe_byte;
        if unsafe_byte || byte == b'?' {
            if !self.after_mark {
                self.loose.push(b'?');
            }
            self.after_mark = true;
        } else {
            self.loose.push(byte);
            self.after_mark = false;
        }
    }
}

fn push_strict(strict: &mut Feed, byte: u8) {
    if !matches!(byte, b' ' | b'\t' | b'\r') {
        strict.push(byte);
    }
}

/// BLAKE3 fed byte by byte without paying a call for each.
#[derive(Debug)]
struct Feed {
    hasher: blake3::Hasher,
    waiting: Vec<u8>,
}

impl Feed {
    const FULL: usize = 1024;

    fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            waiting: Vec::with_capacity(Self::FULL),
        }
    }

    fn push(&mut self, byte: u8) {
        self.waiting.push(byte);
        if self.waiting.len() >= Self::FULL {
            self.flush();
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.waiting);
        self.waiting.clear();
    }

    fn finish(mut self) -> Digest {
        self.flush();
        shorten(&self.hasher)
    }
}

/// The first 16 bytes of the hash: enough against chance, half the memory.
pub(super) fn shorten(hasher: &blake3::Hasher) -> Digest {
    let mut digest = Digest::default();
    hasher.finalize_xof().fill(&mut digest);
    digest
}

fn identity_digest(fields: &[Option<Vec<u8>>; 4]) -> Option<Digest> {
    let [message_id, date, from, subject] = fields.each_ref().map(|f| f.as_deref());
    let message_id = inner_angle(message_id?);
    if message_id.is_empty() {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    for part in [
        message_id,
        plain_date(date.unwrap_or_default()),
        inner_angle(from.unwrap_or_default()).to_ascii_lowercase(),
        plain_words(&decode_words(subject.unwrap_or_default())),
    ] {
        hasher.update(&part.len().to_le_bytes());
        hasher.update(&part);
    }
    Some(shorten(&hasher))
}

/// What stands between the last `<` and the `>` after it, else everything; without white space.
fn inner_angle(value: &[u8]) -> Vec<u8> {
    let start = value
        .iter()
        .rposition(|b| *b == b'<')
        .map_or(0, |at| at + 1);
    value
        .iter()
        .skip(start)
        .take_while(|b| start == 0 || **b != b'>')
        .filter(|b| !b.is_ascii_whitespace())
        .copied()
        .collect()
}

/// The moment, since servers that rebuild a header write its date in their own zone; the bare
/// letters and digits of what is no date.
fn plain_date(value: &[u8]) -> Vec<u8> {
    let parsed = std::str::from_utf8(value).ok().and_then(|text| {
        jiff::fmt::rfc2822::DateTimeParser::new()
            .relaxed_weekday(true)
            .parse_timestamp(text.trim())
            .ok()
    });
    match parsed {
        Some(moment) => moment.as_second().to_le_bytes().to_vec(),
        None => plain_words(value),
    }
}

/// The ASCII letters (as lower case) and digits: what every charset and encoding keeps.
fn plain_words(value: &[u8]) -> Vec<u8> {
    value
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect()
}

/// RFC 2047 encoded words as bytes of their charset, other text as it is.
fn decode_words(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(first) = rest.first() {
        if let Some((word, after)) = decode_word(rest) {
            out.extend(word);
            rest = after;
        } else {
            out.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    out
}

/// The encoded word at the start of `text`, and what follows it.
fn decode_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut parts = text.strip_prefix(b"=?")?.splitn(4, |b| *b == b'?');
    let (_charset, encoding, payload) = (parts.next()?, parts.next()?, parts.next()?);
    let after = parts.next()?.strip_prefix(b"=")?;
    let word = match encoding {
        b"B" | b"b" => {
            let bare: Vec<u8> = payload.iter().copied().filter(|b| *b != b'=').collect();
            STANDARD_NO_PAD.decode(bare).ok()?
        }
        b"Q" | b"q" => decode_quoted(payload),
        _ => return None,
    };
    Some((word, after))
}

fn decode_quoted(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    let mut bytes = payload.iter();
    while let Some(byte) = bytes.next() {
        let escaped = match (*byte, bytes.as_slice()) {
            (b'=', [high, low, ..]) => hex_pair(*high, *low),
            _ => None,
        };
        match escaped {
            Some(value) => {
                out.push(value);
                bytes.nth(1);
            }
            None => out.push(*byte),
        }
    }
    out
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(header: &[u8]) -> HeaderDigest {
        let mut hasher = HeaderHasher::new();
        hasher.update(header);
        hasher.finish()
    }

    #[derive(Debug, PartialEq)]
    enum Same {
        Strict,
        Loose,
        Identity,
        Nothing,
    }

    fn compare(a: &[u8], b: &[u8]) -> Same {
        let (a, b) = (digest(a), digest(b));
        if a.strict == b.strict {
            assert_eq!(a.loose, b.loose);
            Same::Strict
        } else if a.loose == b.loose {
            Same::Loose
        } else if a.identity.is_some() && a.identity == b.identity {
            Same::Identity
        } else {
            Same::Nothing
        }
    }

    #[test]
    fn what_servers_do_to_a_header_is_seen_through() {
        let long = [b"X-A: ".as_slice(), &vec![b'a'; 1_000_000], b"\r\n\r\n"].concat();
        let longer = [b"X-A: ".as_slice(), &vec![b'a'; 1_000_001], b"\r\n\r\n"].concat();
        let no_colon = [b"A: 1\n".as_slice(), &vec![b'a'; 1000], b":\n"].concat();
        let rows: &[(&[u8], &[u8], Same)] = &[
            (b"A: 1\r\nB: 2\r\n\r\n", b"A: 1\nB: 2\n\n", Same::Strict),
            (b"A: 1\r\nB: 2\r\n\r\n", b"A: 1\r\nB: 2\r\n", Same::Strict),
            (b"A: 1\r\n\r\n", b"A: 1", Same::Strict),
            (b"A: 1\r\n\r\n", b"A: 1\r\n\r\n\r\nbody", Same::Strict),
            (b"A: 1 2\r\n\r\n", b"A:\r\n\t1\r\n 2  \r\n\r\n", Same::Strict),
            (b"A: 1\r\n \r\nB: 2\r\n\r\n", b"A: 1\r\nB: 2\r\n\r\n", Same::Strict),
            (b"A: 1\r\nB: 2\r\n\r\n", b"B: 2\r\nA: 1\r\n\r\n", Same::Nothing),
            (b"A: 1\r\nB: 2\r\n\r\n", b"A: 1B: 2\r\n\r\n", Same::Nothing),
            (b"A: 1\r\n\r\n", b"A: 1\r\nStatus: RO\r\nx-uid: 7\r\n 8\r\n\r\n", Same::Loose),
            (b"Status: R\r\n\r\n", b"\r\n", Same::Loose),
            (b"A: 1\r\n\r\n", b"A: 1\r\nX-Other: 1\r\n\r\n", Same::Nothing),
            (b"A: 1\r\n\r\n", b"From a@b Mon Jan  1 10:00:00 2024\r\nA: 1\r\n\r\n", Same::Loose),
            (b"A: 1\r\n\r\n", b">From a\r\nA: 1\r\n\r\n", Same::Loose),
            (b"A: 1\r\n\r\n", b"no colon\r\n and its rest: 5\r\nA: 1\r\n\r\n", Same::Loose),
            (b"A: 1\r\n\r\n", b"A: 1\r\nna\xc3\xafve: 2\r\n\r\n", Same::Loose),
            (b"A: 1\r\n\r\n", b"A: 1\r\n\r\r\nB: 2\r\n\r\n", Same::Loose),
            (b"A: x\x00y\r\n\r\n", b"A: x\x80y\r\n\r\n", Same::Loose),
            (b"A: caf\xc3\xa9\xc3\xa9\r\n\r\n", b"A: caf?\r\n\r\n", Same::Loose),
            (b"A: 1\n\n", &no_colon, Same::Loose),
            (&long, &long, Same::Strict),
            (&long, &longer, Same::Nothing),
            (
                b"Message-ID: <a@b>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\nFrom: \"N\" <A@b>\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_zu?= x\r\n\r\n",
                b"Subject: =?iso-8859-1?B?R3L832UgenU=?=\r\n x\r\nfrom: =?x?q?N?= <a@b>\r\ndate: 1 Jan 2024 09:00:00 +0000\r\nmessage-id: <a@b>\r\n\r\n",
                Same::Identity,
            ),
            (b"Message-ID: <a@b>\r\nX: 1\r\n\r\n", b"Message-ID: <A@b>\r\nX: 1\r\n\r\n", Same::Nothing),
            (b"Message-ID: <a@b>\r\nFrom: x\r\n\r\n", b"Message-ID: <a@b>\r\nSubject: x\r\n\r\n", Same::Nothing),
            (b"Message-ID: <>\r\nX: 1\r\n\r\n", b"Message-ID: <>\r\nX: 2\r\n\r\n", Same::Nothing),
            (b"Date: 1\r\nX: 1\r\n\r\n", b"Date: 1\r\nX: 2\r\n\r\n", Same::Nothing),
        ];
        for (a, b, want) in rows {
            let shown = |h: &[u8]| String::from_utf8_lossy(&h[..h.len().min(99)]).into_owned();
            assert_eq!(&compare(a, b), want, "{:?} {:?}", shown(a), shown(b));
        }
    }

    #[test]
    fn a_header_is_rough_only_where_loose_passes_over_the_senders_text() {
        for (header, rough) in [
            (&b"A:  1\r\n \r\nStatus: R\r\n\r\n"[..], false),
            (b"A: caf\xe9\r\n", true),
            (b"junk\r\n", true),
            (b"junk", true),
            (b"A: 1\r\n\r\r\nB: 2\r\n", true),
            (b"A b: 1\r\n", true),
        ] {
            assert_eq!(digest(header).rough, rough, "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_do_not_matter(
            header in proptest::collection::vec(
                proptest::sample::select(b"A:b \t\r\n\n\x00\xc3?Message-ID:Status:".to_vec()), 0..200),
            cut in 1usize..7,
        ) {
            let mut hasher = HeaderHasher::new();
            header.chunks(cut).for_each(|piece| hasher.update(piece));
            proptest::prop_assert_eq!(hasher.finish(), digest(&header));
        }
    }
}
