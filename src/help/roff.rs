//! Markdown as a manual page: headings, paragraphs, lists, commands, emphasis; what else Markdown has the
//! topics do without.

use std::io::{self, Write};

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use roff::{Inline, Roff};

use super::Topic;

/// The page of `topic`, for section 7.
pub(super) fn page(topic: &Topic, out: &mut dyn Write) -> io::Result<()> {
    let version = concat!("mailseed ", env!("CARGO_PKG_VERSION"));
    let title = format!("MAILSEED-{}", topic.name.to_uppercase());
    let mut page = Roff::new();
    page.control("TH", [title.as_str(), "7", " ", version, "mailseed"]);
    // Ragged on the right: long names in justified lines leave holes.
    page.control("ad", ["l"]);
    page.control("SH", ["NAME"]);
    page.text([roff::roman(format!(
        "mailseed-{} - {}",
        topic.name, topic.title
    ))]);
    let mut body = Body::default();
    // The first heading says what NAME has said.
    let mut in_title = false;
    for event in Parser::new(topic.text) {
        match event {
            Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            }) => in_title = true,
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => {
                in_title = false;
                page.control("SH", ["DESCRIPTION"]);
            }
            _ if in_title => {}
            event => body.take(event, &mut page),
        }
    }
    page.to_writer(out)
}

/// A section of plain text, to stand at the end of a page.
pub(super) fn section(heading: &str, text: &str) -> String {
    let mut section = Roff::new();
    section.control("SH", [heading]).text([roff::roman(text)]);
    section.to_roff()
}

/// What follows the options in a help: paragraphs, and the sections after them. A section is a heading with a
/// colon at its end and lines that are indented; lines that are indented stay as they are elsewhere too.
pub(super) fn after_options(help: &str) -> (String, String) {
    let (mut paragraphs, mut sections) = (Roff::new(), Roff::new());
    for block in help.split("\n\n").filter(|block| !block.is_empty()) {
        match block.split_once(":\n") {
            Some((heading, lines)) if lines.starts_with(' ') => {
                sections.control("SH", [heading.to_uppercase().as_str()]);
                as_they_are(lines, &mut sections);
            }
            _ => {
                paragraphs.control("PP", []);
                match block.starts_with(' ') {
                    true => as_they_are(block, &mut paragraphs),
                    false => {
                        paragraphs.text([roff::roman(block.replace('\n', " "))]);
                    }
                }
            }
        }
    }
    (paragraphs.to_roff(), sections.to_roff())
}

fn as_they_are(lines: &str, page: &mut Roff) {
    page.control("nf", []);
    for line in lines.trim_end().lines() {
        page.text([roff::roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    page.control("fi", []);
}

/// What stands between the last paragraph's end and here.
#[derive(Debug, Default)]
struct Body {
    line: Vec<Inline>,
    strong: bool,
    emphasis: bool,
    in_block: bool,
    /// Paragraphs of a list's items begin with the item.
    in_item: bool,
    link: Option<String>,
}

impl Body {
    fn take(&mut self, event: Event<'_>, page: &mut Roff) {
        match event {
            Event::Start(Tag::Paragraph) if !self.in_item => {
                page.control("PP", []);
            }
            Event::Start(Tag::Item) => {
                self.end_line(page);
                page.control("IP", ["\\(bu", "2"]);
                self.in_item = true;
            }
            Event::Start(Tag::CodeBlock(_)) => {
                self.end_line(page);
                page.control("PP", [])
                    .control("RS", ["4"])
                    .control("nf", []);
                self.in_block = true;
            }
            Event::End(TagEnd::CodeBlock) => {
                page.control("fi", []).control("RE", []);
                self.in_block = false;
            }
            Event::Start(Tag::Strong) => self.strong = true,
            Event::End(TagEnd::Strong) => self.strong = false,
            Event::Start(Tag::Emphasis) => self.emphasis = true,
            Event::End(TagEnd::Emphasis) => self.emphasis = false,
            Event::Start(Tag::Link { dest_url, .. }) => self.link = Some(dest_url.into_string()),
            Event::End(TagEnd::Link) => {
                if let Some(url) = self.link.take() {
                    self.line.push(roff::roman(format!(" ({url})")));
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let words = std::mem::take(&mut self.line);
                page.control("SH", [text_of(&words).as_str()]);
            }
            Event::End(TagEnd::Paragraph) => self.end_line(page),
            Event::End(TagEnd::Item) => {
                self.end_line(page);
                self.in_item = false;
            }
            Event::Text(text) if self.in_block => {
                for line in text.lines() {
                    page.text([roff::roman(line)]);
                }
            }
            Event::Text(text) => self.line.push(match (self.strong, self.emphasis) {
                (true, _) => roff::bold(text.as_ref()),
                (_, true) => roff::italic(text.as_ref()),
                _ => roff::roman(text.as_ref()),
            }),
            Event::Code(code) => self.line.push(roff::bold(code.as_ref())),
            Event::SoftBreak => self.line.push(roff::roman(" ")),
            _ => {}
        }
    }

    fn end_line(&mut self, page: &mut Roff) {
        if !self.line.is_empty() {
            page.text(std::mem::take(&mut self.line));
        }
    }
}

fn text_of(words: &[Inline]) -> String {
    let texts = words.iter().map(|word| match word {
        Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text.as_str(),
        Inline::LineBreak => " ",
    });
    texts.collect::<String>().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_options_has_sections() {
        let help = "First this,\nthen that.\n\n  a  1\n  b  2\n\nExit status:\n    0  Done\n  130  Cut\n\n\
                    Examples:\n  .x --y \\\n    z\n\nLast.";
        let (paragraphs, sections) = after_options(help);
        assert_eq!(
            paragraphs,
            ".PP\nFirst this, then that.\n.PP\n.nf\na  1\nb  2\n.fi\n.PP\nLast.\n"
        );
        assert_eq!(
            sections,
            ".SH \"EXIT STATUS\"\n.nf\n  0  Done\n130  Cut\n.fi\n.SH EXAMPLES\n.nf\n\\&.x \\-\\-y \\\\\n  \
             z\n.fi\n"
        );
    }

    #[test]
    fn markdown_becomes_a_page() {
        let topic = Topic {
            name: "day",
            title: "What to do",
            text: "# The day\n\nFirst *this*,\nthen **that**.\n\n## Go\n\n- one `a -b`\n- two\n\n\
                   ```sh\n.x --y 'z'\n```\n\nSee [it](https://a.example).\n",
        };
        let mut page = Vec::new();
        super::page(&topic, &mut page).expect("memory");
        let page = String::from_utf8(page).expect("UTF-8");
        let body = page.split_once(".TH").expect("a title").1;
        let want = concat!(
            " MAILSEED-DAY 7 \" \" \"mailseed ",
            env!("CARGO_PKG_VERSION"),
            "\" mailseed\n.ad l\n.SH NAME\nmailseed\\-day \\- What to do\n.SH DESCRIPTION\n.PP\n\
             First \\fIthis\\fR, then \\fBthat\\fR.\n.SH GO\n.IP \\(bu 2\none \\fBa \\-b\\fR\n\
             .IP \\(bu 2\ntwo\n.PP\n.RS 4\n.nf\n\\&.x \\-\\-y \\*(Aqz\\*(Aq\n.fi\n.RE\n.PP\n\
             See it (https://a.example).\n"
        );
        assert_eq!(body, want);
    }
}
