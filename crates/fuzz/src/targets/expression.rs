//! Runtime expressions. Everyday ones of pipelines have a small budget, which is taken here, so that
//! an input costs little.

use std::sync::Arc;

use serde_json::json;
use tessera_workflow::expression::{Budget, Expression, NOW, Variables};
use tessera_workflow::value::from_json;

/// The whole is the program.
pub(super) fn run(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let names: [Arc<str>; 3] = ["context".into(), "secrets".into(), NOW.into()];
    let expression = match Expression::compile(source, &names) {
        Ok(expression) => expression,
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "it failed without a mistake");
            for mistake in mistakes {
                assert!(source.get(mistake.at.clone()).is_some(), "{mistake:?} is nowhere");
                assert!(!mistake.message.is_empty());
            }
            return;
        }
    };
    let input = json!({
        "name": "web", "count": 3, "ratio": -0.5, "none": null, "big": 18_446_744_073_709_551_615_u64,
        "tags": ["a", "b", "ü", ""], "nested": {"list": [[1, 2], [], {"x": {"y": [true, false]}}]},
        "at": "2026-05-01T08:00:00Z",
    });
    let variables: Variables = [
        ("context".into(), from_json(json!({"user": {"id": 7}}))),
        (NOW.into(), from_json(json!(1_777_622_400))),
    ]
    .into();
    let input = from_json(input);
    let evaluate = || Budget::SMALL.bounds(|| expression.evaluate(&input, &variables));
    let (first, second) = (evaluate(), evaluate());
    match (first, second) {
        (Ok(first), Ok(second)) => assert_eq!(first.to_string(), second.to_string()),
        (Err(first), Err(second)) => assert_eq!(first, second),
        (first, second) => panic!("once {first:?}, then {second:?}"),
    }
}
