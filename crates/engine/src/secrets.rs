//! Secrets: a folder with a file for each, which only the owner may read.
//!
//! The one idea: a document names the secrets that it may use, and they are read when
//! its run begins. They are in memory while it runs and nowhere else.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tessera_effects::configuration;
use tessera_workflow::machine::Error;
use tessera_workflow::value::{Value, from_json};

/// A secret, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// What others may do with a file of secrets: nothing.
const OTHERS: u32 = 0o077;

/// The secrets of these names that are in `folder`. One that is not there is missing, and
/// the run says so when it is used.
pub(crate) fn read(
    folder: Option<&Path>,
    names: &[Arc<str>],
) -> Result<BTreeMap<Arc<str>, Value>, Error> {
    let mut secrets = BTreeMap::new();
    let Some(folder) = folder else { return Ok(secrets) };
    for name in names {
        if let Some(value) = read_one(folder, name)? {
            secrets.insert(Arc::clone(name), value);
        }
    }
    Ok(secrets)
}

/// What is to be hidden of the secrets of these names: also those that a run would refuse, since
/// others may read their files.
pub(crate) fn to_hide(folder: Option<&Path>, names: &[Arc<str>]) -> BTreeMap<Arc<str>, Value> {
    let Some(folder) = folder else { return BTreeMap::new() };
    let known = |name: &Arc<str>| {
        let path = path(folder, name)?;
        let is_small =
            std::fs::metadata(&path).is_ok_and(|it| it.is_file() && it.len() <= BYTES_MAX);
        let text = std::fs::read_to_string(path).ok().filter(|_| is_small)?;
        Some((Arc::clone(name), parse(&text)))
    };
    names.iter().filter_map(known).collect()
}

/// The file of a secret; none if its name cannot be that of one.
fn path(folder: &Path, name: &str) -> Option<PathBuf> {
    (!name.contains('/') && !name.starts_with('.')).then(|| folder.join(name))
}

fn read_one(folder: &Path, name: &str) -> Result<Option<Value>, Error> {
    let wrong = |why: &str| configuration(format!("the secret {name} cannot be used: {why}"));
    let Some(path) = path(folder, name) else {
        return Err(wrong("its name cannot be that of a file"));
    };
    let about = match std::fs::metadata(&path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(&error.kind().to_string())),
    };
    if about.permissions().mode() & OTHERS != 0 {
        return Err(wrong("others than its owner may read its file; chmod it to 0600"));
    }
    if !about.is_file() || about.len() > BYTES_MAX {
        return Err(wrong("it is no file, or too large a one"));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(&error.kind().to_string()))?;
    Ok(Some(parse(&text)))
}

/// An object where the text is one in JSON, as schemes of authentication want; else the
/// text.
fn parse(text: &str) -> Value {
    let text = text.trim_end_matches(['\n', '\r']);
    match serde_json::from_str::<serde_json::Map<_, _>>(text) {
        Ok(fields) => from_json(serde_json::Value::Object(fields)),
        Err(_) => Value::utf8_str(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_text_or_an_object_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        };
        put("token", "abcd\n", 0o600);
        put("basic", r#"{"username": "u", "password": "p"}"#, 0o400);
        put("open", "abcd", 0o644);
        let read = |names: &[&str]| {
            let names: Vec<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
            read(Some(folder.path()), &names)
        };
        let secrets = read(&["token", "basic", "missing"]).unwrap();
        assert_eq!(secrets.len(), 2);
        assert_eq!(secrets["token"].to_string(), r#""abcd""#);
        assert!(secrets["basic"].to_string().contains(r#""username":"u""#));
        for bad in ["open", "../token", "a/b"] {
            let error = read(&[bad]).unwrap_err().to_string();
            assert!(error.contains(bad) && !error.contains("abcd"), "{error}");
        }
    }
}
