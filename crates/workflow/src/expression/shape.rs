//! The shapes of syntax trees: small ones that are made of others, and what a tree's shape tells of
//! it.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Opt, Part};

pub(super) type Tree<'s> = Term<&'s str>;

pub(super) fn plus<'s>(left: Tree<'s>, right: Tree<'s>) -> Tree<'s> {
    Term::BinOp(Box::new(left), BinaryOp::Math(jaq_core::ops::Math::Add), Box::new(right))
}

/// Whether a text has no expressions in it.
pub(super) fn is_constant(text: &Tree<'_>) -> bool {
    matches!(text, Term::Str(None, parts) if !parts.iter().any(|it| matches!(it, StrPart::Term(_))))
}

/// How many variables a pattern has in one list or object, and the first.
pub(super) fn variables<'s>(pattern: &Pattern<&'s str>) -> (usize, Option<&'s str>) {
    match pattern {
        Pattern::Var(name) => (1, Some(name)),
        Pattern::Arr(all) => (all.len(), all.iter().find_map(|it| variables(it).1)),
        Pattern::Obj(all) => (all.len(), all.iter().find_map(|(_, it)| variables(it).1)),
    }
}

pub(super) fn name_of(name: &str) -> Tree<'_> {
    Term::Str(None, vec![StrPart::Str(name)])
}

pub(super) fn pipe<'s>(
    left: Tree<'s>,
    pattern: Option<Pattern<&'s str>>,
    right: Tree<'s>,
) -> Tree<'s> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(pattern), Box::new(right))
}

/// Alternatives as a balanced tree, which counts steps.
pub(super) fn balanced<'s>(mut all: Vec<Tree<'s>>) -> Tree<'s> {
    if all.len() < 2 {
        return all.pop().unwrap_or_default();
    }
    let right = all.split_off(all.len() / 2);
    let (left, right) = (balanced(all), balanced(right));
    let comma = Term::BinOp(Box::new(left), BinaryOp::Comma, Box::new(right));
    pipe(Term::Call("!1", Vec::new()), None, comma)
}

/// Whether a term has one output for each input, as far as its shape tells.
pub(super) fn is_single(term: &Tree<'_>) -> bool {
    match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Arr(_) => true,
        Term::Str(_, parts) => {
            parts.iter().all(|it| !matches!(it, StrPart::Term(inner) if !is_single(inner)))
        }
        Term::Obj(fields) => {
            fields.iter().all(|(key, value)| is_single(key) && value.as_ref().is_none_or(is_single))
        }
        Term::Neg(inner) => is_single(inner),
        Term::BinOp(left, operator, right) => {
            let multiplies = matches!(operator, BinaryOp::Comma | BinaryOp::Alt);
            !multiplies && is_single(left) && is_single(right)
        }
        Term::Path(head, path) => {
            let single = |part: &Part<Tree<'_>>| match part {
                Part::Index(key) => is_single(key),
                Part::Range(None, None) => false,
                Part::Range(from, to) => [from, to].into_iter().flatten().all(is_single),
            };
            let essential = |it| matches!(it, Opt::Essential);
            is_single(head) && path.0.iter().all(|(part, it)| essential(*it) && single(part))
        }
        _ => false,
    }
}

/// Whether a term calls anything.
pub(super) fn calls(term: &Tree<'_>) -> bool {
    match term {
        Term::Call(..) | Term::Def(..) | Term::Fold(..) => true,
        Term::Id | Term::Recurse | Term::Num(_) | Term::Var(_) | Term::Break(_) => false,
        Term::Str(format, parts) => {
            format.is_some()
                || parts.iter().any(|it| matches!(it, StrPart::Term(inner) if calls(inner)))
        }
        Term::Arr(inner) => inner.as_deref().is_some_and(calls),
        Term::Obj(fields) => {
            fields.iter().any(|(key, value)| calls(key) || value.as_ref().is_some_and(calls))
        }
        Term::Neg(inner) | Term::Label(_, inner) => calls(inner),
        Term::BinOp(left, BinaryOp::Pipe(Some(pattern)), right) => {
            !matches!(pattern, Pattern::Var(_)) || calls(left) || calls(right)
        }
        Term::BinOp(left, _, right) => calls(left) || calls(right),
        Term::TryCatch(inner, handler) => calls(inner) || handler.as_deref().is_some_and(calls),
        Term::IfThenElse(cases, otherwise) => {
            cases.iter().any(|(when, then)| calls(when) || calls(then))
                || otherwise.as_deref().is_some_and(calls)
        }
        Term::Path(head, path) => {
            let part_calls = |part: &Part<Tree<'_>>| match part {
                Part::Index(key) => calls(key),
                Part::Range(from, to) => [from, to].into_iter().flatten().any(calls),
            };
            calls(head) || path.0.iter().any(|(part, _)| part_calls(part))
        }
    }
}
