//! `emit` and `raise`.
//!
//! The output of `emit` is the event, with what the machine added to it. Its id is a hash of the
//! run and the step, so that an event that is published twice after a crash is the same event.

use sha2::{Digest, Sha256};

use super::data::{hexadecimal, text, to_json, whole};
use super::run::Machine;
use super::scope::{Body, ScopeId};
use super::work::Purpose;
use super::{Action, Error};
use crate::definition::{Emit, ErrorSpec};
use crate::expression::Template;
use crate::value::{Value, field, from_json};

impl Machine {
    pub(super) fn emit(&mut self, id: ScopeId, emit: &Emit, input: &Value) -> Result<(), Error> {
        let given = self.evaluate(id, &emit.event, input, "emit/event/with")?;
        let serde_json::Value::Object(mut event) = to_json(&given)? else {
            return Err(Error::expression("emit/event/with must be an object"));
        };
        event.retain(|name, value| name == "data" || !value.is_null());
        if !event.get("type").is_some_and(serde_json::Value::is_string) {
            return Err(Error::configuration("emit/event/with/type must be a text"));
        }
        let header = &self.run_of(id)?.workflow.header;
        let source = format!("/{}/{}/{}", header.namespace, header.name, header.version);
        let step = format!("{}/{}", self.run_id, self.next_step().0);
        let unique = hexadecimal(&Sha256::digest(step)[..16]);
        event.insert("specversion".to_owned(), "1.0".into());
        for (name, value) in [("id", unique), ("source", source), ("time", self.now.to_string())] {
            event.entry(name).or_insert_with(|| value.into());
        }
        let output = from_json(serde_json::Value::Object(event.clone()));
        self.task_mut(id)?.body = Body::Emitted(output);
        self.want(id, Purpose::Body, Action::Emit(event)).map(drop)
    }

    /// The error that `raise` raises.
    pub(super) fn raised(
        &self,
        id: ScopeId,
        error: &ErrorSpec,
        input: &Value,
    ) -> Result<Error, Error> {
        let get = |template: &Template, field| self.evaluate(id, template, input, field);
        let some = |template: &Option<Template>, field| {
            let value = template.as_ref().map(|it| get(it, field)).transpose()?;
            Ok::<_, Error>(value.filter(|it| *it != Value::Null).map(|it| text(&it).into()))
        };
        let status = get(&error.status, "raise/error/status")?;
        let number = whole(&status).or_else(|| text(&status).parse().ok());
        let number = number.and_then(|it| u16::try_from(it).ok());
        Ok(Error {
            kind: text(&get(&error.kind, "raise/error/type")?).into(),
            status: number.ok_or_else(|| {
                Error::expression("raise/error/status must be a whole number up to 65535")
            })?,
            title: some(&error.title, "raise/error/title")?,
            detail: some(&error.detail, "raise/error/detail")?,
            instance: some(&error.instance, "raise/error/instance")?.unwrap_or_default(),
        })
    }
}

/// What a listener reads of an event.
pub(super) fn read(event: &Value, read: crate::definition::ReadAs) -> Value {
    use crate::definition::ReadAs;
    let data = match field(event, "data") {
        Value::Null => field(event, "data_base64"),
        data => data,
    };
    match read {
        ReadAs::Envelope => event.clone(),
        ReadAs::Data => data.clone(),
        ReadAs::Raw if *data == Value::Null => Value::Null,
        ReadAs::Raw => Value::utf8_str(text(data)),
    }
}
