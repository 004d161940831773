//! Evaluating what a document says, and checking data against schemas.

use std::fmt::Write;

use tessera_types::{Duration, limits::clip};

use super::Error;
use super::bounds::{bounded, charge_for};
use super::run::Machine;
use super::scope::ScopeId;
use crate::definition::{Period, Schema, Shape};
use crate::expression::{EvaluationError, Expression, Piece, Template, Variables};
use crate::value::{Value, field};

/// Characters of what jq says that an error repeats: it may quote the data.
const COMPLAINT_CHARS_MAX: usize = 1000;

impl Machine {
    /// The value of a template at a scope. `field` says where it stands, for errors.
    pub(super) fn evaluate(
        &self,
        id: ScopeId,
        template: &Template,
        input: &Value,
        field: &str,
    ) -> Result<Value, Error> {
        if let Some(constant) = template.constant() {
            return Ok(constant.clone());
        }
        self.evaluate_with(template, input, &self.variables(id)?, field)
    }

    /// The value of a template where there is one.
    pub(super) fn evaluate_some(
        &self,
        id: ScopeId,
        template: Option<&Template>,
        input: &Value,
        field: &str,
    ) -> Result<Option<Value>, Error> {
        template.map(|template| self.evaluate(id, template, input, field)).transpose()
    }

    pub(super) fn evaluate_with(
        &self,
        template: &Template,
        input: &Value,
        variables: &Variables,
        field: &str,
    ) -> Result<Value, Error> {
        each_expression(template, &mut |it| self.check_secrets(it, variables))?;
        let value = template.evaluate(input, variables).map_err(|error| {
            let culprit = each_expression(template, &mut |it| {
                it.evaluate(input, variables).map(|_| ()).map_err(|error| (it.source(), error))
            });
            let (source, error) = culprit.err().unwrap_or(("", error));
            complaint(source, &error, field)
        })?;
        match template {
            // What an expression gives is bounded already.
            Template::Constant(_) | Template::Expression(_) => Ok(value),
            _ => bounded(value),
        }
    }

    /// Whether an expression holds at a scope.
    pub(super) fn holds(
        &self,
        id: ScopeId,
        expression: &Expression,
        input: &Value,
        field: &str,
    ) -> Result<bool, Error> {
        self.holds_with(expression, input, &self.variables(id)?, field)
    }

    pub(super) fn holds_with(
        &self,
        expression: &Expression,
        input: &Value,
        variables: &Variables,
        field: &str,
    ) -> Result<bool, Error> {
        Ok(is_true(&self.value_of(expression, input, variables, field)?))
    }

    pub(super) fn value_of(
        &self,
        expression: &Expression,
        input: &Value,
        variables: &Variables,
        field: &str,
    ) -> Result<Value, Error> {
        self.check_secrets(expression, variables)?;
        let value = expression.evaluate(input, variables);
        value.map_err(|error| complaint(expression.source(), &error, field))
    }

    /// A secret that a document names and that this run does not have is an error of
    /// authorization, rather than null. Names that are computed are not looked at.
    fn check_secrets(&self, expression: &Expression, variables: &Variables) -> Result<(), Error> {
        let source = expression.source();
        if !source.contains("$secrets") {
            return Ok(());
        }
        let known = variables.get("secrets").unwrap_or(&Value::Null);
        let missing =
            secrets_named(source).into_iter().find(|name| *field(known, name) == Value::Null);
        match missing {
            Some(name) => Err(secret_missing(name)),
            None => Ok(()),
        }
    }

    /// What `input.from` or `output.as` makes of data.
    pub(super) fn shaped(
        &self,
        id: ScopeId,
        shape: &Shape,
        data: &Value,
        field: &str,
    ) -> Result<Value, Error> {
        let shaped = self.evaluate_some(id, shape.shape.as_ref(), data, field)?;
        Ok(shaped.unwrap_or_else(|| data.clone()))
    }

    /// Checks data against a schema. False when the schema is still to be fetched: the scope is
    /// advanced again when it is there.
    pub(super) fn conforms(
        &mut self,
        id: ScopeId,
        schema: Option<&Schema>,
        data: &Value,
    ) -> Result<bool, Error> {
        if schema.is_some() {
            charge_for(data);
        }
        let checked = match schema {
            None => return Ok(true),
            Some(Schema::Resource(resource)) => match self.schema(id, resource)? {
                None => return Ok(false),
                Some(schema) => self.reader.check(&schema, data),
            },
            Some(schema) => self.reader.check(schema, data),
        };
        checked.map(|()| true).map_err(Error::validation)
    }

    /// A length of time.
    pub(super) fn period(
        &self,
        id: ScopeId,
        period: &Period,
        input: &Value,
        field: &str,
    ) -> Result<Duration, Error> {
        let value = match period {
            Period::Fixed(duration) => return Ok(*duration),
            Period::Computed(template) => self.evaluate(id, template, input, field)?,
        };
        duration(&value).ok_or_else(|| {
            let shown = clip(&value.to_string(), 80);
            Error::expression(format!(
                "{field}: {shown} is no duration: give ISO 8601 such as PT15M, or an object of \
                 days, hours, minutes, seconds and milliseconds"
            ))
        })
    }
}

fn complaint(source: &str, error: &EvaluationError, field: &str) -> Error {
    let (source, message) = (clip(source.trim(), 200), clip(&error.0, COMPLAINT_CHARS_MAX));
    Error::expression(format!("{field}: `{source}`: {message}"))
}

pub(super) fn secret_missing(name: &str) -> Error {
    Error::authorization(format!(
        "the secret `{name}` is not there, or not for this run; the engine reads secrets from the \
         folder that --secrets names"
    ))
}

/// Visits the expressions of a template, as deep as the document is.
pub(super) fn each_expression<'t, E>(
    template: &'t Template,
    visit: &mut impl FnMut(&'t Expression) -> Result<(), E>,
) -> Result<(), E> {
    match template {
        Template::Constant(_) => Ok(()),
        Template::Expression(expression) | Template::Loose(expression) => visit(expression),
        Template::Text(pieces) => pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(_) => Ok(()),
            Piece::Expression(expression) => visit(expression),
        }),
        Template::List(all) => all.iter().try_for_each(|it| each_expression(it, visit)),
        Template::Object(all) => all.iter().try_for_each(|(_, it)| each_expression(it, visit)),
    }
}

/// The names in `$secrets.name`, `$secrets."name"` and `$secrets["name"]`.
fn secrets_named(source: &str) -> Vec<&str> {
    source.split("$secrets").skip(1).filter_map(secret_named).filter(|it| !it.is_empty()).collect()
}

fn secret_named(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    let field = rest.strip_prefix('.').map(str::trim_start);
    let quoted = match field.unwrap_or(rest).strip_prefix('[') {
        Some(index) => Some(index.trim_start().strip_prefix('"')?),
        None => field?.strip_prefix('"'),
    };
    match quoted {
        Some(quoted) => quoted.split('"').next(),
        None => field?.split(|it: char| !it.is_alphanumeric() && it != '_').next(),
    }
}

/// jq's truth: neither false nor null.
pub(super) const fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn duration(value: &Value) -> Option<Duration> {
    if let Value::TStr(text) = value {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let Value::Obj(fields) = value else { return None };
    let mut sum = Duration::ZERO;
    for (key, value) in fields.iter() {
        let unit = match text(key).as_str() {
            "days" => 86_400_000,
            "hours" => 3_600_000,
            "minutes" => 60_000,
            "seconds" => 1000,
            "milliseconds" => 1,
            _ => return None,
        };
        sum = sum.plus(Duration::from_millis(unit).times(whole(value)?));
    }
    Some(sum)
}

/// A whole number that is not negative.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Num(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// A value as text: a text as it is, the rest as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::TStr(text) => String::from_utf8_lossy(text).into_owned(),
        value => value.to_string(),
    }
}

/// A scalar as text; none for null.
pub(super) fn scalar(value: &Value) -> Option<Result<String, ()>> {
    match value {
        Value::Null => None,
        Value::Bool(_) | Value::Num(_) | Value::TStr(_) => Some(Ok(text(value))),
        _ => Some(Err(())),
    }
}

/// A value as JSON.
pub(super) fn to_json(value: &Value) -> Result<serde_json::Value, Error> {
    let no_json = |it: serde_json::Error| Error::expression(format!("this is no JSON: {it}"));
    serde_json::from_str(&value.to_string()).map_err(no_json)
}

/// Bytes in base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(bits);
        for digit in 0..4 {
            let at = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[at as usize]) } else { '=' });
        }
    }
    text
}

/// Bytes in hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::object;

    #[test]
    fn base64_pads_what_is_no_multiple_of_three() {
        let encoded = ["", "f", "fo", "foo", "foob"].map(|it| base64(it.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn the_secrets_that_an_expression_names_are_found() {
        let source = r#"$secrets.one + $secrets["two"].x + $secrets."three" + ($secrets | keys)
            + $secrets.["four"] + $secrets[$x] + $secrets[name] + $secretsOf.mine + $secrets"#;
        assert_eq!(secrets_named(source), ["one", "two", "three", "four"]);
    }

    #[test]
    fn durations_are_texts_or_objects() {
        let fields = |unit| object([(unit, Value::from(2_usize))]);
        assert_eq!(duration(&fields("minutes")), Some(Duration::from_secs(120)));
        assert_eq!(duration(&fields("weeks")), None);
        assert_eq!(duration(&Value::utf8_str("PT2M")), Some(Duration::from_secs(120)));
        assert_eq!(duration(&Value::utf8_str("soon")), None);
    }
}
