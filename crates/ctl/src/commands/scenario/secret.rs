//! Secrets on the command line: by reference, as what is written there can be read by everybody on
//! the machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tessera_workflow::definition::Workflow;
use tessera_workflow::value::{Value, from_json};

use super::document::text;
use crate::failure::Failure;

/// A secret and where its value is.
#[derive(Clone, Debug)]
struct Secret {
    name: Arc<str>,
    from: From,
}

#[derive(Clone, Debug)]
enum From {
    File(String),
    Variable(String),
}

impl std::str::FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What was given may be the secret itself, so it is not repeated.
        let wrong = || "a secret is NAME=@FILE or NAME=env:VARIABLE".to_owned();
        let (name, from) =
            text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        let from = match (from.strip_prefix('@'), from.strip_prefix("env:")) {
            (Some(file), _) if !file.is_empty() => From::File(file.to_owned()),
            (_, Some(variable)) if !variable.is_empty() => From::Variable(variable.to_owned()),
            _ => return Err(wrong()),
        };
        Ok(Self { name: name.into(), from })
    }
}

/// The values of secrets as they stand on the command line: JSON where one is an object or a list,
/// else its text. Clap does not read them, for it repeats what it refuses.
pub(super) fn read(given: &[String]) -> Result<BTreeMap<Arc<str>, Value>, Failure> {
    let value = |given: &String| {
        let secret: Secret = given.parse().map_err(|why: String| Failure::usage(why))?;
        let value = match &secret.from {
            From::File(path) => text(Path::new(path))?,
            From::Variable(name) => std::env::var(name).map_err(|_| {
                Failure::usage(format!(
                    "the variable {name}, which is to hold a secret, is not set"
                ))
            })?,
        };
        Ok((secret.name, from_json(json(&value))))
    };
    given.iter().map(value).collect()
}

/// Whether each secret that a document names is given. Others may be meant for workflows that it
/// runs.
pub(super) fn check(workflow: &Workflow, given: &BTreeMap<Arc<str>, Value>) -> Result<(), Failure> {
    match workflow.secrets.iter().find(|name| !given.contains_key(*name)) {
        Some(missing) => Err(Failure::usage(format!(
            "the document names the secret `{missing}`: give it with --secret {missing}=@FILE or \
             --secret {missing}=env:VARIABLE"
        ))),
        None => Ok(()),
    }
}

fn json(text: &str) -> serde_json::Value {
    let read = serde_json::from_str(text).ok();
    let read = read.filter(|it: &serde_json::Value| it.is_object() || it.is_array());
    read.unwrap_or_else(|| text.trim_end_matches(['\r', '\n']).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_written_on_the_command_line_nor_repeated() {
        for wrong in ["hunter2", "a=hunter2", "=@f", "a=@", "a=env:"] {
            let error = wrong.parse::<Secret>().unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!("a=@file".parse::<Secret>().is_ok() && "a=env:A".parse::<Secret>().is_ok());
    }

    #[test]
    fn objects_are_read_and_the_rest_is_text() {
        assert_eq!(json("{\"username\": \"a\"}\n"), serde_json::json!({"username": "a"}));
        assert_eq!(json("123456\n"), serde_json::json!("123456"));
    }
}
