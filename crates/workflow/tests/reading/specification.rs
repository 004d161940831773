//! The specification's examples and conformance features are valid.

use super::{files, reading};

/// The examples that use what is not supported, and what of it.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("call-asyncapi-publish.yaml", "calls of asyncapi"),
    ("call-asyncapi-subscribe-consume-amount.yaml", "calls of asyncapi"),
    ("call-asyncapi-subscribe-consume-forever-foreach.yaml", "calls of asyncapi"),
    ("call-asyncapi-subscribe-consume-until.yaml", "calls of asyncapi"),
    ("call-asyncapi-subscribe-consume-while.yaml", "calls of asyncapi"),
    ("call-grpc.yaml", "calls of grpc"),
    ("call-mcp.yaml", "calls of mcp"),
    ("schedule-cron.yaml", "schedules"),
    ("schedule-event-driven.yaml", "schedules"),
    ("set-expression.yaml", "schedules"),
    ("set.yaml", "schedules"),
];

#[test]
fn every_example_is_valid() {
    let mut unsupported = Vec::new();
    for (name, text) in files("examples", "yaml") {
        match reading(&name, &text) {
            Ok(read) => assert!(read.workflow.first().is_some(), "{name}"),
            Err(problems) => {
                let [problem] = &problems[..] else { panic!("{name}: {problems:#?}") };
                let what = problem
                    .split(": unsupported: ")
                    .nth(1)
                    .unwrap_or_else(|| panic!("{name}: {problem}"));
                let what = what.split(" are not supported").next().unwrap();
                unsupported.push((name, what.to_owned()));
            }
        }
    }
    let unsupported: Vec<_> = unsupported.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(unsupported, UNSUPPORTED);
}

#[test]
fn the_document_of_every_conformance_feature_is_valid() {
    let mut count = 0;
    for (name, text) in files("ctk", "feature") {
        for document in definitions(&text) {
            count += 1;
            if let Err(problems) = reading(&name, &document) {
                panic!("{name}: {problems:#?}\n{document}");
            }
        }
    }
    assert_eq!(count, 8, "the documents of the features were found");
}

/// The texts after "Given a workflow with definition".
fn definitions(feature: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = feature.lines();
    while let Some(line) = lines.next() {
        if !line.trim().starts_with("Given a workflow with definition") {
            continue;
        }
        let indent = lines.next().map_or(0, |line| line.len() - line.trim_start().len());
        let text = lines.by_ref().take_while(|line| line.trim() != "\"\"\"");
        let text = text.map(|line| line.get(indent..).unwrap_or_default());
        found.push(text.collect::<Vec<_>>().join("\n") + "\n");
    }
    found
}
