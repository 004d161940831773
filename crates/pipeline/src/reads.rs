//! Which fields of its input an expression reads, as far as its text says.
//!
//! What depends on the data is left out: this finds slips, it proves nothing right.

use jaq_core::load::lex::{Lexer, StrPart};
use jaq_core::load::parse::{BinaryOp, Parser, Term};
use jaq_core::path::Part;

/// Enough for the deepest expression that compiles.
const STACK: usize = 24 * 1024 * 1024;

/// A path that is read: names of fields, from the input down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read {
    pub(crate) path: Vec<String>,
    /// Whether the expression says with `//` what holds where there is nothing.
    pub(crate) has_default: bool,
}

/// Every path that an expression reads, once. Of one that does not compile there are none.
pub(crate) fn reads(source: &str) -> Vec<Read> {
    let mut found = stacker::grow(STACK, || {
        let Ok(tokens) = Lexer::new(source).lex() else { return Vec::new() };
        let Ok(term) = Parser::new(&tokens).parse(Parser::term) else { return Vec::new() };
        let mut reader = Reader::default();
        reader.follow(&term, Some(&[]));
        reader.found
    });
    found.sort();
    found.dedup();
    found
}

/// A way from the input, where it is known.
type Way = Option<Vec<String>>;

#[derive(Default)]
struct Reader {
    found: Vec<Read>,
    /// How many `//` say what holds otherwise.
    defaults: usize,
}

impl Reader {
    /// Notes what a term reads of an input that is at `from`. Gives back where its value is.
    fn follow(&mut self, term: &Term<&str>, from: Option<&[String]>) -> Way {
        match term {
            Term::Id => from.map(<[String]>::to_vec),
            Term::Path(base, path) => {
                let mut at = self.follow(base, from);
                for (part, _) in &path.0 {
                    at = self.step(part, at, from);
                }
                at
            }
            Term::BinOp(left, BinaryOp::Pipe(None), right) => {
                let at = self.follow(left, from);
                self.follow(right, at.as_deref())
            }
            Term::BinOp(left, BinaryOp::Alt, right) => {
                self.defaults += 1;
                self.follow(left, from);
                self.defaults -= 1;
                self.each([&**right], from)
            }
            Term::BinOp(left, _, right) => self.each([&**left, &**right], from),
            Term::Label(_, body) | Term::TryCatch(body, _) => self.follow(body, from),
            // What it looks at stays what it is.
            Term::Call("select", arguments) => {
                self.each(arguments, from);
                from.map(<[String]>::to_vec)
            }
            Term::Neg(one) | Term::Arr(Some(one)) | Term::Fold(_, one, ..) => {
                self.each([&**one], from)
            }
            Term::Str(_, parts) => {
                let terms = parts.iter().filter_map(|part| match part {
                    StrPart::Term(term) => Some(term),
                    _ => None,
                });
                self.each(terms, from)
            }
            Term::Obj(fields) => self.object(fields, from),
            Term::IfThenElse(branches, otherwise) => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                self.each(branches.chain(otherwise.as_deref()), from)
            }
            // Arguments of functions may look at anything, and definitions hide names.
            _ => None,
        }
    }

    fn each<'t>(
        &mut self,
        terms: impl IntoIterator<Item = &'t Term<&'t str>>,
        from: Option<&[String]>,
    ) -> Way {
        for term in terms {
            self.follow(term, from);
        }
        None
    }

    fn step(&mut self, part: &Part<Term<&str>>, at: Way, from: Option<&[String]>) -> Way {
        match part {
            Part::Index(index) => match text(index) {
                Some(name) => self.field(at, name),
                None => self.each([index], from),
            },
            Part::Range(start, end) => self.each(start.iter().chain(end), from),
        }
    }

    fn field(&mut self, at: Way, name: String) -> Way {
        let mut path = at?;
        path.push(name);
        self.found.push(Read { path: path.clone(), has_default: self.defaults > 0 });
        Some(path)
    }

    /// `{a: .b}`, and `{b}`, which is `{b: .b}`.
    fn object(
        &mut self,
        fields: &[(Term<&str>, Option<Term<&str>>)],
        from: Option<&[String]>,
    ) -> Way {
        for (key, value) in fields {
            match (text(key), value) {
                (Some(name), None) => drop(self.field(from.map(<[String]>::to_vec), name)),
                (_, Some(value)) => drop(self.each([key, value], from)),
                (None, None) => {}
            }
        }
        None
    }
}

/// A text as it is, without anything to be filled in.
fn text(term: &Term<&str>) -> Option<String> {
    let Term::Str(None, parts) = term else { return None };
    parts
        .iter()
        .map(|part| match part {
            StrPart::Str(text) => Some((*text).to_owned()),
            StrPart::Char(one) => Some(one.to_string()),
            StrPart::Term(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        let shown = |read: Read| {
            let otherwise = if read.has_default { "?" } else { "" };
            format!("{}{otherwise}", read.path.join("."))
        };
        reads(source).into_iter().map(shown).collect()
    }

    #[test]
    fn fields_are_found_wherever_they_are_read() {
        for (source, expected) in [
            (".", vec![]),
            (".a.b", vec!["a", "a.b"]),
            (r#".a["b c"].d[0].e"#, vec!["a", "a.b c", "a.b c.d"]),
            (".a | .b | tonumber", vec!["a", "a.b"]),
            ("{a, x: .b, (.c): 1}", vec!["a", "b", "c"]),
            (r#""x \(.a.b) y""#, vec!["a", "a.b"]),
            ("[.a, -.b] + .c", vec!["a", "b", "c"]),
            ("if .a then .b else .c end", vec!["a", "b", "c"]),
            (".a // .b", vec!["a?", "b"]),
            (".a | select(.b == 1) | .c", vec!["a", "a.b", "a.c"]),
            ("try .a catch .", vec!["a"]),
            (".a[.b]", vec!["a", "b"]),
        ] {
            assert_eq!(paths(source), expected, "{source}");
        }
    }

    #[test]
    fn what_depends_on_the_data_is_left_out() {
        for source in
            ["map(.a)", "def inputs: .x; inputs", ".[].a", "$x.a", "..|.a", "(1 | .a)", ".a ||"]
        {
            assert_eq!(paths(source), [""; 0], "{source}");
        }
        assert_eq!(paths(".a | map(.b)"), ["a"]);
        assert_eq!(paths(".a as $x | $x.b + .c"), ["a", "c"]);
    }

    /// The deepest that compiles is parsed, too.
    #[test]
    fn deep_expressions_are_read() {
        let deep = format!("{}.a{}", "[".repeat(490), "]".repeat(490));
        assert_eq!(paths(&deep), ["a"]);
    }
}
