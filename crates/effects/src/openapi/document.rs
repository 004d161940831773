//! A document: read, with references in it followed, and its operations found.

use serde_json::Value as Json;
use tessera_manifest::{Format, Limits, Source};
use tessera_workflow::machine::Error;

use super::operation::{Operation, openapi3, swagger2};
use crate::fault;
use crate::fetch::{Fetched, Place};

/// References that lead to references.
const REFERENCES_MAX: usize = 32;
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// An OpenAPI 3 or Swagger 2 document.
pub(super) struct Document {
    pub(super) root: Json,
    pub(super) at: Place,
    version: Version,
}

#[derive(Clone, Copy)]
enum Version {
    Swagger2,
    OpenApi3,
}

/// An operation as it stands in the document.
pub(super) struct Entry<'d> {
    pub(super) path: &'d str,
    pub(super) method: &'d str,
    pub(super) item: &'d Json,
    pub(super) operation: &'d Json,
}

impl Document {
    /// Reads a document, JSON or YAML.
    pub(super) fn read(fetched: Fetched) -> Result<Self, Error> {
        let Fetched { text, at } = fetched;
        let shown = at.shown();
        let root = parse(&shown, text).map_err(|why| {
            fault::configuration(format!("the document {shown} is neither JSON nor YAML: {why}"))
        })?;
        let is = |name: &str, major: &str| match root.get(name) {
            Some(Json::String(version)) => version.starts_with(major),
            Some(Json::Number(version)) => {
                version.to_string().starts_with(major.trim_end_matches('.'))
            }
            _ => false,
        };
        let version = match (is("openapi", "3."), is("swagger", "2.")) {
            (true, _) => Version::OpenApi3,
            (_, true) => Version::Swagger2,
            _ => {
                return Err(fault::configuration(format!(
                    "the document {shown} is neither OpenAPI 3 nor Swagger 2: its `openapi` is not 3.x and its `swagger` not 2.0"
                )));
            }
        };
        Ok(Self { root, at, version })
    }

    /// The operation with an id.
    pub(super) fn operation(&self, id: &str) -> Result<Operation, Error> {
        let entries = self.entries();
        let id_of = |entry: &Entry<'_>| {
            entry.operation.get("operationId").and_then(Json::as_str).map(str::to_owned)
        };
        let Some(entry) = entries.iter().find(|it| id_of(it).as_deref() == Some(id)) else {
            let known: Vec<_> = entries.iter().filter_map(id_of).collect();
            let near = fault::did_you_mean(id, known.iter().map(String::as_str));
            return Err(fault::configuration(format!(
                "{} has no operation `{id}`{near}",
                self.at.shown()
            )));
        };
        match self.version {
            Version::Swagger2 => swagger2::operation(self, entry),
            Version::OpenApi3 => openapi3::operation(self, entry),
        }
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        let paths = self.root.get("paths").and_then(Json::as_object);
        let mut entries = Vec::new();
        for (path, item) in paths.into_iter().flatten() {
            let item = self.follow(item);
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    entries.push(Entry { path, method, item, operation });
                }
            }
        }
        entries
    }

    /// What a value stands for: itself, or what its `$ref` names in this document. What leads
    /// nowhere, in a circle or out of the document is null.
    pub(super) fn follow<'d>(&'d self, mut value: &'d Json) -> &'d Json {
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = value.get("$ref").and_then(Json::as_str) else { return value };
            let found = reference.strip_prefix('#').and_then(|pointer| {
                let pointer = percent_decoded(pointer);
                self.root.pointer(&pointer)
            });
            match found {
                Some(found) => value = found,
                None => {
                    tracing::warn!(
                        reference,
                        document = self.at.shown(),
                        "a reference leads out of the document, or nowhere"
                    );
                    return &Json::Null;
                }
            }
        }
        &Json::Null
    }

    /// The elements of a list of a value, references followed.
    pub(super) fn list<'d>(&'d self, value: &'d Json, name: &str) -> Vec<&'d Json> {
        let list = value.get(name).and_then(Json::as_array);
        list.into_iter().flatten().map(|it| self.follow(it)).collect()
    }

    /// The field of a value, references followed; null when there is none.
    pub(super) fn field<'d>(&'d self, value: &'d Json, name: &str) -> &'d Json {
        value.get(name).map_or(&Json::Null, |it| self.follow(it))
    }
}

fn percent_decoded(text: &str) -> String {
    // A pointer in a fragment is percent-encoded; a plus stands for itself there.
    let text = text.replace('+', "%2B");
    let mut decoded = url::form_urlencoded::parse(text.as_bytes());
    decoded.next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

fn parse(name: &str, text: String) -> Result<Json, String> {
    if Format::detect(&text) == Format::Json {
        return serde_json::from_str(&text).map_err(|error| error.to_string());
    }
    let limits = Limits { bytes_max: 16 << 20, nodes_max: 1_000_000, ..Limits::default() };
    let first = |problems: Vec<tessera_manifest::Problem>| {
        problems.first().map(ToString::to_string).unwrap_or_default()
    };
    let documents =
        tessera_manifest::parse(Source::new(name, text), Format::Yaml, &limits).map_err(first)?;
    let document = documents.first().ok_or("it is empty")?;
    document.decode::<Json>().map_err(first)
}
