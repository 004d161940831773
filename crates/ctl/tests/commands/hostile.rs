//! Documents that mean harm end in an error that says so, within bounds of time and memory.

use std::path::Path;

use tempfile::TempDir;

use crate::program::run_bounded;

const HEAD: &str = "document: {dsl: '1.0.3', namespace: test, name: hostile, version: '0.1.0'}\n";

/// Address space that each run has, in bytes.
const MEMORY_MAX: u64 = 1 << 30;

/// What is wrong with a document that is refused, or with what one does; and the exit codes of
/// `lint` and `run`.
fn ends(rest: &str, codes: [i32; 2], says: &str) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("hostile.yaml");
    std::fs::write(&file, format!("{HEAD}{rest}")).unwrap();
    let shown = rest.get(..80).unwrap_or(rest);
    assert_eq!(scenario("lint", &file, folder.path()).0, codes[0], "{shown}");
    let (code, said) = scenario("run", &file, folder.path());
    assert_eq!(code, codes[1], "{shown}: {said}");
    assert!(said.contains(says), "{shown}: {said}");
}

fn scenario(action: &str, file: &Path, folder: &Path) -> (i32, String) {
    let mut arguments = vec!["scenario", action, file.to_str().unwrap()];
    if action == "run" {
        arguments.extend(["--workflows", folder.to_str().unwrap()]);
    }
    let ended = run_bounded(MEMORY_MAX, &arguments);
    (ended.code, ended.stdout + &ended.stderr)
}

#[test]
fn documents_that_are_too_much_are_refused() {
    let aliases =
        |n: usize| format!("  a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","));
    let bomb: String = (1..9).map(aliases).collect();
    let bomb = format!("metadata:\n  a0: &a0 [x, x]\n{bomb}do: [{{a: {{set: {{x: 1}}}}}}]\n");
    ends(&bomb, [1, 2], "too_large");
    let deep = format!("do: {}{}\n", "[{a: {do: ".repeat(5000), "}}]".repeat(5000));
    ends(&deep, [1, 2], "too_deep");
    let long = format!("do: [{{a: {{set: {{x: '{}'}}}}}}]\n", "x".repeat(100_000_000));
    ends(&long, [1, 2], "too_large");
    let circle = "use: {functions: {f: {call: g}, g: {call: f}}}\ndo: [{s: {call: f}}]\n";
    ends(circle, [1, 2], "recursion");
}

#[test]
fn expressions_that_never_end_are_ended() {
    for (expression, says) in [
        ("def f: f; f", "steps"),
        ("[range(1e12)]", "steps"),
        ("\"x\" * 100000000", "MiB"),
        ("reduce range(60) as $i (\"x\"; . + .)", "MiB"),
    ] {
        ends(&format!("do: [{{a: {{set: '${{ {expression} }}'}}}}]\n"), [0, 1], says);
    }
}

#[test]
fn runs_that_never_end_are_ended() {
    ends("do: [{a: {set: {x: 1}}}, {b: {set: {x: 2}, then: a}}]\n", [0, 1], "endless loop");
    let retried = "do: [{t: {try: [{r: {raise: {error: {type: 'https://e.example', status: 500}}}}], \
                   catch: {retry: {}}}}]\n";
    ends(retried, [0, 1], "endless loop");
    let branches: String = (0..21_000).map(|n| format!("b{n}: {{wait: PT1H}}}}, {{")).collect();
    let fork = format!("do: [{{f: {{fork: {{branches: [{{{branches}z: {{wait: PT1H}}}}]}}}}}}]\n");
    ends(&fork, [0, 1], "active at once");
    let own = "{namespace: test, name: hostile, version: '0.1.0', input: {x: 1}}";
    let within = format!("do: [{{s: {{run: {{workflow: {own}}}}}}}]\n");
    ends(&within, [0, 1], "within each other");
    let output = "do: [{a: {run: {shell: {command: 'yes'}}}}]\n";
    ends(output, [0, 1], "wrote more than");
    // Each starts the next and does not wait for it.
    let beside = format!("do: [{{s: {{run: {{workflow: {own}, await: false}}}}}}]\n");
    ends(&beside, [0, 0], "{}");
}
