//! What agents say, and what lists are asked for.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tessera_api::ListQuery;
use tessera_control::fuzzing;
use tessera_reconciler::World;
use tessera_types::{Name, Problem, Workload};

use super::chosen;

/// The first byte says which: `r` an introduction, `s` a heartbeat, `p` reports, `c` a part of a
/// log, else a query of a list.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, text)) = chosen(bytes) else { return };
    let node = Name::new("node-1").expect("it is a name");
    match first {
        b'r' => checked(text, |body| fuzzing::registration(&node, body)),
        b's' => checked(text, |body| fuzzing::sync(&node, body)),
        b'c' => checked(text, |body| fuzzing::log_chunk(&node, body)),
        b'p' => checked(text, |body| {
            for told in fuzzing::reports(body).into_iter().filter_map(Result::err) {
                assert!(!told.is_empty() && told.len() < 10_000, "{told}");
            }
            Ok(())
        }),
        _ => {
            let Ok(query) = serde_json::from_str::<ListQuery>(text) else { return };
            if let Err(error) = fuzzing::list::<Workload>(&World::default(), &query) {
                is_the_callers(error.problem());
            }
        }
    }
}

fn checked<T: DeserializeOwned>(text: &str, check: impl Fn(&T) -> Result<(), Problem>) {
    // As Dropshot reads a body.
    let Ok(body) = serde_json::from_str::<Value>(text).and_then(serde_json::from_value) else {
        return;
    };
    if let Err(problem) = check(&body) {
        is_the_callers(&problem);
    }
}

fn is_the_callers(problem: &Problem) {
    assert!((400..500).contains(&problem.status), "{problem:?}");
    assert!(!problem.detail.is_empty() && problem.detail.len() < 10_000, "{problem:?}");
}
