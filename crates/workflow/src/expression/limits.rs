//! What an expression may cost. Each limit has its reason; docs/reference/expressions.md has them
//! for authors.

/// Bytes of an expression's text. Longer ones belong into a script; the longest in practice have
/// a few hundred.
pub(super) const SOURCE: usize = 64 * 1024;

/// How deep an expression may nest, counting brackets and the operators and keywords that are open
/// in each. Parsing and compiling take some kilobytes of stack for each level, and
/// [`COMPILE_STACK`] holds this many in a build without optimisation.
pub(super) const NESTING: usize = 500;

/// Bytes of stack on which expressions are compiled.
pub(super) const COMPILE_STACK: usize = 24 * 1024 * 1024;

/// Arguments of a function, and variables of a pattern: jaq takes stack for each when it binds
/// them.
pub(super) const BINDINGS: usize = 64;

/// Keys of a path that are followed in one go, for the same reason.
pub(super) const KEYS: usize = 16;

/// Pieces of a text and fields of an object that are added up in one go.
pub(super) const PIECES: usize = 16;

/// Steps of one evaluation. A step is a call, a round of a loop or an output that leaves a recursive
/// call, and an element that is looked at is half of one. In a build without optimisation the
/// dearest expressions that are known take 0.7 seconds of processor time for them.
pub(super) const STEPS: u64 = 200_000;

/// What one step is worth in units of work: comparing or printing a scalar costs one unit.
pub(super) const WORK_PER_STEP: u64 = 8;

/// Bytes of values that are walked through for one unit of work.
pub(super) const BYTES_WALKED_PER_WORK: u64 = 64;

/// Bytes of text whose characters are looked at one by one for one unit of work.
pub(super) const BYTES_READ_PER_WORK: u64 = 16;

/// Bytes that one evaluation may allocate for values, also when they were freed again. With the
/// stack and what jaq keeps for each step, an evaluation stays below 64 MiB.
pub(super) const BYTES: u64 = 24 * 1024 * 1024;

/// Steps of an evaluation that everything else waits for.
pub(super) const SMALL_STEPS: u64 = 10_000;

/// Bytes that such an evaluation may allocate.
pub(super) const SMALL_BYTES: u64 = 2 * 1024 * 1024;

/// Bytes of stack of an evaluation that may recurse.
pub(super) const STACK: usize = 8 * 1024 * 1024;

/// Bytes of stack on which an evaluation runs at least, if it cannot recurse. Whether it has a
/// value must not depend on who asks for it.
pub(super) const RED_ZONE: usize = 1024 * 1024;

/// Bytes of stack that must be left wherever steps are counted: what runs between two counts (a
/// few nested iterators, a walk through deep values, a regular expression's compiler) fits.
pub(super) const STEP_STACK: usize = 640 * 1024;

/// Bytes of stack that must be left wherever a walk through a value goes one level deeper: the
/// deepest value that there can be is dropped on less.
pub(super) const LEVEL_STACK: usize = 256 * 1024;

/// How deep the result of an expression may nest. JSON is read to a depth of 127 (by serde_json),
/// and a stored result has some levels around it.
pub(super) const RESULT_DEPTH: usize = 100;

/// Bytes of a result, about: 16 for each scalar, and those of texts, each as often as it occurs.
pub(super) const RESULT_BYTES: usize = 16 * 1024 * 1024;

/// How deep a value may nest while an expression is evaluated. It bounds the recursion of
/// everything that walks through values, dropping them included.
pub(super) const VALUE_DEPTH: u8 = 200;

/// How deep a value from outside the evaluation is assumed to nest: results, and the objects that
/// the machine makes around them.
pub(super) const OUTER_DEPTH: u8 = 110;

/// Keys of a path: a value is not deeper, but null can be indexed without end.
pub(super) const PATH_LENGTH: usize = 256;

/// The last index that an assignment may extend a list to. What is between is filled with null, so
/// that a slip of the pen costs memory.
pub(super) const LIST_EXTENT: usize = 100_000;

/// Bytes of a regular expression, and of its compiled program. The latter bounds what a search
/// costs for each character.
pub(super) const PATTERN: usize = 1024;
/// See [`PATTERN`].
pub(super) const PATTERN_PROGRAM: usize = 1024 * 1024;

/// Places that a search may be at in a regular expression: its characters, as often as they are
/// repeated.
pub(super) const PATTERN_PLACES: u64 = 20_000;

/// How deep a regular expression may nest.
pub(super) const PATTERN_NESTING: u32 = 50;

/// Bytes of the tables that a search makes on its way.
pub(super) const PATTERN_TABLE: usize = 256 * 1024;

/// Bytes of a compiled program that are made for one unit of work.
pub(super) const PATTERN_BYTES_PER_WORK: u64 = 32;

/// Bytes that a search goes through for one unit of work.
pub(super) const BYTES_SEARCHED_PER_WORK: u64 = 8;

/// Places of a pattern that are followed for one unit of work.
pub(super) const PLACES_PER_WORK: u64 = 8;

/// Bytes of text that a regular expression is applied to.
pub(super) const REGEX_TEXT: usize = 256 * 1024;

/// Characters of a value that an error message shows.
pub(super) const SHOWN: usize = 60;

/// Compiled expressions that are kept. A document has tens to hundreds.
pub(super) const CACHED: usize = 1024;

/// Bytes of the longest text whose program is kept.
pub(super) const CACHED_SOURCE: usize = 4 * 1024;
