//! How the servers that will serve an INBOX are made to announce a UIDL: Dovecot by its list alone,
//! qmail-pop3d by the name of the file, Courier by numbers in its list or by the name.

use super::message::{BaseName, UidlNameFault, uidl_name};
use crate::config::Servers;
use crate::mail::Uidl;
use crate::mail::courier::sizelist::{BY_NAME, Numbers, name_of};

/// How a UIDL is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The base name that the file must have for it; `None`: any.
    pub name: Option<BaseName>,
    /// Why some server cannot hold it.
    pub fault: Option<UidlNameFault>,
}

/// How `servers` hold `uidl`.
pub fn hold(uidl: &Uidl, servers: Servers) -> Held {
    let for_qmail = servers.qmail.then(|| uidl_name(uidl));
    let for_courier = servers.courier.then(|| courier_name(uidl));
    let (name, fault) = match (for_qmail, for_courier) {
        (None, None) => (None, None),
        (Some(Ok(name)), None | Some(Ok(None))) => (Some(name), None),
        (Some(Ok(name)), Some(Ok(Some(other)))) => {
            let fault = (name != other).then_some(UidlNameFault::TwoNames);
            (Some(name), fault)
        }
        (Some(Ok(name)), Some(Err(fault))) => (Some(name), Some(fault)),
        (None, Some(Ok(name))) => (name, None),
        (Some(Err(fault)), _) | (None, Some(Err(fault))) => (None, Some(fault)),
    };
    Held { name, fault }
}

/// The base name of a file that Courier announces as `uidl`; `None` where its list says it by numbers,
/// whatever the name.
///
/// # Errors
/// What Courier cannot hold.
pub fn courier_name(uidl: &Uidl) -> Result<Option<BaseName>, UidlNameFault> {
    if Numbers::of(uidl.as_str()).is_some() {
        return Ok(None);
    }
    let name = name_of(uidl).ok_or(UidlNameFault::Escape)?;
    BaseName::of_uidl(&name).map(Some)
}

/// How Courier's list says `uidl` for a file of this base name; `None`: it cannot.
pub fn courier_numbers(uidl: &str, name: &str) -> Option<Numbers> {
    Numbers::of(uidl).or_else(|| (BY_NAME.of_file(name.as_bytes()) == uidl).then_some(BY_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_holds_uidls_in_its_own_way() {
        use UidlNameFault::{Colon, Escape, LeadingDot, Slash, TwoNames};
        let servers = |qmail, courier| Servers {
            qmail,
            dovecot: true,
            courier,
        };
        // For qmail, for Courier, for both.
        type Want = (Option<&'static str>, Option<UidlNameFault>);
        let cases: [(&str, [Want; 3]); 8] = [
            ("1294690616.429", [(Some("1294690616.429"), None); 3]),
            (
                "UID5-7",
                [(Some("UID5-7"), None), (None, None), (Some("UID5-7"), None)],
            ),
            (
                "a+20b",
                [
                    (Some("a+20b"), None),
                    (Some("a b"), None),
                    (Some("a+20b"), Some(TwoNames)),
                ],
            ),
            (
                "a+b",
                [
                    (Some("a+b"), None),
                    (None, Some(Escape)),
                    (Some("a+b"), Some(Escape)),
                ],
            ),
            ("a/b", [(None, Some(Slash)); 3]),
            ("a:b", [(None, Some(Colon)); 3]),
            (".a", [(None, Some(LeadingDot)); 3]),
            ("UID5-07", [(Some("UID5-07"), None); 3]),
        ];
        for (text, wants) in cases {
            let uidl = Uidl::parse(text.as_bytes()).unwrap();
            let asked = [
                servers(true, false),
                servers(false, true),
                servers(true, true),
            ];
            for (servers, (name, fault)) in asked.into_iter().zip(wants) {
                let held = hold(&uidl, servers);
                let got = (held.name.as_ref().map(BaseName::as_str), held.fault);
                assert_eq!(got, (name, fault), "{text} {servers:?}");
                let shown = held.name.as_ref().map_or("any", BaseName::as_str);
                if servers.courier && held.fault.is_none() {
                    let numbers = courier_numbers(text, shown).unwrap();
                    assert_eq!(numbers.of_file(shown.as_bytes()), text);
                }
            }
            let none = hold(&uidl, servers(false, false));
            assert_eq!((none.name, none.fault), (None, None));
        }
        assert_eq!(courier_numbers("a+b", "a+b"), None);
    }
}
