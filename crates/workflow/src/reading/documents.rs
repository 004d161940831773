//! What a run meets on its way, read: workflows, functions of catalogs, schemas.

use std::sync::Arc;

use tessera_manifest::{Problem, Source};

use super::{format_of, read, read_function};
use crate::definition::{JsonSchema, Schema, Task, Workflow};
use crate::machine;
use crate::value::Value;

/// Problems that a run is told of.
const TOLD_MAX: usize = 5;

/// The reader of documents for machines. The same text always gives the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Documents;

impl machine::Reader for Documents {
    fn workflow(&self, text: &str) -> Result<Arc<Workflow>, String> {
        let name = "the workflow";
        let reading = read(Source::new(name, text), format_of(name, text));
        reading.map(|it| it.workflow).map_err(|problems| told(&problems))
    }

    fn function(&self, text: &str) -> Result<Arc<Task>, String> {
        let name = "the function";
        let source = Source::new(name, text);
        read_function("function", "", source, format_of(name, text)).map_err(|it| told(&it))
    }

    fn schema(&self, text: &str) -> Result<Arc<Schema>, String> {
        let schema = JsonSchema::from_text("the schema", text)?;
        Ok(Arc::new(Schema::Inline(Arc::new(schema))))
    }

    fn check(&self, schema: &Schema, data: &Value) -> Result<(), String> {
        match schema {
            Schema::Inline(schema) => schema.check(data),
            Schema::Resource(_) => Err("the schema is still to be fetched".to_owned()),
        }
    }
}

fn told(problems: &[Problem]) -> String {
    let said: Vec<_> = problems.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    let more = problems.len().saturating_sub(TOLD_MAX);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!("{}{more}", said.join("; "))
}
