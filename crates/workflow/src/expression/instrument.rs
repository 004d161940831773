//! Rewrites the syntax tree of an expression before jaq compiles it: steps are counted, and what
//! jaq does otherwise than jq is replaced.
//!
//! The one idea: work without bound needs a definition that calls itself, a fold, or alternatives
//! (`,`) that multiply; a step is counted at each, and at every 32 nodes of anything else. And an
//! output costs what it passes through on its way out: a step is counted for each that leaves a
//! recursive call, or 24 terms within each other. A path such as `.a.b` has none of them and stays
//! as it is. (Iteration, arithmetic and the natives count what they do themselves.)

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Opt, Part, Path};

use super::natives::{OBJECTS, TICKS};
use super::shape::{Tree, balanced, calls, is_constant, is_single, name_of, pipe, plus, variables};
use super::{SyntaxError, limits};

/// So many nodes are one step.
const NODES_PER_STEP: usize = 32;

/// An output that passes through so many terms is one step.
const LAYERS_PER_STEP: usize = 24;

/// Layers of a function of the prelude, about.
const PRELUDE_LAYERS: usize = 4;

/// The variables of right sides and of pieces of a text; no jq can name them.
const RIGHT: &str = "$!";
const PIECES: [&str; 8] = ["$!0", "$!1", "$!2", "$!3", "$!4", "$!5", "$!6", "$!7"];

/// Rewrites the term of an expression.
pub(super) fn expression<'s>(
    source: &'s str,
    term: Tree<'s>,
) -> Result<Tree<'s>, Vec<SyntaxError>> {
    let mut instrument = Instrument::new(source);
    let term = instrument.term(term);
    if instrument.refused.is_empty() { Ok(term) } else { Err(instrument.refused) }
}

/// Rewrites a definition of the prelude.
pub(super) fn definition(definition: Def<&'static str>) -> Def<&'static str> {
    Instrument::new("").definition(definition)
}

/// A definition that is open: it may be called from inside of itself.
struct Open<'s> {
    name: &'s str,
    arity: usize,
    takes_functions: bool,
}

struct Instrument<'s> {
    source: &'s str,
    open: Vec<Open<'s>>,
    /// The layers of the definitions that were read, the innermost last.
    closed: Vec<(&'s str, usize, usize)>,
    /// Nodes since the last step was counted.
    nodes: usize,
    /// The most layers that an output of the terms at hand passes without being counted.
    layers: usize,
    /// Whether the next term's outputs are those of the open definition.
    tail: bool,
    refused: Vec<SyntaxError>,
}

impl<'s> Instrument<'s> {
    const fn new(source: &'s str) -> Self {
        Self {
            source,
            open: Vec::new(),
            closed: Vec::new(),
            nodes: 0,
            layers: 0,
            tail: false,
            refused: Vec::new(),
        }
    }

    /// Refuses more bindings at `name` than are safe.
    fn few(&mut self, name: &str, count: usize, what: &str) {
        if count > limits::BINDINGS {
            let at = jaq_core::load::span(self.source, name);
            let message = format!("{count} {what}; {} are the most", limits::BINDINGS);
            self.refused.push(SyntaxError { message, hint: None, at });
        }
    }

    /// A term of which many nodes count as steps.
    fn term(&mut self, term: Tree<'s>) -> Tree<'s> {
        self.measured(term, false)
    }

    /// A term that counts its steps whenever it is evaluated.
    fn always(&mut self, term: Tree<'s>) -> Tree<'s> {
        self.measured(term, true)
    }

    fn measured(&mut self, term: Tree<'s>, always: bool) -> Tree<'s> {
        let nodes_before = std::mem::take(&mut self.nodes);
        let layers_before = std::mem::take(&mut self.layers);
        let tail = std::mem::take(&mut self.tail);
        let mut term = self.rewritten(term, tail);
        self.nodes += 1;
        self.layers += 1;
        if self.layers > LAYERS_PER_STEP && !is_single(&term) {
            term = self.passed(term);
        }
        if always || self.nodes > NODES_PER_STEP {
            term = self.counted(term);
            self.nodes = 1;
        }
        self.nodes += nodes_before;
        self.layers = self.layers.max(layers_before);
        self.tail = false;
        term
    }

    /// A term each of whose outputs is a step.
    fn passed(&mut self, term: Tree<'s>) -> Tree<'s> {
        self.layers = 0;
        pipe(term, None, Term::Call("!1", Vec::new()))
    }

    /// A term whose outputs are those of the term that it stands in.
    fn last(&mut self, term: Tree<'s>, tail: bool) -> Tree<'s> {
        self.tail = tail;
        self.term(term)
    }

    fn counted(&self, term: Tree<'s>) -> Tree<'s> {
        let steps = (self.nodes / NODES_PER_STEP) as u64;
        let tick = TICKS.iter().find(|(_, count)| *count >= steps).or(TICKS.last());
        pipe(Term::Call(tick.map_or("!1", |(name, _)| name), Vec::new()), None, term)
    }

    fn boxed(&mut self, term: Tree<'s>) -> Box<Tree<'s>> {
        Box::new(self.term(term))
    }

    fn rewritten(&mut self, term: Tree<'s>, tail: bool) -> Tree<'s> {
        match term {
            Term::Var(name) if name == LOCATION => self.location(name),
            // jaq's own nests as deep as the value, and each output passes through that.
            Term::Recurse => self.call("recurse", Vec::new(), tail),
            Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) => term,
            Term::Str(format, parts) => self.text(format, parts),
            Term::Arr(inner) => Term::Arr(inner.map(|it| self.boxed(*it))),
            Term::Obj(fields) => self.object(fields),
            Term::Neg(inner) => Term::Neg(self.boxed(*inner)),
            Term::BinOp(left, operator, right) => self.operation(*left, operator, *right, tail),
            Term::Label(name, inner) => Term::Label(name, self.boxed(*inner)),
            Term::Fold(name, source, pattern, arguments) => {
                let source = self.boxed(*source);
                let pattern = self.pattern(pattern);
                Term::Fold(name, source, pattern, self.fold(name, arguments))
            }
            Term::TryCatch(inner, handler) => {
                let inner = self.boxed(*inner);
                Term::TryCatch(inner, handler.map(|it| self.boxed(*it)))
            }
            Term::IfThenElse(cases, otherwise) => {
                let cases = cases.into_iter();
                let cases = cases.map(|(when, then)| (self.term(when), self.last(then, tail)));
                let cases = cases.collect();
                Term::IfThenElse(cases, otherwise.map(|it| Box::new(self.last(*it, tail))))
            }
            Term::Def(definitions, inner) => {
                let known = self.closed.len();
                let definitions = definitions.into_iter().map(|it| self.definition(it)).collect();
                let inner = Box::new(self.last(*inner, tail));
                self.closed.truncate(known);
                Term::Def(definitions, inner)
            }
            Term::Call(name, arguments) => self.call(name, arguments, tail),
            Term::Path(head, mut path) if path.0.len() > limits::KEYS => {
                let last = path.0.split_off((path.0.len() - 1) / limits::KEYS * limits::KEYS);
                self.rewritten(Term::Path(Box::new(Term::Path(head, path)), Path(last)), false)
            }
            Term::Path(head, path) => {
                let head = self.boxed(*head);
                let parts = path.0.into_iter();
                let parts = parts.map(|(part, optional)| (self.part(part), optional)).collect();
                Term::Path(head, Path(parts))
            }
        }
    }

    fn part(&mut self, part: Part<Tree<'s>>) -> Part<Tree<'s>> {
        match part {
            Part::Index(key) => Part::Index(self.term(key)),
            Part::Range(from, to) => {
                Part::Range(from.map(|it| self.term(it)), to.map(|it| self.term(it)))
            }
        }
    }

    fn pattern(&mut self, pattern: Pattern<&'s str>) -> Pattern<&'s str> {
        let (count, first) = variables(&pattern);
        self.few(first.unwrap_or(self.source), count, "variables are in a pattern");
        match pattern {
            Pattern::Var(_) => pattern,
            Pattern::Arr(all) => Pattern::Arr(all.into_iter().map(|it| self.pattern(it)).collect()),
            Pattern::Obj(all) => {
                let all = all.into_iter();
                Pattern::Obj(all.map(|(key, it)| (self.term(key), self.pattern(it))).collect())
            }
        }
    }

    /// `reduce` takes the last output of its update, or null, where jaq takes each in turn.
    fn fold(&mut self, name: &str, arguments: Vec<Tree<'s>>) -> Vec<Tree<'s>> {
        let rewrite = |(at, argument): (usize, Tree<'s>)| match at {
            0 => self.term(argument),
            1 if name == "reduce" && !is_single(&argument) => {
                let inner = self.always(argument);
                Term::Call("_final", vec![inner])
            }
            _ => self.always(argument),
        };
        arguments.into_iter().enumerate().map(rewrite).collect()
    }

    fn definition(&mut self, definition: Def<&'s str>) -> Def<&'s str> {
        let takes_functions = definition.args.iter().any(|it| !it.starts_with('$'));
        let (name, arity) = (definition.name, definition.args.len());
        self.few(name, arity, "parameters are in a definition");
        let layers_before = std::mem::take(&mut self.layers);
        self.open.push(Open { name, arity, takes_functions });
        self.tail = true;
        let body = self.always(definition.body);
        self.open.pop();
        self.closed.push((name, arity, self.layers));
        self.layers = layers_before;
        Def { body, ..definition }
    }

    /// A call of a definition from inside of itself is left alone where it is a tail call, which
    /// takes no stack. Elsewhere its outputs pass through each round that is open, and count. When
    /// it hands functions over it is made no tail call: each round wraps the functions of the one
    /// before it, and that must take stack, which is measured, when it is built and not when it is
    /// dropped.
    fn call(&mut self, name: &'s str, arguments: Vec<Tree<'s>>, tail: bool) -> Tree<'s> {
        let arity = arguments.len();
        self.few(name, arity, "arguments are in a call");
        let arguments = arguments.into_iter().map(|it| self.argument(it));
        let call = Term::Call(name, arguments.collect());
        let is_it = |open: &Open<'_>| open.name == name && open.arity == arity;
        if self.open.iter().any(is_it) {
            let innermost = self.open.last().filter(|it| is_it(it));
            let is_tail = tail && innermost.is_some_and(|it| !it.takes_functions);
            return if is_tail { call } else { self.passed(call) };
        }
        let known = self.closed.iter().rev().find(|it| (it.0, it.1) == (name, arity));
        self.layers += known.map_or(PRELUDE_LAYERS, |it| it.2);
        call
    }

    /// A function that is handed over. What it calls may call it in turn, and wrap it again and
    /// again; so it counts its steps and its outputs.
    fn argument(&mut self, term: Tree<'s>) -> Tree<'s> {
        if !calls(&term) {
            return self.term(term);
        }
        let handed_on = !self.open.is_empty() && self.open.iter().any(|it| it.takes_functions);
        let term = self.always(term);
        if handed_on && self.layers > 0 { self.passed(term) } else { term }
    }

    fn operation(
        &mut self,
        left: Tree<'s>,
        operator: BinaryOp<&'s str>,
        right: Tree<'s>,
        tail: bool,
    ) -> Tree<'s> {
        match operator {
            BinaryOp::Comma => self.alternatives(left, right, tail),
            BinaryOp::Assign => {
                let (paths, value) = (self.argument(left), self.term(right));
                let set = Term::Call("_assign", vec![paths, Term::Var(RIGHT)]);
                pipe(value, Some(Pattern::Var(RIGHT)), set)
            }
            BinaryOp::Update => {
                let (paths, update) = (self.argument(left), self.argument(right));
                Term::Call("_modify", vec![paths, update])
            }
            BinaryOp::UpdateMath(math) => self.update(left, BinaryOp::Math(math), right),
            BinaryOp::UpdateAlt => self.update(left, BinaryOp::Alt, right),
            BinaryOp::Math(_) | BinaryOp::Cmp(_) if !is_single(&left) && !is_single(&right) => {
                // jq goes through the right side first.
                let (left, right) = (self.term(left), self.term(right));
                let inner = Term::BinOp(Box::new(left), operator, Box::new(Term::Var(RIGHT)));
                pipe(right, Some(Pattern::Var(RIGHT)), inner)
            }
            BinaryOp::Pipe(pattern) => {
                let left = self.term(left);
                let pattern = pattern.map(|it| self.pattern(it));
                pipe(left, pattern, self.last(right, tail))
            }
            BinaryOp::Alt => {
                let left = Box::new(self.term(left));
                Term::BinOp(left, BinaryOp::Alt, Box::new(self.last(right, tail)))
            }
            other => Term::BinOp(Box::new(self.term(left)), other, Box::new(self.term(right))),
        }
    }

    fn update(&mut self, left: Tree<'s>, operator: BinaryOp<&'s str>, right: Tree<'s>) -> Tree<'s> {
        let (paths, value) = (self.argument(left), self.term(right));
        let new = Term::BinOp(Box::new(Term::Id), operator, Box::new(Term::Var(RIGHT)));
        let modify = Term::Call("_modify", vec![paths, new]);
        pipe(value, Some(Pattern::Var(RIGHT)), modify)
    }

    /// `a, b, c` as a balanced tree, so that long lists do not nest.
    fn alternatives(&mut self, left: Tree<'s>, right: Tree<'s>, tail: bool) -> Tree<'s> {
        let mut all = vec![right];
        let mut rest = left;
        while let Term::BinOp(left, BinaryOp::Comma, right) = rest {
            all.push(*right);
            rest = *left;
        }
        all.push(rest);
        all.reverse();
        let all: Vec<_> = all.into_iter().map(|it| self.last(it, tail)).collect();
        balanced(all)
    }

    /// Several alternatives in one text multiply, the last outermost, as in jq.
    fn text(
        &mut self,
        format: Option<&'s str>,
        parts: Vec<StrPart<&'s str, Tree<'s>>>,
    ) -> Tree<'s> {
        let manifold =
            |part: &StrPart<_, Tree<'s>>| matches!(part, StrPart::Term(it) if !is_single(it));
        let reorder = parts.iter().filter(|it| manifold(it)).count() > 1;
        let mut bound = Vec::new();
        let mut rewritten = Vec::new();
        for part in parts {
            let moved = reorder && manifold(&part) && bound.len() < PIECES.len();
            rewritten.push(match part {
                StrPart::Term(inner) if moved => {
                    let name = PIECES[bound.len()];
                    bound.push((name, self.term(inner)));
                    StrPart::Term(Term::Var(name))
                }
                StrPart::Term(inner) => StrPart::Term(self.term(inner)),
                StrPart::Str(text) => StrPart::Str(text),
                StrPart::Char(character) => StrPart::Char(character),
            });
        }
        let text = match rewritten.len() {
            0 => Term::Str(format, rewritten),
            _ => self.joined(format, rewritten),
        };
        bound
            .into_iter()
            .fold(text, |inner, (name, value)| pipe(value, Some(Pattern::Var(name)), inner))
    }

    /// The pieces of a text, added up as a balanced tree.
    fn joined(
        &mut self,
        format: Option<&'s str>,
        parts: Vec<StrPart<&'s str, Tree<'s>>>,
    ) -> Tree<'s> {
        let mut texts = Vec::with_capacity(parts.len() / limits::PIECES + 1);
        let mut parts = parts.into_iter().peekable();
        while parts.peek().is_some() {
            let some = parts.by_ref().take(limits::PIECES).collect();
            texts.push(Term::Str(format, some));
        }
        self.sum(texts)
    }

    /// A sum as a balanced tree, which counts steps.
    fn sum(&self, mut all: Vec<Tree<'s>>) -> Tree<'s> {
        if all.len() < 2 {
            return all.pop().unwrap_or_default();
        }
        let right = all.split_off(all.len() / 2);
        let (left, right) = (self.sum(all), self.sum(right));
        pipe(Term::Call("!1", Vec::new()), None, plus(left, right))
    }

    fn object(&mut self, fields: Vec<(Tree<'s>, Option<Tree<'s>>)>) -> Tree<'s> {
        let mut objects = Vec::new();
        let mut arguments = Vec::new();
        let close = |arguments: &mut Vec<Tree<'s>>, objects: &mut Vec<Tree<'s>>| {
            let name = OBJECTS[arguments.len() / 2];
            objects.push(Term::Call(name, std::mem::take(arguments)));
        };
        for (key, value) in fields {
            let (key, value) = match (key, value) {
                (key, Some(value)) => (key, value),
                (Term::Var(name), None) => {
                    (name_of(name.strip_prefix('$').unwrap_or(name)), Term::Var(name))
                }
                (key @ Term::Str(None, _), None) if is_constant(&key) => {
                    let index = (Part::Index(key.clone()), Opt::Essential);
                    (key, Term::Path(Box::new(Term::Id), Path(vec![index])))
                }
                (key, None) => {
                    close(&mut arguments, &mut objects);
                    objects.push(Term::Obj(vec![(self.term(key), None)]));
                    continue;
                }
            };
            arguments.push(self.term(key));
            arguments.push(self.term(value));
            if arguments.len() == 2 * (OBJECTS.len() - 1) {
                close(&mut arguments, &mut objects);
            }
        }
        if objects.is_empty() || !arguments.is_empty() {
            close(&mut arguments, &mut objects);
        }
        self.sum(objects)
    }

    /// `$__loc__`: the expression is the file, and its first line is 1.
    fn location(&self, name: &str) -> Tree<'s> {
        let at = jaq_core::load::span(self.source, name).start;
        let line = 1 + self.source.get(..at).unwrap_or_default().matches('\n').count();
        let digits = line.to_string();
        let digits = digits.bytes().map(|it| Term::Num(DIGITS[usize::from(it - b'0')]));
        let line = digits.reduce(|sum, digit| {
            let times = BinaryOp::Math(jaq_core::ops::Math::Mul);
            plus(Term::BinOp(Box::new(sum), times, Box::new(Term::Num("10"))), digit)
        });
        let fields = [name_of("file"), name_of("<top-level>"), name_of("line")];
        Term::Call(OBJECTS[2], fields.into_iter().chain(line).collect())
    }
}

const LOCATION: &str = "$__loc__";
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
