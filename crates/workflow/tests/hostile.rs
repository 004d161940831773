//! Expressions that are meant to hurt: each ends in a value or in the error of a limit, on the
//! stack that it is given, within the memory that is stated, and its work is counted.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "what a program takes is measured in a process of its own"
)]

use std::process::Command;
use std::sync::Arc;

use tessera_workflow::expression::{Expression, Variables};
use tessera_workflow::value::Value;

/// What a program gives for null, or the text of its error.
fn evaluate(source: &str) -> Result<Value, String> {
    let expression = Expression::compile(source, &[]);
    let expression = expression.unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
    expression.evaluate(&Value::Null, &Variables::new()).map_err(|error| error.to_string())
}

/// The same where hardly any stack is left.
fn evaluate_on(stack_bytes: usize, source: &str) -> Result<Value, String> {
    stacker::grow(stack_bytes, || evaluate(source))
}

/// Paths that are longer than a stack is deep.
const LONG_PATHS: &[&str] = &[
    "null | setpath([range(50000) | \"a\"]; 1)",
    "(null | setpath([range(3000) | \"a\"]; 1)) == 1",
    "null | setpath([range(50000) | 0]; 1)",
    "null | setpath([range(50000) | {start: 0, end: 1}]; [1])",
    "null | try setpath([range(50000) | \"a\"]; 1) catch 1",
    "null | delpaths([[range(50000) | \"a\"]])",
    "[[]] | delpaths([[range(50000) | 0]])",
    "fromstream([[range(50000) | \"a\"], 1], [[\"a\"]])",
    "[1 | truncate_stream([[0], 1], [[1, 0]])] | setpath([range(50000)]; 1)",
    "null | getpath([range(50000) | \"a\"]) = 1",
    "null | getpath([range(50000) | \"a\"]) |= 1",
    "null | getpath([range(50000) | \"a\"]) += 1",
    "null | del(getpath([range(50000) | \"a\"]))",
    "null | pick(getpath([range(50000) | \"a\"]))",
    "null | [paths(getpath([range(50000) | \"a\"]))] | setpath([range(300) | \"a\"]; .)",
    "null | limit(3; setpath([range(50000) | \"a\"]; 1))",
    "reduce range(9) as $i (null; setpath([range(200) | \"a\"]; .))",
];

#[test]
fn long_paths_are_refused_before_they_are_followed() {
    for source in LONG_PATHS {
        for stack in [1, 300 * 1024, 1100 * 1024, 4 << 20] {
            let outcome = evaluate_on(stack + (64 << 10), source);
            let error = match outcome {
                Err(error) => error,
                Ok(value) => panic!("{source}: {value:.60}"),
            };
            let known = error.contains("more than 256 keys") || error.contains("levels deep");
            assert!(known, "{source}: {error}");
        }
    }
}

/// Values as deep as they may be, and what walks through them.
const DEEP: &[&str] = &[
    "D | tojson | length",
    "D == D",
    "[D, D] | sort | length",
    "[D, D] | unique | length",
    "D | [..] | length",
    "D | [paths] | length",
    "D | [tostream] | length",
    "D as $d | [$d, $d] | index([$d])",
    "D | contains(D)",
    "D | flatten | length",
    "D * D | length",
    "D + D | length",
    "D | [leaf_paths] | length",
    "D | getpath([paths] | last) | type",
    "D | delpaths([paths]) | type",
    "D | (.. |= .) | length",
    "D | [tostream] | fromstream(.[]) | length",
    "D | map_values(empty) | length",
    "D as $d | {a: $d} | setpath([\"a\", \"a\"]; $d) | length",
    "[limit(3; repeat(D))] | length",
    "D | @json \"\\(.)\" | length",
    "D | error",
    "D + 1",
    "D | group_by(.) | length",
    "[D, nan, infinite] | length",
    "D | has(D)",
    "D | implode",
    "D | setpath([range(200) | 0]; 1)",
    "D | setpath([range(200) | \"a\"]; D)",
];

/// A value must not depend on how much stack there is where it is asked for.
#[test]
fn deep_values_are_walked_through_on_any_stack() {
    let lists = "(reduce range(198) as $i (1; [.]))";
    let objects = "(reduce range(198) as $i (1; {a: .}))";
    for deep in [lists, objects] {
        for source in DEEP {
            let source = source.replace('D', deep);
            let outcomes = [1, 500 << 10, 1000 << 10, 1100 << 10, 8 << 20]
                .map(|stack| evaluate_on(stack + (64 << 10), &source));
            for outcome in &outcomes {
                assert_eq!(*outcome, outcomes[0], "{source}");
                assert!(!matches!(outcome, Err(error) if error.contains("recurses")), "{source}");
            }
        }
    }
}

/// The same at the end of a recursion, where little stack is left.
#[test]
fn deep_values_are_walked_through_where_a_recursion_ends() {
    let walks = [
        "$d == $e",
        "$d | tojson",
        "$d | contains($e)",
        "$d * $e",
        "[$d, $e] | sort",
        "$d | setpath([range(256) | \"b\"]; $e)",
        "[$d | tostream]",
        "\"[\" * 120 + \"]\" * 120 | fromjson | [., $d]",
    ];
    for walk in walks {
        let source = format!(
            "(reduce range(198) as $i (1; {{a: .}})) as $d | (reduce range(198) as $i (1; {{a: .}})) \
             as $e | def f: ({walk}) as $x | 1 + f; f"
        );
        let outcome = evaluate(&source);
        let error = outcome.expect_err("it never ends");
        assert!(error.contains("the expression") || error.contains("levels deep"), "{error}");
    }
}

/// A value that was given and nests as deep as JSON is read.
#[test]
fn input_as_deep_as_json_does_no_harm() {
    let mut deep = Value::from(1_usize);
    for _ in 0..126 {
        deep = Value::Arr(Arc::new(vec![deep]));
    }
    for source in ["setpath(.; 1)", ". == .", "tojson | fromjson", "[..] | length", "[.] | flatten"]
    {
        let expression = Expression::compile(source, &[]).expect("jq");
        let evaluate = || expression.evaluate(&deep, &Variables::new());
        let (little, much) = (stacker::grow(64 << 10, evaluate), stacker::grow(8 << 20, evaluate));
        assert_eq!(little, much, "{source}");
    }
}

/// Programs that took minutes, or far more memory than is stated: a tab, and what of their error
/// shows that they are counted. Those that come to their end have the value instead.
const COUNTED: &str = include_str!("expressions/hostile-large.tsv");

/// Large, deep and odd values.
const SOURCES: &[&str] = &[
    "(\"a\" * 3000000)",
    "(\"ä\" * 1000000)",
    "(\"\\u0001\" * 700000)",
    "(\"ab,\" * 400000)",
    "(\"a b \" * 50000)",
    "(\"%255Y\" * 10000)",
    "(\"[\" * 100 + \"]\" * 100)",
    "(\"[\" + \"{\\\"a\\\":1},\" * 5000 + \"1]\")",
    "[range(100000)]",
    "[range(3000) | tostring]",
    "[range(300) | \"a\"]",
    "[limit(50; repeat(\"b\" * 100000))]",
    "(reduce range(190) as $i (1; [.]))",
    "(reduce range(190) as $i (1; {a: .}))",
    "(reduce range(40) as $i ([1]; [., .]))",
    "(reduce range(40) as $i ({}; {a: ., b: .}))",
    "{(\"k\" * 3000000): 1}",
    "([range(5000) | {(\"k\\(.)\"): .}] | add)",
    "([range(90000)] as $all | reduce range(150) as $i ($all; [.]))",
    "infinite",
    "nan",
    "-1",
    "\"[ab]*a[ab]{3000}c\"",
    "\"a*?b|a\"",
];

const FUNCTIONS: &[&str] = &[
    "length",
    "utf8bytelength",
    "keys",
    "keys_unsorted",
    "add",
    "sort",
    "unique",
    "reverse",
    "flatten",
    "to_entries",
    "from_entries",
    "tojson",
    "tostring",
    "tonumber",
    "fromjson",
    "explode",
    "implode",
    "ascii_downcase",
    "trim",
    "ltrim",
    "min",
    "max",
    "transpose",
    "combinations",
    "[..]",
    "[paths]",
    "[leaf_paths]",
    "[tostream]",
    "fromstream(tostream)",
    "@csv",
    "@tsv",
    "@html",
    "@uri",
    "@sh",
    "@base64",
    "@base64d",
    "@base32",
    "@base32d",
    "@json",
    "@text",
    "@urid",
    "floor",
    "not",
    "type",
    "first",
    "last",
    "any",
    "all",
    "todate",
    "fromdate",
    "gmtime",
    "mktime",
    "walk(.)",
    "map(.)",
    "map_values(.)",
    "[.[]?]",
    "[.[]? | .[]?]",
    ".[0:9]",
    ".[-3:]",
    "del(.[0])",
    "del(..)",
    "with_entries(.)",
    "group_by(.)",
    "sort_by(-1)",
    "(.. |= .)",
    "isvalid(error)",
    "[splits(\"a\")]",
    "ascii",
    "@json \"\\(.)\"",
    "error",
    "(. + .)",
    "(. - .)",
    "(. * .)",
    "(. / .)",
    "[., .]",
    "{a: ., b: .}",
    "(. == .)",
    "(. < .)",
    "[limit(9; .[]?)]",
];

const OF_TWO: &[&str] = &[
    "A | has(B)",
    "A | contains(B)",
    "A | inside(B)",
    "A | indices(B)",
    "A | index(B)",
    "A | split(B)",
    "A | join(B)",
    "A | startswith(B)",
    "A | endswith(B)",
    "A | ltrimstr(B)",
    "A | rtrimstr(B)",
    "A | trimstr(B)",
    "A | test(B)",
    "A | [match(B; \"g\")]",
    "A | gsub(B; \"x\")",
    "A | sub(B; \"\")",
    "A | [scan(B)]",
    "A | splits(B)",
    "A | capture(B)",
    "A | strftime(B)",
    "A | strptime(B)",
    "A | bsearch(B)",
    "A | flatten(B)",
    "A | getpath(B)",
    "A | setpath(B; 1)",
    "1 | setpath(A; B)",
    "null | setpath(A; B)",
    "A | delpaths([B])",
    "A | delpaths(B)",
    "A[B]?",
    "A | .[B]? = 1",
    "A + B",
    "A - B",
    "A * B",
    "A / B",
    "A % B",
    "A == B",
    "A < B",
    "[A, B] | sort",
    "[A, B] | unique",
    "[A, B] | min",
    "A | [paths(B)]",
    "A | pick(first)",
    "A | IN(B)",
    "A | INDEX(B)",
    "A | combinations(2)",
    "A | ([.[]?] | map(B))",
    "A | [limit(3; B)]",
    "A | range(B)",
    "{(A | tostring): B}",
    "A | error(B)",
    "try error(A) catch B",
    "A as [$x, $y] | B",
    "A | .a += B",
    "A | . //= B",
    "A | to_entries | map(B)",
    "[A, B] | tojson",
    "[A, B] | @csv",
    "[A, B] | transpose",
    "A | truncate_stream(B)",
    "A | test(\"(a?){50}\" + \"b\"; \"g\")",
    "A | test(\"\\\\w+ \\\\w+x\")",
    "\"\\(A)\\(B)\"",
    "@uri \"\\(A)\\(B)\"",
];

/// A generator of numbers, the same in each run.
struct Chance(u64);

impl Chance {
    fn of<'s>(&mut self, all: &[&'s str]) -> &'s str {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all[usize::try_from(self.0 >> 33).expect("31 bits") % all.len()]
    }

    fn value(&mut self) -> String {
        let source = self.of(SOURCES);
        match self.of(&["", "", "|"]) {
            "" => source.to_owned(),
            _ => format!("({source} | {})", self.of(FUNCTIONS)),
        }
    }

    fn program(&mut self) -> String {
        let (left, right) = (self.value(), self.value());
        let two = |of: &str| of.replace('B', "$right").replace('A', "$left");
        let work = match self.of(&["one", "two", "two", "loop", "long loop"]) {
            "one" => format!("$left | {} | {}", self.of(FUNCTIONS), self.of(FUNCTIONS)),
            "two" => format!("{} | {}", two(self.of(OF_TWO)), self.of(FUNCTIONS)),
            "loop" => format!("reduce range(100000) as $i (0; $left | {} | 0)", self.of(FUNCTIONS)),
            _ => format!("reduce range(100000) as $i (0; ({} | 0)?)", two(self.of(OF_TWO))),
        };
        format!("try ({left}) catch 1 | . as $left | (try ({right}) catch 1) as $right | {work}")
    }
}

/// Bytes of memory that an evaluation takes at most, as `limits.rs` and the reference state.
const MEMORY: usize = 64 << 20;

/// Seconds of processor time for a share: many times what it takes without optimisation, and a
/// small part of what one program takes that is not counted.
const CPU_SECONDS: u32 = 300;

/// Runs a share of the programs in a process of its own, whose memory is bounded and measured.
fn in_a_child(share: &str) {
    let limits =
        format!("ulimit -t {CPU_SECONDS} -v {}; exec \"$@\"", (MEMORY + (400 << 20)) >> 10);
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new("sh")
        .args(["-c", &limits, "sh"])
        .arg(program)
        .args(["--exact", "a_share", "--ignored", "--nocapture", "--test-threads", "1"])
        .env("HOSTILE_SHARE", share)
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert!(said.contains("1 passed"), "{said}");
}

/// What the process has held at most since it began, in bytes.
fn memory_peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024
}

fn programs(share: &str) -> Vec<(String, Option<&'static str>)> {
    if share == "counted" {
        let pair = |line: &'static str| line.split_once('\t').expect("a tab between the columns");
        return COUNTED.lines().map(pair).map(|(it, says)| (it.to_owned(), Some(says))).collect();
    }
    let (seed, count) = share.split_once('/').expect("a seed and a count");
    let mut chance = Chance(seed.parse().expect("a number"));
    (0..count.parse().expect("a number")).map(|_| (chance.program(), None)).collect()
}

/// What the tests below run in a process of its own. By hand:
/// `HOSTILE_SHARE=1/1000 cargo test --release --test hostile a_share -- --ignored --nocapture`.
#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn a_share() {
    let share = std::env::var("HOSTILE_SHARE").expect("HOSTILE_SHARE says which");
    evaluate("[range(9)] | tojson").expect("it warms up what is kept");
    let before = memory_peak();
    let (mut slowest, mut wrong) = (Vec::new(), Vec::new());
    for (program, says) in programs(&share) {
        let began = std::time::Instant::now();
        let outcome = match evaluate(&program) {
            Ok(value) => format!("{value:.100}"),
            Err(error) => error,
        };
        slowest.push((began.elapsed(), program.clone()));
        // What a panic is told as.
        let panics = outcome.contains("cannot be evaluated");
        if panics || says.is_some_and(|says| !outcome.contains(says)) {
            wrong.push(format!("{program}: {outcome:.200}"));
        }
        let peak = memory_peak() - before;
        if peak > MEMORY {
            wrong.push(format!("{program}: {} MiB", peak >> 20));
            break;
        }
    }
    slowest.sort();
    for (time, program) in slowest.iter().rev().take(8) {
        println!("{time:?}\t{program}");
    }
    println!("{} MiB at most", (memory_peak() - before) >> 20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_goes_through_large_values_is_counted() {
    in_a_child("counted");
}

#[test]
fn random_programs_stay_within_their_bounds() {
    in_a_child("1/60");
}

#[test]
fn more_random_programs_stay_within_their_bounds() {
    in_a_child("2/60");
}
