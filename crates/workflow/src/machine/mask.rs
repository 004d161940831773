//! Keeping secrets out of what is stored and shown.
//!
//! The texts of a run's secrets are hidden by [`crate::mask`] in all that leaves its machine.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::authorize::basic;
use super::bounds::charge_for;
use super::data::{text, to_json};
use super::run::Machine;
use super::{CloudEvent, Error};
use crate::mask::{self, HIDDEN};
use crate::value::{Value, field, from_json};

/// The texts that must not be seen.
pub(super) struct Mask(mask::Mask);

impl Machine {
    /// Replaces each text of a secret in a result by `***`. The result of an effect must pass this
    /// before it is stored and the machine is told of it.
    pub fn mask(&self, result: &mut serde_json::Value) {
        self.mask.json(result);
    }

    /// An error without secrets, and without the beginning of one where its text was cut. The error
    /// of an effect must pass this before it is stored and the machine is told of it.
    #[must_use]
    pub fn masked(&self, error: Error) -> Error {
        self.mask.error(error)
    }

    /// An event without the texts of secrets. What a run emits must pass this before others store
    /// it, and what it is given before it is stored and the machine is told of it.
    #[must_use]
    pub fn masked_event(&self, event: CloudEvent) -> CloudEvent {
        let mut json = serde_json::Value::Object(event);
        self.mask(&mut json);
        match json {
            serde_json::Value::Object(event) => event,
            _ => unreachable!("a masked object is an object"),
        }
    }
}

/// Replaces each text of these secrets by `***`, as a run does that has them: for what is stored
/// of a run before it begins.
pub fn mask_secrets(secrets: &BTreeMap<Arc<str>, Value>, json: &mut serde_json::Value) {
    Mask::new(secrets).json(json);
}

impl Mask {
    pub(super) fn new(secrets: &BTreeMap<Arc<str>, Value>) -> Self {
        let mut texts = mask::Mask::default();
        let mut open: Vec<&Value> = secrets.values().collect();
        while let Some(value) = open.pop() {
            match value {
                Value::Arr(all) => open.extend(all.iter()),
                Value::Obj(fields) => {
                    let (user, password) = (field(value, "username"), field(value, "password"));
                    if *user != Value::Null && *password != Value::Null {
                        texts.add(&basic(user, password));
                    }
                    open.extend(fields.values());
                }
                Value::Null | Value::Bool(_) => {}
                value => texts.add(&text(value)),
            }
        }
        Self(texts)
    }

    /// Hides a further text, if there is anything to hide at all: it may be made of a secret.
    pub(super) fn add(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.add(text);
        }
    }

    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.hide(text)
    }

    pub(super) fn error(&self, error: Error) -> Error {
        let text = |it: Arc<str>| shared(self.0.hide(&it), &it);
        let cut = |it: Arc<str>| shared(self.0.hide_in_cut(&it), &it);
        let Error { kind, status, title, detail, instance } = error;
        let (title, detail) = (title.map(cut), detail.map(cut));
        Error { kind: text(kind), status, title, detail, instance: text(instance) }
    }

    pub(super) fn value(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        charge_for(&value);
        match to_json(&value) {
            Ok(mut json) => match self.json(&mut json) {
                true => from_json(json),
                false => value,
            },
            Err(_) => Value::utf8_str(self.text(&value.to_string()).into_owned()),
        }
    }

    /// True when there was something to replace.
    fn json(&self, value: &mut serde_json::Value) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let mut replaced = false;
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match value {
                serde_json::Value::String(text) => {
                    if let Cow::Owned(masked) = self.text(text) {
                        *text = masked;
                        replaced = true;
                    }
                }
                serde_json::Value::Number(number)
                    if number.as_f64().is_some_and(|it| self.0.hides_number(it)) =>
                {
                    *value = serde_json::Value::String(HIDDEN.to_owned());
                    replaced = true;
                }
                serde_json::Value::Array(all) => open.extend(all),
                serde_json::Value::Object(fields) => {
                    if fields.keys().any(|key| matches!(self.text(key), Cow::Owned(_))) {
                        let all = std::mem::take(fields).into_iter();
                        *fields = all.map(|(key, it)| (self.text(&key).into_owned(), it)).collect();
                        replaced = true;
                    }
                    open.extend(fields.values_mut());
                }
                _ => {}
            }
        }
        replaced
    }
}

/// A masked text, which is the original where nothing was hidden.
fn shared(masked: Cow<'_, str>, original: &Arc<str>) -> Arc<str> {
    match masked {
        Cow::Borrowed(_) => Arc::clone(original),
        Cow::Owned(masked) => masked.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_replaced_in_texts_and_keys_but_short_ones_are_not() {
        let secret = from_json(json!({"username": "me", "password": "hunter22", "pin": 4711}));
        let mask = Mask::new(&BTreeMap::from([("it".into(), secret)]));
        let basic = format!("Basic {}", crate::machine::data::base64(b"me:hunter22"));
        let mut value = json!({"me": ["x hunter22 y", basic], "hunter22": "4711"});
        mask.json(&mut value);
        assert_eq!(value, json!({"me": ["x *** y", "Basic ***"], "***": "***"}));
    }

    #[test]
    fn a_number_is_replaced_that_a_secret_is_and_not_one_that_holds_it() {
        let mask = Mask::new(&BTreeMap::from([("pin".into(), Value::utf8_str("93847561"))]));
        let mut value = json!({"pin": 93_847_561, "as": [93_847_561.0], "n": 938_475_610});
        mask.json(&mut value);
        assert_eq!(value, json!({"pin": "***", "as": ["***"], "n": 938_475_610}));
    }
}
