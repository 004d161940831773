//! A first look at the text of an expression, without recursion: where it ends, and how deep it
//! nests.
//!
//! The one idea: the parser takes stack for each bracket, operator and keyword that is open, so
//! they are counted before it runs. The count is generous: what it lets pass is safe.

/// What the scanner is in.
enum Within {
    /// Code up to this bracket, with so many operators and keywords that may nest. After a keyword
    /// such as `def`, a `,` or `;` does not end what is open.
    Code { close: char, nesting: usize, sticky: bool },
    /// A text.
    Text,
}

/// What a scan found.
pub(super) struct Scan {
    /// The bytes up to, and without, the closing bracket that was looked for; all of them if there
    /// is none.
    pub(super) end: usize,
    /// Whether that bracket was there.
    pub(super) closed: bool,
    /// The deepest nesting.
    pub(super) nesting: usize,
}

/// Looks through code up to a closing bracket that was not opened in it, or to its end.
pub(super) fn scan(code: &str) -> Scan {
    let mut within = vec![Within::Code { close: '\0', nesting: 0, sticky: false }];
    let mut open = 0;
    let mut deepest = 0;
    let mut rest = code.char_indices().peekable();
    let mut word_before = false;
    // The keys of a path nest, too, up to the next operator.
    let mut links = 0;
    while let Some((at, character)) = rest.next() {
        let outermost = within.len() == 1;
        match within.last_mut() {
            Some(Within::Text) => match character {
                '"' => drop(within.pop()),
                '\\' => {
                    if let Some((_, '(')) = rest.next() {
                        within.push(Within::Code { close: ')', nesting: 1, sticky: false });
                        open += 1;
                    }
                }
                _ => {}
            },
            Some(Within::Code { close, nesting, sticky }) => {
                let starts_word = character.is_ascii_alphabetic() && !word_before;
                word_before = character.is_ascii_alphanumeric() || "_.$@".contains(character);
                links = match character {
                    '.' | ']' => links + 1,
                    _ if character.is_whitespace() || word_before => links,
                    '"' | '[' | '?' => links,
                    _ => 0,
                };
                match character {
                    '"' => within.push(Within::Text),
                    '(' | '[' | '{' => {
                        let close = closing(character);
                        within.push(Within::Code { close, nesting: 1, sticky: false });
                        open += 1;
                    }
                    ')' | ']' | '}' if *close == character => {
                        open -= *nesting;
                        within.pop();
                    }
                    '}' if outermost => {
                        return Scan { end: at, closed: true, nesting: deepest };
                    }
                    ';' | ','
                        if !*sticky && matches!((*close, character), (')', ';') | ('}', ',')) =>
                    {
                        open -= nesting.saturating_sub(1);
                        *nesting = 1;
                    }
                    '#' => while rest.next_if(|(_, it)| *it != '\n').is_some() {},
                    '|' | '+' | '-' | '*' | '/' | '%' | '=' | '<' | '>' | '!' | '?' => {
                        *nesting += 1;
                        open += 1;
                    }
                    _ if starts_word => {
                        let word = word(code.get(at..).unwrap_or_default());
                        if OPERATORS.contains(&word) || KEYWORDS.contains(&word) {
                            *nesting += 1;
                            open += 1;
                            *sticky |= KEYWORDS.contains(&word);
                        }
                    }
                    _ => {}
                }
            }
            None => break,
        }
        deepest = deepest.max(open + links);
    }
    Scan { end: code.len(), closed: false, nesting: deepest }
}

const fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

const OPERATORS: &[&str] = &["and", "or"];
const KEYWORDS: &[&str] =
    &["as", "catch", "def", "elif", "else", "foreach", "if", "label", "reduce", "then", "try"];

fn word(code: &str) -> &str {
    let end = code.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(code.len());
    code.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(code: &str) -> Option<usize> {
        let scan = scan(code);
        scan.closed.then_some(scan.end)
    }

    #[test]
    fn the_end_is_found_past_texts_objects_and_comments() {
        assert_eq!(end(".a }"), Some(3));
        assert_eq!(end("{a: {b: 1}} }"), Some(12));
        assert_eq!(end(r#""}" + "\(.a | "}")}" }"#), Some(21));
        assert_eq!(end(r#""\"}" }"#), Some(6));
        assert_eq!(end(".a # }\n}"), Some(7));
        assert_eq!(end("{"), None);
        assert_eq!(end("\"}"), None);
    }

    #[test]
    fn nesting_is_what_is_open_at_once() {
        assert_eq!(scan(".a.b[0]").nesting, 3);
        assert!(scan(&".a".repeat(1000)).nesting >= 1000);
        assert!(scan(&"[0]".repeat(1000)).nesting >= 1000);
        assert!(scan(&".a[0]|".repeat(100)).nesting < 110);
        assert_eq!(scan(&"[".repeat(70_000)).nesting, 70_000);
        assert_eq!(scan(&"-".repeat(70_000)).nesting, 70_000);
        assert!(scan(&"1,".repeat(70_000)).nesting < 3);
        assert!(scan(&format!("{{{}}}", "a: 1 + 1,".repeat(1000))).nesting < 4);
        assert!(scan(&format!("f({})", "1 | 2;".repeat(1000))).nesting < 4);
        assert!(scan(&". | .,".repeat(1000)).nesting >= 1000);
        assert!(scan(&"(1 + def a: 1;".repeat(1000)).nesting >= 1000);
        assert!(scan(&"def a: 1; 1 + ".repeat(1000)).nesting >= 1000);
        assert!(scan(&format!("{{a: {}", "if 1 then 1, ".repeat(1000))).nesting >= 1000);
        assert!(scan(&"try ".repeat(1000)).nesting >= 1000);
        assert!(scan(&"def f: ".repeat(1000)).nesting >= 1000);
        assert!(scan(&". as $x | ".repeat(1000)).nesting >= 1000);
        assert!(scan(&r#""\("#.repeat(1000)).nesting >= 1000);
    }
}
