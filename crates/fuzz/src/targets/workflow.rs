//! Documents of workflows, and those that a run meets on its way.

use tessera_workflow::graph::mermaid;
use tessera_workflow::machine::Reader;
use tessera_workflow::reading::{Documents, Source, read, read_function};

use super::{chosen, format, have_places};

/// The first byte says what the rest is: `f` a function, `s` a schema, else a workflow.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, text)) = chosen(bytes) else { return };
    match first {
        b'f' => {
            let source = Source::new("f", text);
            if let Err(problems) = read_function("log", "", source, format(b'y')) {
                have_places(&problems, text);
            }
        }
        b's' => match Documents.schema(text) {
            Ok(schema) => drop(Documents.check(&schema, &tessera_workflow::value::Value::Null)),
            Err(why) => assert!(!why.is_empty()),
        },
        first => workflow(first, text),
    }
}

fn workflow(first: u8, text: &str) {
    match read(Source::new("f", text), format(first)) {
        Err(problems) => have_places(&problems, text),
        Ok(reading) => {
            if !reading.warnings.is_empty() {
                have_places(&reading.warnings, text);
            }
            assert!(mermaid(&reading.workflow).starts_with("flowchart"));
            let again = read(Source::new("f", text), format(first)).expect("it was read before");
            assert_eq!(again.warnings.len(), reading.warnings.len());
        }
    }
}
