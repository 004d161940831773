//! Keeping secrets out of what is stored and shown.
//!
//! The texts of a run's secrets are hidden by [`crate::mask`] in all that leaves its machine.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use super::authorize::basic;
use super::bounds::charge_for;
use super::data::{text, to_json};
use super::run::Machine;
use crate::mask;
use crate::value::{Value, field, from_json};

/// The texts that must not be seen.
pub(super) struct Mask(mask::Mask);

impl Machine {
    /// Replaces each text of a secret in a result by `***`. The result of an effect must pass this
    /// before it is stored and the machine is told of it.
    pub fn mask(&self, result: &mut serde_json::Value) {
        self.mask.json(result);
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
        let text = |it: Arc<str>| match self.text(&it) {
            Cow::Borrowed(_) => it.clone(),
            Cow::Owned(masked) => masked.into(),
        };
        let Error { kind, status, title, detail, instance } = error;
        let (title, detail) = (title.map(text), detail.map(text));
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
}
