//! The way from text to jaq's program, and its evaluation.

use std::sync::Arc;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};

use super::{EvaluationError, SyntaxError, Variables};
use crate::value::Value;

pub(super) struct Compiled {
    source: Box<str>,
    names: Box<[Arc<str>]>,
    program: jaq_core::Filter<data::JustLut<Value>>,
}

impl Compiled {
    pub(super) fn new(source: &str, names: &[Arc<str>]) -> Result<Self, Vec<SyntaxError>> {
        let whole =
            |message: String| vec![SyntaxError { message, hint: None, at: 0..source.len() }];
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(definitions)
            .load(&arena, File { path: (), code: source })
            .map_err(|errors| whole(format!("this is no jq: {errors:?}")))?;
        let variables: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
        let program = Compiler::default()
            .with_funs(functions)
            .with_global_vars(variables.iter().map(String::as_str))
            .compile(modules)
            .map_err(|errors| whole(format!("this names what is not there: {errors:?}")))?;
        Ok(Self { source: source.into(), names: names.into(), program })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn evaluate(
        &self,
        input: &Value,
        variables: &Variables,
    ) -> Result<Value, EvaluationError> {
        let values = self.names.iter().map(|name| variables.get(name).cloned().unwrap_or_default());
        let context = Ctx::<data::JustLut<Value>>::new(&self.program.lut, Vars::new(values));
        let mut outputs = self.program.id.run((context, input.clone())).map(unwrap_valr);
        let mut next =
            || outputs.next().transpose().map_err(|error| EvaluationError(error.to_string()));
        let Some(first) = next()? else { return Ok(Value::Null) };
        let Some(second) = next()? else { return Ok(first) };
        let mut all = vec![first, second];
        while let Some(value) = next()? {
            all.push(value);
        }
        Ok(Value::Arr(Arc::new(all)))
    }
}
