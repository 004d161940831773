//! The parts of Markdown that the tests look at: fenced blocks, headings and tables.

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it is, as `file:line`.
    pub(crate) at: String,
    /// The first word of its info string: `yaml` of `yaml,spec`.
    pub(crate) language: String,
    /// What follows the comma, if anything.
    pub(crate) mark: String,
    pub(crate) text: String,
}

/// The fenced blocks of a page. One that stands inside a longer fence is that one's text.
pub(crate) fn blocks(name: &str, page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for (index, line) in page.lines().enumerate() {
        let content = line.trim_start();
        let fence = content.len() - content.trim_start_matches('`').len();
        match &mut open {
            Some((length, _)) if fence >= *length && content.trim_end().len() == fence => {
                blocks.extend(open.take().map(|(_, block)| block));
            }
            Some((_, block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None if fence >= 3 => {
                let info = content[fence..].trim();
                let (language, mark) = info.split_once(',').unwrap_or((info, ""));
                let block = Block {
                    at: format!("{name}:{}", index + 1),
                    language: language.to_owned(),
                    mark: mark.to_owned(),
                    text: String::new(),
                };
                open = Some((fence, block));
            }
            None => {}
        }
    }
    assert!(open.is_none(), "{name}: a code block is not closed");
    blocks
}

/// The titles of the headings of this level, without backticks.
pub(crate) fn headings(page: &str, level: usize) -> Vec<String> {
    let start = format!("{} ", "#".repeat(level));
    let titles = page.lines().filter_map(|line| line.strip_prefix(&start));
    titles.map(|title| title.trim_matches('`').to_owned()).collect()
}

/// The lines between the heading with this title and the next heading of any level.
pub(crate) fn section<'a>(page: &'a str, title: &str) -> Vec<&'a str> {
    let is_heading = |line: &&str| line.starts_with('#');
    let mut lines = page.lines();
    let found = lines
        .by_ref()
        .find(|line| is_heading(line) && line.trim_start_matches('#').trim() == title);
    assert!(found.is_some(), "there is no section `{title}`");
    lines.take_while(|line| !is_heading(line)).collect()
}

/// The cells of the rows of the tables in a section, without its heads and without backticks.
pub(crate) fn rows(section: &[&str]) -> Vec<Vec<String>> {
    let is_rule = |line: &str| line.starts_with("|--") || line.starts_with("| --");
    let is_head = |index: usize| section.get(index + 1).is_some_and(|next| is_rule(next));
    let lines = section.iter().enumerate();
    let rows =
        lines.filter(|(index, line)| line.starts_with('|') && !is_rule(line) && !is_head(*index));
    let cells = |line: &str| {
        let inner = line.trim_matches('|').split(" | ");
        inner.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    rows.map(|(_, line)| cells(line)).collect()
}

#[test]
fn a_block_ends_at_its_own_fence() {
    let page = "````markdown\n```yaml,spec\na: 1\n```\n````\n```toml\n```\n";
    let found = blocks("x.md", page);
    let [outer, inner] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((outer.language.as_str(), outer.mark.as_str()), ("markdown", ""));
    assert_eq!(outer.text, "```yaml,spec\na: 1\n```\n");
    assert_eq!((inner.at.as_str(), inner.language.as_str()), ("x.md:6", "toml"));
}

#[test]
fn the_rows_of_a_section_are_those_of_its_tables() {
    let page = "# A\n| x | y |\n|---|---|\n| `1` | a or b |\n\n## B\n| z |\n|---|\n| `2` |\n";
    assert_eq!(rows(&section(page, "A")), [["1", "a or b"]]);
    assert_eq!(rows(&section(page, "B")), [["2"]]);
}
