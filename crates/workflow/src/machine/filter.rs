//! Whether an event passes a filter.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::data::is_true;
use super::listen::Reading;
use super::run::Machine;
use crate::definition::{Correlation, EventFilter};
use crate::expression::{Expression, Template, Variables};
use crate::value::{Value, field};

/// Whether a text matches a regular expression as a whole. jq's own is used, with its bounds; it is
/// the same for every run.
static MATCHES: LazyLock<Expression> = LazyLock::new(|| {
    Expression::compile("test(\"^(?:\" + $pattern + \")$\")", &["pattern".into()])
        .expect("this is jq and names what it is given")
});

impl Machine {
    /// Whether an event passes; the values that it is the first to have in common with others are
    /// remembered then.
    pub(super) fn passes(
        &self,
        reading: &Reading<'_>,
        filter: &EventFilter,
        correlated: &mut BTreeMap<Arc<str>, Value>,
        event: &Value,
    ) -> bool {
        let attributes = filter.with.iter();
        let mut attributes = attributes.map(|(name, wanted)| (field(event, name), wanted));
        if !attributes.all(|(attribute, wanted)| self.is(reading, wanted, attribute)) {
            return false;
        }
        let mut new = Vec::new();
        for (name, correlation) in &filter.correlate {
            let Some(value) = self.extracted(reading, correlation, event) else { return false };
            match self.expected(reading, name, correlation, correlated) {
                Ok(Some(expected)) if expected == value => {}
                Ok(None) => new.push((name.clone(), value)),
                Ok(Some(_)) | Err(()) => return false,
            }
        }
        correlated.extend(new);
        true
    }

    fn is(&self, reading: &Reading<'_>, wanted: &Template, attribute: &Value) -> bool {
        let input =
            if matches!(wanted, Template::Expression(_)) { attribute } else { reading.input };
        match self.evaluate_with(wanted, input, reading.variables, "with") {
            Err(_) => false,
            Ok(value) => match wanted {
                // An expression says yes or no, or what the attribute is to be.
                Template::Expression(_) => {
                    value == Value::Bool(true) || is_wanted(&value, attribute)
                }
                Template::Constant(_) => value == *attribute || matches_whole(&value, attribute),
                _ => value == *attribute,
            },
        }
    }

    fn extracted(
        &self,
        reading: &Reading<'_>,
        correlation: &Correlation,
        event: &Value,
    ) -> Option<Value> {
        let value = self.value_of(&correlation.from, event, reading.variables, "correlate/from");
        value.ok().filter(|it| *it != Value::Null)
    }

    fn expected(
        &self,
        reading: &Reading<'_>,
        name: &Arc<str>,
        correlation: &Correlation,
        correlated: &BTreeMap<Arc<str>, Value>,
    ) -> Result<Option<Value>, ()> {
        let Some(expect) = &correlation.expect else { return Ok(correlated.get(name).cloned()) };
        let value =
            self.evaluate_with(expect, reading.input, reading.variables, "correlate/expect");
        value.map(Some).map_err(|_| ())
    }
}

fn is_wanted(value: &Value, attribute: &Value) -> bool {
    is_true(value) && value == attribute
}

fn matches_whole(pattern: &Value, text: &Value) -> bool {
    if !matches!((pattern, text), (Value::TStr(_), Value::TStr(_))) {
        return false;
    }
    let variables = Variables::from([("pattern".into(), pattern.clone())]);
    MATCHES.holds(text, &variables).unwrap_or(false)
}
