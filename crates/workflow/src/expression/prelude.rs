//! The functions of the prelude, parsed and rewritten once, and which of them an expression needs.
//!
//! The one idea: jaq compiles all definitions anew for each program. An expression is given those
//! that it reaches only; most reach none.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{Def, Pattern, Term};
use jaq_core::path::Part;

use super::instrument;
use super::natives::{self, Function};

type Definition = Def<&'static str>;

/// A function's name and how many arguments it takes.
type Signature<'s> = (&'s str, usize);

/// A definition and what it calls.
struct Known {
    definition: Definition,
    calls: Vec<Signature<'static>>,
}

// A memo of what is constant: the prelude's text never changes.
fn prelude() -> &'static [Known] {
    static PRELUDE: OnceLock<Vec<Known>> = OnceLock::new();
    PRELUDE.get_or_init(|| {
        let text = include_str!("prelude.jq");
        let definitions = jaq_core::load::parse(text, |parser| parser.defs());
        let definitions = definitions.expect("the prelude is jq; every test needs it");
        definitions
            .into_iter()
            .map(|definition| {
                let definition = instrument::definition(definition);
                let mut calls = Vec::new();
                called(&definition.body, &mut calls);
                Known { definition, calls }
            })
            .collect()
    })
}

/// The definitions and natives that a term needs, in the order in which they may use each other.
pub(super) fn needed<'s>(term: &Term<&'s str>) -> (Vec<Definition>, Vec<Function>) {
    let mut wanted = Vec::new();
    called(term, &mut wanted);
    let mut reached: BTreeSet<Signature<'s>> = wanted.into_iter().collect();
    // A definition uses earlier ones only, so one look from the last to the first finds all.
    let mut definitions = Vec::new();
    for known in prelude().iter().rev() {
        let signature = (known.definition.name, known.definition.args.len());
        if reached.contains(&signature) {
            reached.extend(known.calls.iter().copied());
            definitions.push(known.definition.clone());
        }
    }
    definitions.reverse();
    let natives = natives::all().into_iter();
    let natives =
        natives.filter(|(name, arguments, _)| reached.contains(&(*name, arguments.len())));
    (definitions, natives.collect())
}

/// All functions that expressions can call.
pub(super) fn functions() -> impl Iterator<Item = Signature<'static>> {
    let defined = prelude().iter().map(|it| (it.definition.name, it.definition.args.len()));
    let natives = natives::all().into_iter().map(|(name, arguments, _)| (name, arguments.len()));
    defined
        .chain(natives)
        .filter(|(name, _)| !name.starts_with(['_', '!']) && *name != "error_empty")
}

/// The calls in a term, as far as names tell: those of its own definitions, too.
fn called<'s>(term: &Term<&'s str>, calls: &mut Vec<Signature<'s>>) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Var(_) | Term::Break(_) => {}
        Term::Str(format, parts) => {
            calls.extend(format.map(|it| (it, 0)));
            for part in parts {
                if let StrPart::Term(inner) = part {
                    called(inner, calls);
                }
            }
        }
        Term::Arr(inner) => inner.iter().for_each(|it| called(it, calls)),
        Term::Obj(fields) => fields.iter().for_each(|(key, value)| {
            called(key, calls);
            value.iter().for_each(|it| called(it, calls));
        }),
        Term::Neg(inner) | Term::Label(_, inner) => called(inner, calls),
        Term::BinOp(left, operator, right) => {
            if let jaq_core::load::parse::BinaryOp::Pipe(Some(pattern)) = operator {
                called_in_pattern(pattern, calls);
            }
            called(left, calls);
            called(right, calls);
        }
        Term::Fold(_, source, pattern, arguments) => {
            called(source, calls);
            called_in_pattern(pattern, calls);
            arguments.iter().for_each(|it| called(it, calls));
        }
        Term::TryCatch(inner, handler) => {
            called(inner, calls);
            handler.iter().for_each(|it| called(it, calls));
        }
        Term::IfThenElse(cases, otherwise) => {
            cases.iter().for_each(|(when, then)| {
                called(when, calls);
                called(then, calls);
            });
            otherwise.iter().for_each(|it| called(it, calls));
        }
        Term::Def(definitions, inner) => {
            definitions.iter().for_each(|it| called(&it.body, calls));
            called(inner, calls);
        }
        Term::Call(name, arguments) => {
            calls.push((name, arguments.len()));
            arguments.iter().for_each(|it| called(it, calls));
        }
        Term::Path(head, path) => {
            called(head, calls);
            for (part, _) in &path.0 {
                match part {
                    Part::Index(key) => called(key, calls),
                    Part::Range(from, to) => {
                        [from, to].into_iter().flatten().for_each(|it| called(it, calls));
                    }
                }
            }
        }
    }
}

fn called_in_pattern<'s>(pattern: &Pattern<&'s str>, calls: &mut Vec<Signature<'s>>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(all) => all.iter().for_each(|it| called_in_pattern(it, calls)),
        Pattern::Obj(all) => all.iter().for_each(|(key, inner)| {
            called(key, calls);
            called_in_pattern(inner, calls);
        }),
    }
}
