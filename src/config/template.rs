//! `--maildir` and the maildir column: where a user's Maildir lies.

use std::path::{Component, Path, PathBuf};

/// A path with places for the user's name, known to be well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    User,
    Local,
    Domain,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It is empty, has a `..` in it, or a brace that is no known placeholder; told in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the Maildir path is empty".to_owned());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(format!("{text:?} has a {{ without a }}"));
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match name {
                "user" => Piece::User,
                "local" => Piece::Local,
                "domain" => Piece::Domain,
                _ => {
                    return Err(format!(
                        "{text:?} has the unknown placeholder {{{name}}}: there are {{user}}, \
                         {{local}} and {{domain}}"
                    ));
                }
            });
            rest = after;
        }
        if rest.contains('}') {
            return Err(format!("{text:?} has a }} without a {{"));
        }
        pieces.push(Piece::Text(rest.to_owned()));
        no_way_up(Path::new(text))?;
        Ok(Self(pieces))
    }

    /// Whether it gives different users different paths.
    pub fn names_the_user(&self) -> bool {
        self.0.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// The absolute path for `user`, without `.`, doubled or trailing slashes, so that equal
    /// targets compare equal.
    ///
    /// # Errors
    /// A part of the name that is needed is missing, or would lead elsewhere; told in words.
    pub fn fill(&self, user: &str) -> Result<PathBuf, String> {
        let (local, domain) = user.rsplit_once('@').unwrap_or((user, ""));
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::User => path.push_str(harmless("{user}", user)?),
                Piece::Local => path.push_str(harmless("{local}", local)?),
                Piece::Domain => path.push_str(harmless("{domain}", domain)?),
            }
        }
        no_way_up(Path::new(&path))?;
        let absolute = std::path::absolute(&path)
            .map_err(|error| format!("{path:?} cannot be made an absolute path: {error}"))?;
        Ok(absolute.components().collect())
    }
}

/// A name from a list must stay one part of the path, and not step out of it.
fn harmless<'v>(placeholder: &str, value: &'v str) -> Result<&'v str, String> {
    if value.is_empty() {
        return Err(format!("the name has nothing to put for {placeholder}"));
    }
    if value == "." || value == ".." || value.contains(['/', '\0']) {
        return Err(format!(
            "{value:?} cannot stand for {placeholder}: it would lead to another directory"
        ));
    }
    Ok(value)
}

fn no_way_up(path: &Path) -> Result<(), String> {
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("{path:?} has a .. in it: write the path out"));
    }
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err("the Maildir path has a NUL in it".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_fill_or_refuse() {
        for (template, user, want) in [
            (
                "/v/{domain}/{local}/Maildir",
                "bob@a.example",
                Ok("/v/a.example/bob/Maildir"),
            ),
            (
                "/v/{domain}/{local}",
                "b@x@a.example",
                Ok("/v/a.example/b@x"),
            ),
            (
                "/v/{user}/Maildir",
                "bob@a.example",
                Ok("/v/bob@a.example/Maildir"),
            ),
            ("/v/{local}", "bob", Ok("/v/bob")),
            ("/v//./x/{local}{local}/", "bob", Ok("/v/x/bobbob")),
            ("/v/fixed", "bob", Ok("/v/fixed")),
            ("/v/{domain}", "bob", Err("{domain}")),
            ("/v/{domain}", "bob@", Err("{domain}")),
            ("/v/{local}", "@a.example", Err("{local}")),
            ("/v/{user}", "a/b", Err("another directory")),
            ("/v/{user}/x", "..", Err("another directory")),
            ("/v/{local}/x", "..@d", Err("another directory")),
            ("/v/{domain}/x", "a@.", Err("another directory")),
            ("/v/{user}", "a\0", Err("another directory")),
            ("/v/.{local}/x", ".@d", Err("another directory")),
            ("/v/.{local}/x", "a@d", Ok("/v/.a/x")),
            ("/v/../{user}", "a", Err("..")),
            ("/v/{home}", "a", Err("unknown placeholder {home}")),
            ("/v/{user", "a", Err("without")),
            ("/v/user}", "a", Err("without")),
            ("", "a", Err("empty")),
        ] {
            let got = Template::parse(template).and_then(|parsed| parsed.fill(user));
            match (got, want) {
                (Ok(path), Ok(want)) => assert_eq!(path.to_str(), Some(want), "{template}"),
                (Err(fault), Err(want)) => assert!(fault.contains(want), "{template}: {fault}"),
                (got, want) => panic!("{template} {user}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn a_relative_path_is_taken_from_here() {
        let path = Template::parse("mail/{user}").and_then(|template| template.fill("a"));
        let here = std::env::current_dir().expect("a working directory");
        assert_eq!(path, Ok(here.join("mail/a")));
    }
}
