//! UIDLs that an old server makes from UIDVALIDITY and UID, and that so can be foretold.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mail::{Uid, UidValidity};

/// A rule by which a server writes UIDLs, as a format of Dovecot's kind: text with `%u` for the
/// UID and `%v` for the UIDVALIDITY, decimal; `%Xu` in hexadecimal, `%08Xu` filled up with zeros
/// to 8 digits, `%UXu` in upper case; `%%` for a percent sign. It is the number of its format, since
/// each pair of a mailbox has one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Template(u32);

/// The formats behind [`NAMED`], which were not known when the program was built, each kept once, for
/// good: the one of the command line, and one for each other scheme that the servers of a run turn out
/// to have.
static SEEN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Name and format of every template that is tried for each user, the most usual first; of the last ten
/// no server is known.
const NAMED: [(&str, &str); 17] = [
    ("u8v8", "%08Xu%08Xv"),
    ("v.u", "%v.%u"),
    ("v8u8", "%08Xv%08Xu"),
    ("v-u", "%v-%u"),
    ("UIDu-v", "UID%u-%v"),
    ("u", "%u"),
    ("UIDu", "UID%u"),
    ("u-v", "%u-%v"),
    ("u.v", "%u.%v"),
    ("v/u", "%v/%u"),
    ("vu", "%v%u"),
    ("U8V8", "%08UXu%08UXv"),
    ("V8U8", "%08UXv%08UXu"),
    ("uv-hex", "%Xu%Xv"),
    ("vu-hex", "%Xv%Xu"),
    ("UV-HEX", "%UXu%UXv"),
    ("VU-HEX", "%UXv%UXu"),
];

/// What a UIDL may have at most (RFC 1939 section 7).
const UIDL_LIMIT: usize = 70;

impl Template {
    /// Dovecot since 1.1; Cyrus when set so.
    pub const U8V8: Self = Self(0);
    /// Cyrus since 2.1.4, Mirapoint, Dovecot 0.99.
    pub const V_DOT_U: Self = Self(1);
    /// UW-imapd.
    pub const V8U8: Self = Self(2);
    /// Critical Path; Cyrus when set so.
    pub const V_DASH_U: Self = Self(3);
    /// Courier's form. Courier itself counts on its own, not by UID; Dovecot may imitate it.
    pub const UID_U_DASH_V: Self = Self(4);
    /// Cyrus up to 2.1.3, hMailServer, Apache James, Citadel.
    pub const U: Self = Self(5);
    /// Old Courier.
    pub const UID_U: Self = Self(6);

    /// Every template that is tried for each user, the most usual first.
    pub fn usual() -> impl Iterator<Item = Self> {
        (0..).zip(NAMED).map(|(number, _)| Self(number))
    }

    /// The template of this name, or of this format.
    ///
    /// # Errors
    /// Why it is none, as half a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((template, _)) = Self::usual().zip(NAMED).find(|(_, it)| it.0 == text) {
            return Ok(template);
        }
        let pieces = pieces(text)?;
        match pieces.iter().filter(|p| p.is(Which::Uid)).count() {
            1 => {}
            0 => return Err("a format needs %u, the UID, or all UIDLs would be the same".into()),
            _ => return Err("a format has %u once only".into()),
        }
        let least: usize = pieces.iter().map(Piece::least_length).sum();
        if least > UIDL_LIMIT {
            return Err(format!(
                "it makes UIDLs of {least} bytes, RFC 1939 allows {UIDL_LIMIT}"
            ));
        }
        Ok(Self::of(&pieces))
    }

    /// Written anew, so that what means the same is the same: `%08xu` is `%08Xu`.
    pub(super) fn of(pieces: &[Piece]) -> Self {
        let format: String = pieces.iter().map(Piece::to_string).collect();
        let mut named = Self::usual().zip(NAMED);
        if let Some((template, _)) = named.find(|(_, it)| it.1 == format) {
            return template;
        }
        let mut seen = seen();
        let known = seen.iter().position(|known| *known == format);
        let at = known.unwrap_or_else(|| {
            seen.push(Box::leak(format.into_boxed_str()));
            seen.len() - 1
        });
        // There is one at most for each user of a run.
        Self(u32::try_from(NAMED.len() + at).unwrap_or(u32::MAX))
    }

    /// Its name for reports: the format where it has none.
    pub fn name(self) -> &'static str {
        NAMED.get(self.0 as usize).map_or(self.format(), |it| it.0)
    }

    fn format(self) -> &'static str {
        let number = self.0 as usize;
        match NAMED.get(number) {
            Some((_, format)) => format,
            None => seen().get(number - NAMED.len()).copied().unwrap_or(""),
        }
    }

    /// The `pop3_uidl_format` that makes a Dovecot 2.3 write the same; `None` where that is in
    /// upper case.
    pub fn dovecot_format(self) -> Option<&'static str> {
        let in_upper_case = |piece: &Piece| matches!(piece, Piece::Number(n) if n.upper);
        let format = self.format();
        let pieces = pieces(format).unwrap_or_default();
        (!pieces.iter().any(in_upper_case)).then_some(format)
    }

    /// Whether the UIDVALIDITY is part of it.
    pub fn has_validity(self) -> bool {
        let pieces = pieces(self.format()).unwrap_or_default();
        pieces.iter().any(|piece| piece.is(Which::Validity))
    }

    /// How it looks for one mailbox. `None` where it needs a UIDVALIDITY and there is none.
    pub(super) fn form(self, validity: Option<UidValidity>) -> Option<Form> {
        Form::of(&pieces(self.format()).ok()?, validity)
    }
}

fn seen() -> MutexGuard<'static, Vec<&'static str>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By their formats.
impl Ord for Template {
    fn cmp(&self, other: &Self) -> Ordering {
        self.format().cmp(other.format())
    }
}

impl PartialOrd for Template {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.format()).finish()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a format is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A character as it is.
    Text(char),
    /// A number.
    Number(Number),
}

/// A number in a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) which: Which,
    /// Hexadecimal, not decimal.
    pub(super) hex: bool,
    /// In upper case.
    pub(super) upper: bool,
    /// Filled up with zeros to so many digits.
    pub(super) width: usize,
}

/// Which number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Uid,
    Validity,
}

impl Piece {
    pub(super) fn is(&self, which: Which) -> bool {
        matches!(self, Piece::Number(number) if number.which == which)
    }

    fn least_length(&self) -> usize {
        match self {
            Piece::Text(_) => 1,
            Piece::Number(number) => number.width.max(1),
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self {
            Piece::Text('%') => return f.write_str("%%"),
            Piece::Text(c) => return f.write_char(*c),
            Piece::Number(number) => number,
        };
        f.write_char('%')?;
        if number.width > 0 {
            write!(f, "0{}", number.width)?;
        }
        f.write_str(match (number.hex, number.upper) {
            (false, _) => "",
            (true, false) => "X",
            (true, true) => "UX",
        })?;
        f.write_char(match number.which {
            Which::Uid => 'u',
            Which::Validity => 'v',
        })
    }
}

impl Number {
    pub(super) fn write(self, text: &mut String, value: u32) {
        let width = self.width;
        // Writing to a string cannot fail.
        let _ = match (self.hex, self.upper) {
            (false, _) => write!(text, "{value:0width$}"),
            (true, false) => write!(text, "{value:0width$x}"),
            (true, true) => write!(text, "{value:0width$X}"),
        };
    }
}

/// The pieces of a format, or what is wrong with it.
fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' if rest.as_str().starts_with('%') => {
                rest.next();
                pieces.push(Piece::Text('%'));
            }
            '%' => pieces.push(Piece::Number(number(&mut rest)?)),
            '!'..='~' => pieces.push(Piece::Text(c)),
            _ => return Err(format!("a UIDL cannot have {c:?} in it (RFC 1939)")),
        }
    }
    Ok(pieces)
}

/// What stands after a percent sign.
fn number(rest: &mut std::str::Chars<'_>) -> Result<Number, String> {
    let known = "it knows %u and %v, as %Xu, %08Xu or %08UXu in hexadecimal, and %%";
    let (mut hex, mut upper, mut width) = (false, false, None);
    loop {
        let which = match rest.next() {
            Some('0') if width.is_none() && !hex && !upper => {
                let digits = rest.as_str();
                let end = digits.find(|c: char| !c.is_ascii_digit());
                let (digits, _) = digits.split_at(end.unwrap_or(digits.len()));
                rest.by_ref().take(digits.len()).for_each(drop);
                width = Some(digits.parse().map_err(|_| known)?);
                continue;
            }
            // Dovecot writes X in lower case.
            Some('X' | 'x') if !hex => {
                hex = true;
                continue;
            }
            Some('U') if !upper => {
                upper = true;
                continue;
            }
            Some('u') => Which::Uid,
            Some('v') => Which::Validity,
            _ => return Err(known.to_owned()),
        };
        let width: usize = width.unwrap_or(0);
        if width > UIDL_LIMIT {
            return Err(format!("RFC 1939 allows UIDLs of {UIDL_LIMIT} bytes"));
        }
        let upper = upper && hex;
        return Ok(Number {
            which,
            hex,
            upper,
            width,
        });
    }
}

/// A template for one mailbox.
#[derive(Debug)]
pub(super) struct Form {
    prefix: String,
    uid: Number,
    suffix: String,
}

impl Form {
    /// `None` where a UIDVALIDITY is needed and there is none.
    pub(super) fn of(pieces: &[Piece], validity: Option<UidValidity>) -> Option<Self> {
        let (mut prefix, mut suffix) = (String::new(), String::new());
        let mut uid = None;
        for piece in pieces {
            let side = if uid.is_none() {
                &mut prefix
            } else {
                &mut suffix
            };
            match piece {
                Piece::Text(c) => side.push(*c),
                Piece::Number(number) if number.which == Which::Uid => uid = Some(*number),
                Piece::Number(number) => number.write(side, validity?.value()),
            }
        }
        Some(Self {
            prefix,
            uid: uid?,
            suffix,
        })
    }

    /// Puts the UIDL of the message `uid` into `text`, in place of what was there.
    pub(super) fn write(&self, text: &mut String, uid: Uid) {
        text.clear();
        text.push_str(&self.prefix);
        self.uid.write(text, uid.value());
        text.push_str(&self.suffix);
    }

    /// The UID of the message whose UIDL [`Form::write`] would write so.
    pub(super) fn uid_of(&self, uidl: &str) -> Option<Uid> {
        let digits = self.inside(uidl)?;
        let radix = if self.uid.hex { 16 } else { 10 };
        let uid = Uid::new(u32::from_str_radix(digits, radix).ok()?)?;
        let mut written = String::with_capacity(uidl.len());
        self.write(&mut written, uid);
        (written == uidl).then_some(uid)
    }

    fn inside<'u>(&self, uidl: &'u str) -> Option<&'u str> {
        let rest = uidl.strip_prefix(self.prefix.as_str())?;
        rest.strip_suffix(self.suffix.as_str())
    }

    /// Whether the UIDL is of this form, whatever its UID.
    pub(super) fn fits(&self, uidl: &str) -> bool {
        let inside = self.inside(uidl);
        let is_digit = |c: char| match (self.uid.hex, self.uid.upper) {
            (false, _) => c.is_ascii_digit(),
            (true, false) => matches!(c, '0'..='9' | 'a'..='f'),
            (true, true) => matches!(c, '0'..='9' | 'A'..='F'),
        };
        inside.is_some_and(|digits| {
            !digits.is_empty() && digits.len() >= self.uid.width && digits.chars().all(is_digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(template: Template, v: Option<u32>, u: u32) -> Option<String> {
        let form = template.form(v.and_then(UidValidity::new))?;
        let mut text = "rest".to_owned();
        let uid = Uid::new(u).unwrap();
        form.write(&mut text, uid);
        assert!(form.fits(&text), "{text}");
        assert_eq!(form.uid_of(&text), Some(uid), "{text}");
        Some(text)
    }

    #[test]
    fn templates_write_what_the_servers_write() {
        for (name, want) in [
            ("u8v8", "000001ad4d2b6938"),
            ("v.u", "1294690616.429"),
            ("v8u8", "4d2b6938000001ad"),
            ("v-u", "1294690616-429"),
            ("UIDu-v", "UID429-1294690616"),
            ("u", "429"),
            ("UIDu", "UID429"),
            ("u-v", "429-1294690616"),
            ("u.v", "429.1294690616"),
            ("v/u", "1294690616/429"),
            ("vu", "1294690616429"),
            ("U8V8", "000001AD4D2B6938"),
            ("V8U8", "4D2B6938000001AD"),
            ("uv-hex", "1ad4d2b6938"),
            ("vu-hex", "4d2b69381ad"),
            ("UV-HEX", "1AD4D2B6938"),
            ("VU-HEX", "4D2B69381AD"),
        ] {
            let template = Template::parse(name).unwrap();
            assert!(Template::usual().any(|usual| usual == template));
            assert_eq!(Template::parse(template.format()), Ok(template), "{name}");
            assert_eq!(template.to_string(), name);
            assert_eq!(
                written(template, Some(1_294_690_616), 429).as_deref(),
                Some(want)
            );
            assert_eq!(
                written(template, None, 429).is_none(),
                template.has_validity()
            );
            let dovecot = template.dovecot_format();
            assert_eq!(
                dovecot.is_none(),
                name.contains(['8', 'H']) && !name.contains('u')
            );
        }
    }

    #[test]
    fn a_format_is_read_as_dovecot_reads_it() {
        for (format, name, want) in [
            ("%08Xu%08Xv", "u8v8", "000001ad4d2b6938"),
            ("%08xu%08xv", "u8v8", "000001ad4d2b6938"),
            ("%v.%u", "v.u", "1294690616.429"),
            ("UID%u-%v", "UIDu-v", "UID429-1294690616"),
            ("%v:%u", "%v:%u", "1294690616:429"),
            ("a%%%06u", "a%%%06u", "a%000429"),
            ("%Uu", "u", "429"),
            ("<%UXu|%04UXv>", "<%UXu|%04UXv>", "<1AD|4D2B6938>"),
            ("%08XUu.%v", "%08UXu.%v", "000001AD.1294690616"),
            ("%v%u%v", "%v%u%v", "12946906164291294690616"),
        ] {
            let template = Template::parse(format).unwrap();
            assert_eq!(template.to_string(), name);
            assert_eq!(
                written(template, Some(1_294_690_616), 429).as_deref(),
                Some(want)
            );
        }
        let one = Template::parse("x%u").unwrap();
        assert!(
            std::ptr::eq(one.format(), Template::parse("x%u").unwrap().format()),
            "kept once"
        );
        let long = "x".repeat(70);
        for (format, fault) in [
            ("", "needs %u"),
            ("%v", "needs %u"),
            ("none", "needs %u"),
            ("%u%u", "once only"),
            ("%", "it knows"),
            ("%u%", "it knows"),
            ("%f", "it knows"),
            ("%8Xu", "it knows"),
            ("%0u", "it knows"),
            ("%XXu", "it knows"),
            ("%X08u", "it knows"),
            ("%099999999999999999999999u", "it knows"),
            ("%099u", "RFC 1939"),
            (&format!("%u{long}"), "71 bytes"),
            ("%u %v", "' '"),
            ("%u\u{e9}", "'\u{e9}'"),
        ] {
            let refused = Template::parse(format).unwrap_err();
            assert!(refused.contains(fault), "{format}: {refused}");
        }
    }

    #[test]
    fn a_uidl_of_the_form_is_told_from_others() {
        let form = |name: &str| {
            Template::parse(name)
                .unwrap()
                .form(UidValidity::new(9))
                .unwrap()
        };
        for (name, uidl, fits) in [
            ("v.u", "9.1", true),
            ("v.u", "9.", false),
            ("v.u", "9.1a", false),
            ("v.u", "8.1", false),
            ("u8v8", "0000000a00000009", true),
            ("u8v8", "0000000A00000009", false),
            ("u8v8", "a00000009", false),
            ("U8V8", "0000000A00000009", true),
            ("U8V8", "0000000A00000009x", false),
        ] {
            assert_eq!(form(name).fits(uidl), fits, "{name} {uidl}");
        }
    }

    #[test]
    fn only_what_a_form_writes_itself_has_its_uid() {
        let form = |name: &str| {
            let template = Template::parse(name).unwrap();
            template.form(UidValidity::new(9)).unwrap()
        };
        for (name, uidl, uid) in [
            ("v.u", "9.17", Some(17)),
            ("v.u", "9.017", None),
            ("v.u", "9.+17", None),
            ("v.u", "9.0", None),
            ("v.u", "9.4294967296", None),
            ("v.u", "9.", None),
            ("v.u", "8.17", None),
            ("u8v8", "0000001100000009", Some(17)),
            ("u8v8", "0000000A00000009", None),
            ("U8V8", "0000000A00000009", Some(10)),
            ("uv-hex", "119", Some(17)),
            ("x%04u.", "x0017.", Some(17)),
            ("x%04u.", "x17.", None),
            ("u.v", "9.9.9", None),
        ] {
            let found = form(name).uid_of(uidl).map(Uid::value);
            assert_eq!(found, uid, "{name} {uidl}");
        }
    }
}
