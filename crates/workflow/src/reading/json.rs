//! A document as JSON: plain, for schemas and values, and canonical, for its hash.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use tessera_manifest::{Node, Number, Value};

/// A node as JSON. What is no number in JSON becomes null; documents with such are refused.
pub(super) fn plain(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(it) => (*it).into(),
        Value::Number(Number::Unsigned(it)) => (*it).into(),
        Value::Number(Number::Negative(it)) => (*it).into(),
        Value::Number(Number::Float(it)) => (*it).into(),
        Value::String(it) => it.as_str().into(),
        Value::Seq(all) => all.iter().map(plain).collect(),
        Value::Map(all) => {
            all.iter().map(|entry| (entry.key.clone(), plain(&entry.value))).collect()
        }
    }
}

/// SHA-256 of the canonical JSON of a document, in hexadecimal.
///
/// Canonical is: keys in the order of their bytes, no blanks, whole numbers as such however they
/// were written. So layout, comments, the order of keys and the format do not count.
pub(super) fn hash(root: &Node) -> String {
    let mut text = String::new();
    canonical(root, &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

fn canonical(node: &Node, out: &mut String) {
    match &node.value {
        Value::Number(Number::Float(it)) if is_whole(*it) => {
            let _ = write!(out, "{}", *it as i64);
        }
        Value::Seq(all) => {
            out.push('[');
            for (index, element) in all.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                canonical(element, out);
            }
            out.push(']');
        }
        Value::Map(all) => {
            let mut all: Vec<_> = all.iter().collect();
            all.sort_by(|a, b| a.key.cmp(&b.key));
            out.push('{');
            for (index, entry) in all.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                out.push_str(&serde_json::Value::from(entry.key.as_str()).to_string());
                out.push(':');
                canonical(&entry.value, out);
            }
            out.push('}');
        }
        _ => out.push_str(&plain(node).to_string()),
    }
}

/// Whether a number is a whole one that every reader of JSON keeps.
fn is_whole(number: f64) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.fract() == 0.0 && number.abs() <= EXACT
}
