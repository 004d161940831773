//! Which parameters a query may have.
//!
//! Dropshot reads the parameters that a handler wants and leaves all others alone. One that is
//! misspelt would then change what is asked for and nobody would know: `?dry-run=true` would
//! declare. So what the OpenAPI document does not have is refused, whatever the operation.

use std::collections::HashMap;

use serde::Deserialize;
use tessera_types::problem::Code;
use tessera_types::{Problem, limits, nearest};

/// A name longer than this is not shown whole.
const SHOWN_BYTES: usize = 100;

/// The parameters of each operation, by its id.
#[derive(Debug)]
pub(crate) struct Queries(HashMap<String, Vec<String>>);

impl Queries {
    /// Those of an OpenAPI document.
    ///
    /// # Panics
    /// Where it is none: it is the program's own, and every query would be refused.
    pub(crate) fn of(document: &str) -> Self {
        let Document { paths } =
            serde_json::from_str(document).expect("the program's own OpenAPI document can be read");
        let operations = paths.into_values().flat_map(HashMap::into_values);
        Self(operations.map(|it| (it.operation_id, of_query(it.parameters))).collect())
    }

    /// Refuses a query that has another parameter than the operation.
    pub(crate) fn check(&self, operation: &str, query: Option<&str>) -> Result<(), Problem> {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(()) };
        let known = self.0.get(operation).map(Vec::as_slice).unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        // No name of a parameter needs an encoding, so one that has one is another.
        let mut names = pairs.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
        match names.find(|name| !known.iter().any(|known| known == name)) {
            Some(name) => Err(unknown(name, known)),
            None => Ok(()),
        }
    }
}

/// What of a document is looked at. Nothing else of it is kept, not even for a moment: its
/// values take six times its bytes, which would stay with the process.
#[derive(Default, Deserialize)]
struct Document {
    paths: HashMap<String, HashMap<String, Operation>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_id: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    r#in: String,
    name: String,
}

/// The names of the parameters of the query.
fn of_query(parameters: Vec<Parameter>) -> Vec<String> {
    parameters.into_iter().filter(|it| it.r#in == "query").map(|it| it.name).collect()
}

fn unknown(name: &str, known: &[String]) -> Problem {
    let shown = limits::clip(name, SHOWN_BYTES);
    let detail = format!("there is no query parameter `{}` here", shown.escape_debug());
    let near = nearest(name, known.iter().map(String::as_str));
    let remedy = match (near, known) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "leave the query away: there are no parameters".to_owned(),
        (None, known) => format!("known are {}", known.join(", ")),
    };
    Problem::new(Code::InvalidRequest, detail).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(operation: &str, query: &str) -> Option<String> {
        let document = r#"{"paths": {"/v1/a": {
            "get": {"operationId": "a_list", "parameters": [
                {"in": "query", "name": "limit"}, {"in": "query", "name": "dry_run"},
                {"in": "path", "name": "name"}
            ]},
            "post": {"operationId": "a_make"}
        }}}"#;
        let problem = Queries::of(document).check(operation, Some(query)).err()?;
        assert_eq!(problem.code, Code::InvalidRequest);
        Some(format!("{}: {}", problem.detail, problem.remedy.unwrap()))
    }

    #[test]
    fn only_what_the_document_has_is_let_through() {
        for query in ["", "limit=3", "dry_run=true&limit=", "&&limit=%33&"] {
            assert_eq!(told("a_list", query), None, "{query}");
        }
        let begin = "there is no query parameter";
        for (operation, query, end) in [
            ("a_list", "limit=1&dry-run=true", "`dry-run` here: did you mean `dry_run`?"),
            ("a_list", "name=x", "`name` here: known are limit, dry_run"),
            ("a_list", "=x", "`` here: known are limit, dry_run"),
            ("a_make", "x", "`x` here: leave the query away: there are no parameters"),
            ("unknown", "x", "`x` here: leave the query away: there are no parameters"),
        ] {
            assert_eq!(told(operation, query), Some(format!("{begin} {end}")), "{query}");
        }
    }
}
