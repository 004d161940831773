//! Pictures of the specification's examples, and of names that are no names to Mermaid.

use tessera_workflow::graph::mermaid;

use super::{folder, reading};

#[test]
fn pictures_of_examples() {
    for name in [
        "for",
        "fork",
        "listen-to-any-forever-foreach",
        "switch-then-string",
        "try-catch-retry-inline",
        "try-catch-then",
        "try-catch-then-directive",
    ] {
        let text =
            std::fs::read_to_string(folder("examples").join(format!("{name}.yaml"))).unwrap();
        let picture = mermaid(&reading(name, &text).unwrap().workflow);
        let file = folder("../reading/graphs").join(format!("{name}.mmd"));
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if picture != expected {
            let beside =
                std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.mmd"));
            std::fs::write(&beside, &picture).unwrap();
            panic!("compare {} with {}:\n{picture}", file.display(), beside.display());
        }
    }
}

#[test]
fn names_and_expressions_cannot_leave_their_quotes() {
    let document = r##"
document: { dsl: '1.0.3', namespace: test, name: a, version: '0.1.0' }
do:
  - "end\"] --> x[\"<b>&#1;`{":
      if: '"a|b" | test("\\\\")'
      do:
        - empty: { do: [] }
        - leave: { set: { x: 1 }, then: exit }
      then: end
  - last: { wait: { seconds: 90 } }
"##;
    let picture = mermaid(&reading("names", document).unwrap().workflow);
    let expected = r##"flowchart TD
  start([start])
  subgraph t1["end#quot;#93; --#62; x#91;#quot;#60;b#62;#38;#35;1#59;#96;#123;: do<br>if #quot;a#124;b#quot; #124; test#40;#quot;#92;#92;#92;#92;#quot;#41;"]
    subgraph t2["empty: do"]
      t2_nothing[" "]
    end
    t3["leave: set"]
    t1_exit(( ))
  end
  t4("last: wait 1m30s")
  finish([end])
  t2 --> t3
  t3 --> t1_exit
  start --> t1
  t1 -->|"skipped"| t4
  t1 --> finish
  t4 --> finish
"##;
    assert_eq!(picture, expected, "{picture}");
}

#[test]
fn a_task_that_may_be_skipped_is_never_the_last_that_can_be_reached() {
    let document = r##"
document: { dsl: '1.0.3', namespace: test, name: a, version: '0.1.0' }
do:
  - check: { if: .bad, raise: { error: { type: https://a.example/bad, status: 400 } } }
  - choose:
      if: .many
      switch:
        - one: { when: .one, then: last }
        - rest: { then: end }
  - last: { set: { x: 1 } }
"##;
    let picture = mermaid(&reading("skipped", document).unwrap().workflow);
    let arrows = picture.lines().filter(|line| line.contains("-->"));
    let expected = [
        "start --> t1",
        "t1 -->|\"skipped\"| t2",
        "t2 -->|\"skipped\"| t3",
        "t2 -->|\"one: .one\"| t3",
        "t2 -->|\"rest\"| finish",
        "t3 --> finish",
    ];
    assert_eq!(arrows.map(str::trim).collect::<Vec<_>>(), expected, "{picture}");
}
