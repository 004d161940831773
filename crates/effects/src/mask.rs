//! Keeps secrets out of errors.
//!
//! A server may repeat what it was sent, so an error that quotes its answer can hold the very
//! password that was refused. Every error of an authenticated effect goes through here.

use std::sync::Arc;

use serde_json::Value as Json;
use tessera_workflow::machine::Error;
use tessera_workflow::mask;

/// Properties of authentication that are no secret, with all that is in them.
const PUBLIC: [&str; 11] = [
    "username",
    "authority",
    "grant",
    "id",
    "type",
    "endpoints",
    "issuers",
    "scopes",
    "audiences",
    "request",
    "authentication",
];

/// Texts that no error may show.
#[derive(Clone, Default)]
pub(crate) struct Mask(mask::Mask);

impl Mask {
    /// The secrets among the properties of a scheme of authentication.
    pub(crate) fn of(properties: &Json) -> Self {
        let mut mask = Self::default();
        mask.collect(properties);
        mask
    }

    fn collect(&mut self, value: &Json) {
        match value {
            Json::String(text) => self.add(text),
            Json::Array(all) => all.iter().for_each(|it| self.collect(it)),
            Json::Object(fields) => {
                let secret = fields.iter().filter(|(key, _)| !PUBLIC.contains(&key.as_str()));
                secret.for_each(|(_, value)| self.collect(value));
            }
            _ => {}
        }
    }

    /// One more.
    pub(crate) fn add(&mut self, secret: &str) {
        self.0.add(secret);
    }

    /// The text of an error without them. It may quote the beginning of something longer.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.hide_in_cut(text).into_owned()
    }

    /// The error without them.
    pub(crate) fn error(&self, error: Error) -> Error {
        let hide = |text: Option<Arc<str>>| text.map(|text| self.hide(&text).into());
        Error { title: hide(error.title), detail: hide(error.detail), ..error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_in_every_form_and_the_rest_stays() {
        let properties = json!({
            "username": "admin", "password": "p&ssw rd", "scopes": ["read"],
            "client": {"id": "me-myself", "secret": "client-secret"},
            "subject": {"token": "abcdef", "type": "urn:jwt"},
        });
        let mask = Mask::of(&properties);
        let said =
            mask.hide("admin p&ssw rd p%26ssw+rd client-secret abcdef me-myself read urn:jwt");
        assert_eq!(said, "admin *** *** *** *** me-myself read urn:jwt");
    }
}
