//! Writes a tree in each format, and notes where every scalar starts.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use tessera_manifest::Format;

/// Where a scalar was written: lines and columns from 1, columns in characters.
pub(crate) struct Mark {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) marks: Vec<Mark>,
}

/// Writes `tree`, a map, and chooses by `styles` wherever the format leaves a choice.
pub(crate) fn render(format: Format, tree: &Value, styles: &[bool]) -> Rendered {
    let rendered = Rendered { text: String::new(), marks: Vec::new() };
    let mut writer = Writer { rendered, styles: styles.iter().copied().cycle() };
    match (format, tree) {
        (Format::Yaml, tree) => writer.block(tree, "", 0),
        (Format::Json, tree) => writer.flow(tree, "", ": "),
        (Format::Toml, Value::Object(entries)) => writer.tables(entries, "", ""),
        (Format::Toml, _) => panic!("a TOML document is a map"),
    }
    writer.rendered
}

struct Writer<S> {
    rendered: Rendered,
    styles: S,
}

impl<S: Iterator<Item = bool>> Writer<S> {
    fn put(&mut self, text: &str) {
        self.rendered.text.push_str(text);
    }

    fn choose(&mut self) -> bool {
        self.styles.next().unwrap_or_default()
    }

    fn mark(&mut self, path: &str) {
        let text = &self.rendered.text;
        let line_start = text.rfind('\n').map_or(0, |at| at + 1);
        let line = text[..line_start].matches('\n').count() + 1;
        let column = text[line_start..].chars().count() + 1;
        self.rendered.marks.push(Mark { path: path.to_owned(), line, column });
    }

    /// A value within brackets, as JSON and, but for the separator, inline TOML and flow YAML.
    fn flow(&mut self, value: &Value, path: &str, separator: &str) {
        match value {
            Value::Array(elements) => {
                self.put("[");
                for (index, element) in elements.iter().enumerate() {
                    self.put(if index > 0 { ", " } else { "" });
                    self.flow(element, &format!("{path}[{index}]"), separator);
                }
                self.put("]");
            }
            Value::Object(entries) => {
                self.put("{");
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.put(if index > 0 { ", " } else { "" });
                    self.put(&format!("{}{separator}", text(key)));
                    self.flow(value, &below(path, key), separator);
                }
                self.put("}");
            }
            scalar => self.scalar(scalar, path),
        }
    }

    fn scalar(&mut self, value: &Value, path: &str) {
        self.mark(path);
        self.put(&match value {
            Value::String(content) => text(content),
            Value::Number(number) if number.is_f64() => format!("{:?}", number.as_f64().unwrap()),
            other => other.to_string(),
        });
    }

    /// A value in YAML's block style, or in flow style where that is chosen.
    fn block(&mut self, value: &Value, path: &str, indent: usize) {
        let pad = " ".repeat(indent);
        match value {
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.put(&format!("{pad}-"));
                    self.block_value(element, &format!("{path}[{index}]"), indent);
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.put(&format!("{pad}{}:", text(key)));
                    self.block_value(value, &below(path, key), indent);
                }
            }
            _ => panic!("a block is a list or a map"),
        }
    }

    fn block_value(&mut self, value: &Value, path: &str, indent: usize) {
        let nested = match value {
            Value::Array(elements) => !elements.is_empty() && self.choose(),
            Value::Object(entries) => !entries.is_empty() && self.choose(),
            _ => false,
        };
        if nested {
            self.put(" # nested\n");
            self.block(value, path, indent + 2);
            return;
        }
        self.put(" ");
        match value {
            Value::String(plain) if is_plain(plain) && self.choose() => {
                self.mark(path);
                self.put(plain);
            }
            value => self.flow(value, path, ": "),
        }
        self.put("\n");
    }

    /// A map as TOML: first what stands on one line, then the tables below.
    fn tables(&mut self, entries: &Map<String, Value>, path: &str, header: &str) {
        let mut below_it = Vec::new();
        for (key, value) in entries {
            match value {
                Value::Object(entries) if self.choose() => below_it.push((key, entries)),
                value => {
                    self.put(&format!("{} = ", text(key)));
                    self.flow(value, &below(path, key), " = ");
                    self.put("\n");
                }
            }
        }
        for (key, entries) in below_it {
            let dot = if header.is_empty() { "" } else { "." };
            let header = format!("{header}{dot}{}", text(key));
            self.put(&format!("[{header}]\n"));
            self.tables(entries, &below(path, key), &header);
        }
    }
}

fn below(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    let key = match !key.is_empty() && key.chars().all(plain) {
        true => key.to_owned(),
        false => format!("{key:?}"),
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Text that means itself without quotes.
fn is_plain(text: &str) -> bool {
    let letters = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    letters && !matches!(text, "true" | "false" | "null")
}

/// Text in double quotes, in the escapes that all three formats share.
fn text(content: &str) -> String {
    let mut out = String::from('"');
    for character in content.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
