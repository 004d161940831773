//! What authors read when a document is wrong. Each report in `messages.txt` is the whole report of
//! one run.

use super::{folder, reading};

/// What is said of a document, line by line.
fn report(text: &str) -> String {
    match reading("w.yaml", text) {
        Ok(read) => {
            let said = |it: &tessera_manifest::Problem| {
                let hint = it.hint.as_deref().unwrap_or_default();
                format!("warning: {}:{}: {}: {}: {hint}\n", it.line, it.column, it.code, it.message)
            };
            read.warnings.iter().map(said).collect()
        }
        Err(problems) => problems.iter().map(|it| format!("{it}\n")).collect(),
    }
}

#[test]
fn every_mistake_is_said_at_its_place() {
    let file = folder("../reading/messages.txt");
    let expected = std::fs::read_to_string(&file).unwrap();
    let mut found = String::new();
    for case in expected.split("==== document\n").skip(1) {
        let (document, _) = case.split_once("==== report\n").expect("each document has a report");
        found += &format!("==== document\n{document}==== report\n{}", report(document));
    }
    if found != expected {
        let beside = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("messages.txt");
        std::fs::write(&beside, found).unwrap();
        panic!("compare {} with {}", file.display(), beside.display());
    }
}

/// The words are the expressions' own; here is only where they stand.
#[test]
fn mistakes_in_expressions_are_found_at_their_place() {
    let document = "document: { dsl: '1.0.3', namespace: test, name: a, version: '0.1.0' }
output: { as: '${ $task }' }
do:
  - a:
      if: .a >
      set: { x: '${ $output }' }
  - b: { set: { y: '${ $itm }', z: '${ $secrets.key }' } }
  - c: { for: { in: .x }, do: [{ d: { set: { x: '${ $item + $index }' } } }], output: { as: $item } }
  - e: { try: [{ f: { set: $error } }], catch: { as: e, when: $e, do: [{ g: { set: $e } }] } }
  - h: { set: '${ nosuch(1) }' }
";
    let problems = reading("w.yaml", document).unwrap_err();
    let line = |it: &String| it.split(':').next().unwrap().parse::<u32>().unwrap();
    assert_eq!(
        problems.iter().map(line).collect::<Vec<_>>(),
        [2, 5, 6, 7, 8, 9, 10],
        "{problems:#?}"
    );
    for problem in &problems {
        let code = problem.split(": ").nth(1).unwrap();
        assert!(["expression", "unknown_reference"].contains(&code), "{problem}");
    }
}
