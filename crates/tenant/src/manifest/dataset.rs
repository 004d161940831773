//! Reads `schema`: the dataset and its columns.

use std::collections::BTreeSet;

use tessera_manifest::{Node, Value, quoted};

use super::reader::{Reader, all};
use super::text::joined_words;
use super::{Column, Dataset, DatasetName, DescribedDataset, LogicalType, code};

/// The longest name of a dataset.
const NAME_BYTES_MAX: usize = 63;

/// What databases and languages call the types.
const TYPES_ELSEWHERE: &[(&str, &str)] = &[
    ("int", "integer"),
    ("bigint", "integer"),
    ("int64", "integer"),
    ("bool", "boolean"),
    ("str", "string"),
    ("text", "string"),
    ("varchar", "string"),
    ("uuid", "string"),
    ("float", "number"),
    ("double", "number"),
    ("decimal", "number"),
    ("numeric", "number"),
    ("datetime", "timestamp"),
    ("timestamptz", "timestamp"),
    ("list", "array"),
    ("struct", "object"),
    ("map", "object"),
    ("json", "object"),
];

impl<'d> Reader<'d> {
    pub(super) fn dataset(&mut self, node: &'d Node, root: &'d Node) -> Option<Dataset> {
        match &node.value {
            Value::String(_) => self.dataset_name(node).map(Dataset::Named),
            Value::Map(_) => self.described(node, root).map(Dataset::Described),
            _ => self.wrong_type(node, "a string with the name of the dataset, or a table", None),
        }
    }

    fn described(&mut self, node: &'d Node, root: &'d Node) -> Option<DescribedDataset> {
        self.section(node, root, &["name", "columns"])?;
        let name = self.required(node, "name", "name = \"…\": what the dataset is called");
        let name = name.and_then(|node| self.dataset_name(node));
        let columns = self.optional(node, "columns", Self::columns);
        Some(DescribedDataset { name: name?, columns: columns?.unwrap_or_default() })
    }

    fn dataset_name(&mut self, node: &'d Node) -> Option<DatasetName> {
        let text = self.text(node)?;
        if is_dataset_name(text) {
            return Some(DatasetName(text.to_owned()));
        }
        let message = format!(
            "{} is not the name of a dataset: that is lower-case letters, digits and `_`, begins \
             with a letter and has at most {NAME_BYTES_MAX} characters",
            quoted(text)
        );
        let meant = joined_words(text, '_');
        let hint = is_dataset_name(&meant).then(|| format!("did you mean {}?", quoted(&meant)));
        self.wrong(node, code::INVALID_NAME, message, hint);
        None
    }

    fn columns(&mut self, node: &'d Node) -> Option<Vec<Column>> {
        let nodes = self.elements(node, "tables, each a [[schema.columns]]")?;
        let mut names = BTreeSet::new();
        all(nodes.iter().map(|node| self.column(node, &mut names)))
    }

    fn column(&mut self, node: &'d Node, names: &mut BTreeSet<&'d str>) -> Option<Column> {
        let known = ["name", "type", "required", "unique", "description"];
        self.table(node, &known, |_| None)?;
        let name = self.required(node, "name", "name = \"…\"");
        let name = name.and_then(|node| {
            let name = self.line(node, "the name of a column")?;
            if !names.insert(name) {
                let message = format!("the column {} is there twice", quoted(name));
                let hint = "remove one of the two, or rename it".to_owned();
                self.wrong(node, code::DUPLICATE_NAME, message, hint);
            }
            Some(name.to_owned())
        });
        let logical_type =
            self.required(node, "type", "type = \"string\", or another logical type");
        let logical_type = logical_type.and_then(|node| self.logical_type(node));
        let required = self.optional(node, "required", Self::boolean);
        let unique = self.optional(node, "unique", Self::boolean);
        let description = self.optional(node, "description", Self::description);
        Some(Column {
            name: name?,
            logical_type: logical_type?,
            required: required?.unwrap_or_default(),
            unique: unique?.unwrap_or_default(),
            description: description?,
        })
    }

    fn logical_type(&mut self, node: &'d Node) -> Option<LogicalType> {
        let lower = node.as_str().map(str::to_lowercase);
        let elsewhere = lower.and_then(|lower| {
            TYPES_ELSEWHERE.iter().find(|(name, _)| *name == lower).map(|(_, meant)| *meant)
        });
        let Some(meant) = elsewhere else { return self.word(node, &LogicalType::ALL) };
        let message = format!("unknown value {}", quoted(node.as_str().unwrap_or_default()));
        let hint = format!("did you mean {}?", quoted(meant));
        self.wrong(node, tessera_manifest::code::UNKNOWN_VARIANT, message, hint);
        None
    }

    /// Text that may be of several lines.
    pub(super) fn description(&mut self, node: &'d Node) -> Option<String> {
        self.text(node).map(str::to_owned)
    }
}

fn is_dataset_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= NAME_BYTES_MAX
        && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && text.bytes().all(legal)
}
