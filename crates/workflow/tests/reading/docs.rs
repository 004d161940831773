//! The reference page is true: its examples are valid, and its codes are those that there are.

use std::path::Path;

use super::reading;

const PAGE: &str = "../../docs/reference/workflow-dsl.md";
const HEADER: &str =
    "document: { dsl: '1.0.3', namespace: test, name: a, version: '0.1.0' }\ndo:\n";

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap()
}

#[test]
fn every_example_on_the_page_is_valid_and_without_warnings() {
    let page = page();
    let mut count = 0;
    for block in page.split("\n```yaml,").skip(1) {
        let (mark, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n```").unwrap();
        let document = match mark {
            "workflow" => text.to_owned(),
            "tasks" => format!("{HEADER}{text}\n"),
            other => panic!("{other}"),
        };
        count += 1;
        let read = reading(mark, &document).unwrap_or_else(|it| panic!("{it:#?}\n{document}"));
        assert!(read.warnings.is_empty(), "{:?}\n{document}", read.warnings);
    }
    assert!(count >= 14, "{count}");
}

#[test]
fn every_task_has_its_section() {
    let page = page();
    for kind in [
        "call", "do", "emit", "for", "fork", "listen", "raise", "run", "set", "switch", "try",
        "wait",
    ] {
        assert!(page.contains(&format!("\n### {kind}\n")), "{kind}");
    }
}

#[test]
fn every_code_is_on_the_page() {
    use tessera_workflow::reading::code::*;
    let page = page();
    let (problems, warnings) = page.split_once("\nWarnings keep nothing").unwrap();
    for code in [
        EXPRESSION,
        UNSUPPORTED,
        UNSUPPORTED_VERSION,
        UNKNOWN_REFERENCE,
        UNKNOWN_TASK,
        DUPLICATE_NAME,
        RECURSION,
        INVALID_SCHEMA,
        SCHEMA,
    ] {
        assert!(problems.contains(&format!("\n| `{code}` |")), "{code}");
    }
    for code in [UNREACHABLE, LOST_EXPRESSION, HIDDEN_VARIABLE, RESERVED_NAME] {
        assert!(warnings.contains(&format!("`{code}` (")), "{code}");
    }
}
