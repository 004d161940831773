//! Markdown read line by line: text here, fenced code there.
//!
//! Only what walkthroughs and the link check need is understood: fences,
//! headings and links, not the whole of CommonMark.

use std::collections::BTreeSet;
use std::iter::Enumerate;
use std::str::Lines;

/// What a line is.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    /// A line outside of fenced blocks.
    Text(&'a str),
    /// The opening of a fenced block, with its info string.
    Open(&'a str),
    /// A line of a fenced block, without the block's indentation.
    Code(&'a str),
    /// The end of a fenced block.
    Close,
}

/// The lines of a document with their numbers, from 1.
pub(crate) struct Fences<'a> {
    lines: Enumerate<Lines<'a>>,
    fence: Option<Fence>,
}

struct Fence {
    line: usize,
    indent: usize,
    marker: char,
    length: usize,
}

impl<'a> Fences<'a> {
    /// Reads the document.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { lines: text.lines().enumerate(), fence: None }
    }

    /// The line of a block that the lines read so far do not close.
    pub(crate) fn unclosed(&self) -> Option<usize> {
        self.fence.as_ref().map(|fence| fence.line)
    }
}

impl<'a> Iterator for Fences<'a> {
    type Item = (usize, Line<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (index, line) = self.lines.next()?;
        let number = index + 1;
        let kind = match &self.fence {
            Some(fence) if fence.is_closed_by(line) => {
                self.fence = None;
                Line::Close
            }
            Some(fence) => Line::Code(unindented(line, fence.indent)),
            None => match Fence::open(number, line) {
                Some((fence, info)) => {
                    self.fence = Some(fence);
                    Line::Open(info)
                }
                None => Line::Text(line),
            },
        };
        Some((number, kind))
    }
}

impl Fence {
    fn open(number: usize, line: &str) -> Option<(Self, &str)> {
        let content = line.trim_start_matches(' ');
        let marker = content.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = content.trim_start_matches(marker);
        let length = content.len() - info.len();
        if length < 3 || (marker == '`' && info.contains('`')) {
            return None;
        }
        let indent = line.len() - content.len();
        Some((Self { line: number, indent, marker, length }, info.trim()))
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let content = line.trim();
        content.len() >= self.length && content.chars().all(|c| c == self.marker)
    }
}

fn unindented(line: &str, indent: usize) -> &str {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    &line[blanks.min(indent)..]
}

/// A link or image, or the definition of one.
#[derive(Debug, PartialEq)]
pub(crate) struct Link {
    /// The line it stands in, from 1.
    pub(crate) line: usize,
    pub(crate) target: String,
}

/// The links of a document, code left out.
pub(crate) fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, text) in prose(text) {
        let text = without_code(text);
        let inline = text.split("](").skip(1).filter_map(|rest| target(rest, Some(')')));
        let definition = text.trim_start().strip_prefix('[').and_then(|rest| {
            let (_, rest) = rest.split_once("]: ")?;
            target(rest, None)
        });
        links.extend(inline.chain(definition).map(|target| Link { line, target }));
    }
    links
}

/// What links can name in a document: its headings and its explicit anchors.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        if let Some(title) = heading(line) {
            let slug = slug(title);
            let numbered = (1..).map(|n| format!("{slug}-{n}"));
            let free = std::iter::once(slug.clone()).chain(numbered).find(|a| !anchors.contains(a));
            anchors.extend(free);
        }
        for attribute in ["<a id=\"", "<a name=\""] {
            let named = line.split(attribute).skip(1).filter_map(|rest| rest.split_once('"'));
            anchors.extend(named.map(|(name, _)| name.to_owned()));
        }
    }
    anchors
}

fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    Fences::new(text).filter_map(|(number, line)| match line {
        Line::Text(text) => Some((number, text)),
        _ => None,
    })
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    let pieces: Vec<_> = line.split('`').collect();
    // An odd backtick at the end opens nothing.
    let closed = pieces.len() - 1 + pieces.len() % 2;
    let outside = |index: &usize| index.is_multiple_of(2) || *index >= closed;
    (0..pieces.len()).filter(outside).map(|index| pieces[index]).collect()
}

/// The target at the start of the text, without a title or angle brackets.
fn target(text: &str, end: Option<char>) -> Option<String> {
    let inner = match end {
        Some(end) => text.split_once(end)?.0,
        None => text,
    };
    let target = inner.split_whitespace().next()?;
    Some(target.trim_start_matches('<').trim_end_matches('>').to_owned())
}

fn heading(line: &str) -> Option<&str> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    let is_heading = (1..=6).contains(&level) && title.starts_with(' ');
    is_heading.then(|| title.trim().trim_end_matches('#').trim_end())
}

/// The anchor that forges give a heading: its words in lower case, joined by
/// hyphens, without punctuation, and of a link its text only.
fn slug(title: &str) -> String {
    let mut text = String::new();
    let mut rest = title;
    while let Some((before, after)) = rest.split_once("](") {
        text += before;
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text += rest;
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    text.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_at_a_fence_of_its_own_kind_and_length() {
        let text = "a\n````md\n```\n~~~~\n````\nb";
        let lines: Vec<_> = Fences::new(text).map(|(_, line)| line).collect();
        let expected = [
            Line::Text("a"),
            Line::Open("md"),
            Line::Code("```"),
            Line::Code("~~~~"),
            Line::Close,
            Line::Text("b"),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn code_within_a_line_opens_nothing() {
        assert_eq!(Fences::new("```x``` y").next(), Some((1, Line::Text("```x``` y"))));
    }

    #[test]
    fn an_open_end_is_noticed() {
        let mut lines = Fences::new("\n~~~ text\nmore");
        assert_eq!(lines.by_ref().count(), 3);
        assert_eq!(lines.unclosed(), Some(2));
    }

    fn targets(text: &str) -> Vec<String> {
        links(text).into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn links_are_found_in_text_and_not_in_code() {
        assert_eq!(
            targets("[a](x.md) and ![b](y.png \"title\") [c](<z.md>)"),
            ["x.md", "y.png", "z.md"]
        );
        assert_eq!(targets("[ref]: there.md\n  [other]: <b.md> 'title'"), ["there.md", "b.md"]);
        assert_eq!(targets("`[a](x.md)` [`b`](y.md)\n```\n[c](z.md)\n```"), ["y.md"]);
        assert_eq!(targets("an odd ` and [a](x.md)"), ["x.md"]);
        assert_eq!(targets("f[i](no end"), [""; 0]);
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# `cargo xtask`: what, why?\n## A [link](x.md) too ##\n## Same\n## Same\n\
            #no heading\n```\n# comment\n```\n<a id=\"here\"></a>\n### snake_case – ä";
        let expected =
            ["a-link-too", "cargo-xtask-what-why", "here", "same", "same-1", "snake_case--ä"];
        assert!(anchors(text).iter().eq(expected.iter()), "{:?}", anchors(text));
    }
}
