//! Compiled regular expressions, whose searches are paid for by what they do.
//!
//! The one idea: a search is a walk of an automaton through the text. While few of its states turn
//! up again and again, each byte is one look into a table (a lazy DFA), and is paid for as such;
//! where each byte leads to a state that is not there yet, that is paid by the size of the pattern.
//! When too many turn up the table is given up, and the search goes on by following all places of
//! the pattern at once, each of which is paid for at every byte before that begins.

use std::cell::RefCell;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::primitives::{NonMaxUsize, PatternID};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, Span};
use regex_syntax::hir::{Hir, HirKind};

use super::account::{self, Limit};
use super::limits;

/// A pattern that is ready to be searched for.
pub(super) struct Pattern {
    /// Finds where the first match ends.
    forward: DFA,
    /// Finds where a match begins whose end is known.
    backward: DFA,
    /// Finds what the groups of a match hold, and matches where the others have given up.
    slow: PikeVM,
    /// The places in the pattern that a search may be at: characters, classes and groups, as often
    /// as they are repeated.
    places: u64,
    caches: RefCell<Caches>,
}

struct Caches {
    forward: Cache,
    backward: Cache,
    slow: pikevm::Cache,
}

/// Where a match is, and its groups, the whole first.
pub(super) type Found = Vec<Option<Span>>;

/// Why a table gives no answer.
enum Stop {
    /// Too many states turned up, or a character that it cannot tell words by.
    GivenUp,
    Limit(Limit),
}

impl From<Limit> for Stop {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, or that it is too large.
    pub(super) fn new(pattern: &str, config: syntax::Config) -> Result<Self, String> {
        let hir = syntax::parse_with(pattern, &config.nest_limit(limits::PATTERN_NESTING))
            .map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned())?;
        let places = places(&hir);
        if places > limits::PATTERN_PLACES {
            return Err("it is too large when compiled".to_owned());
        }
        let automaton = |backward: bool| {
            let config = thompson::Config::new()
                .reverse(backward)
                .which_captures(if backward { WhichCaptures::None } else { WhichCaptures::All })
                .nfa_size_limit(Some(limits::PATTERN_PROGRAM));
            let built = thompson::Compiler::new().configure(config).build_from_hir(&hir);
            built.map_err(|_| "it is too large when compiled".to_owned())
        };
        let table = |nfa: NFA, kind: MatchKind| {
            let config = DFA::config()
                .match_kind(kind)
                .unicode_word_boundary(true)
                .cache_capacity(limits::PATTERN_TABLE)
                .skip_cache_capacity_check(true)
                .minimum_cache_clear_count(Some(3))
                .minimum_bytes_per_state(Some(10));
            let built = DFA::builder().configure(config).build_from_nfa(nfa);
            built.map_err(|error| error.to_string())
        };
        let nfa = automaton(false)?;
        let forward = table(nfa.clone(), MatchKind::LeftmostFirst)?;
        let backward = table(automaton(true)?, MatchKind::All)?;
        let slow = PikeVM::new_from_nfa(nfa).map_err(|error| error.to_string())?;
        let caches = Caches {
            forward: forward.create_cache(),
            backward: backward.create_cache(),
            slow: slow.create_cache(),
        };
        Ok(Self { forward, backward, slow, places, caches: RefCell::new(caches) })
    }

    /// What compiling it cost, in units of work.
    pub(super) fn compile_price(&self) -> u64 {
        let bytes = self.forward.get_nfa().memory_usage() + self.backward.get_nfa().memory_usage();
        bytes as u64 / limits::PATTERN_BYTES_PER_WORK
    }

    /// The names of its groups, the whole first.
    pub(super) fn names(&self) -> impl Iterator<Item = Option<&str>> {
        self.forward.get_nfa().group_info().pattern_names(PatternID::ZERO)
    }

    /// Begins to search a text: what was learned about another one is forgotten, since what a
    /// search costs must not depend on it.
    pub(super) fn begin(&self) {
        let caches = &mut *self.caches.borrow_mut();
        caches.forward.reset(&self.forward);
        caches.backward.reset(&self.backward);
    }

    /// The first match at a place or behind it.
    pub(super) fn find(&self, text: &str, at: usize) -> Result<Option<Found>, Limit> {
        account::work(limits::WORK_PER_STEP)?;
        match self.quick(text, at) {
            Ok(found) => Ok(found),
            Err(Stop::Limit(limit)) => Err(limit),
            Err(Stop::GivenUp) => self.slow(&Input::new(text).range(at..)),
        }
    }

    /// Whether there is a match.
    pub(super) fn is_in(&self, text: &str) -> Result<bool, Limit> {
        account::work(limits::WORK_PER_STEP)?;
        let caches = &mut *self.caches.borrow_mut();
        match self.end(&mut caches.forward, text, 0, true) {
            Ok(end) => Ok(end.is_some()),
            Err(Stop::Limit(limit)) => Err(limit),
            Err(Stop::GivenUp) => {
                self.pay_slow(text.len())?;
                Ok(self.slow.is_match(&mut caches.slow, Input::new(text)))
            }
        }
    }

    fn quick(&self, text: &str, at: usize) -> Result<Option<Found>, Stop> {
        let span = {
            let caches = &mut *self.caches.borrow_mut();
            let Some(end) = self.end(&mut caches.forward, text, at, false)? else {
                return Ok(None);
            };
            account::work((end - at) as u64 / limits::BYTES_SEARCHED_PER_WORK)?;
            let input = Input::new(text).range(at..end).anchored(Anchored::Yes);
            let begin = self.backward.try_search_rev(&mut caches.backward, &input);
            let begin = begin.map_err(|_| Stop::GivenUp)?.ok_or(Stop::GivenUp)?;
            Span::from(begin.offset()..end)
        };
        if self.slow.get_nfa().group_info().group_len(PatternID::ZERO) == 1 {
            return Ok(Some(vec![Some(span)]));
        }
        Ok(self.slow(&Input::new(text).span(span).anchored(Anchored::Yes))?)
    }

    /// Where the first match ends, or with `earliest` where it is known that there is one.
    fn end(
        &self,
        cache: &mut Cache,
        text: &str,
        at: usize,
        earliest: bool,
    ) -> Result<Option<usize>, Stop> {
        let input = Input::new(text).range(at..);
        let mut walk = Walk { dfa: &self.forward, cache, places: self.places, states: 0 };
        let mut state =
            walk.dfa.start_state_forward(walk.cache, &input).map_err(|_| Stop::GivenUp)?;
        walk.pay_for_states()?;
        walk.cache.search_start(at);
        let mut end = None;
        for (place, byte) in text.bytes().enumerate().skip(at) {
            if (place - at).is_multiple_of(PIECE) {
                account::work(
                    (text.len() - place).min(PIECE) as u64 / limits::BYTES_SEARCHED_PER_WORK,
                )?;
            }
            walk.cache.search_update(place);
            state = walk.dfa.next_state(walk.cache, state, byte).map_err(|_| Stop::GivenUp)?;
            walk.pay_for_states()?;
            if state.is_match() {
                // A match is seen one byte late.
                end = Some(place);
                if earliest {
                    return Ok(end);
                }
            } else if state.is_dead() {
                return Ok(end);
            } else if state.is_quit() {
                return Err(Stop::GivenUp);
            }
        }
        state = walk.dfa.next_eoi_state(walk.cache, state).map_err(|_| Stop::GivenUp)?;
        walk.cache.search_finish(text.len());
        Ok(if state.is_match() { Some(text.len()) } else { end })
    }

    fn slow(&self, input: &Input<'_>) -> Result<Option<Found>, Limit> {
        self.pay_slow(input.end() - input.start())?;
        let groups = self.slow.get_nfa().group_info().group_len(PatternID::ZERO);
        let mut slots: Vec<Option<NonMaxUsize>> = vec![None; 2 * groups];
        let caches = &mut *self.caches.borrow_mut();
        if self.slow.search_slots(&mut caches.slow, input, &mut slots).is_none() {
            return Ok(None);
        }
        let span = |pair: &[Option<NonMaxUsize>]| match pair {
            [Some(start), Some(end)] => Some(Span::from(start.get()..end.get())),
            _ => None,
        };
        Ok(Some(slots.chunks(2).map(span).collect()))
    }

    /// Takes what following all places through so many bytes costs.
    fn pay_slow(&self, bytes: usize) -> Result<(), Limit> {
        let looks = (self.places + 2).saturating_mul(bytes as u64 + 1);
        account::work(looks / limits::PLACES_PER_WORK)
    }
}

/// A walk through a table that is made on the way.
struct Walk<'w> {
    dfa: &'w DFA,
    cache: &'w mut Cache,
    places: u64,
    /// What the table had at the last look.
    states: usize,
}

impl Walk<'_> {
    /// Takes what a state costs that was not there before.
    fn pay_for_states(&mut self) -> Result<(), Limit> {
        let states = self.cache.memory_usage();
        if states != self.states {
            self.states = states;
            account::work(1 + self.places / 4)?;
        }
        Ok(())
    }
}

/// Bytes that are paid for in one go.
const PIECE: usize = 256;

/// How many places a search may be at in a part of a pattern. The nesting of patterns is bounded,
/// and so is what this recurses.
fn places(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Repetition(it) => {
            let times = it.max.unwrap_or(it.min.saturating_add(1)).max(1);
            (1 + places(&it.sub)).saturating_mul(times.into())
        }
        HirKind::Capture(it) => 1 + places(&it.sub),
        HirKind::Concat(all) | HirKind::Alternation(all) => {
            all.iter().map(places).fold(0, u64::saturating_add)
        }
    }
}
