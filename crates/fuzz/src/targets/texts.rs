//! Texts with a form of their own, as they stand in manifests, queries and on command lines.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tessera_types::engine::{JobId, ScenarioName};
use tessera_types::tenant::{RunRequestId, TenantHash};
use tessera_types::workload::Signal;
use tessera_types::{Bytes, Duration, KindName, Millicores, Name, Selector, Timestamp, Uid};

/// The whole is the text, read as everything.
pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    is_read_again::<Name>(text);
    is_read_again::<Duration>(text);
    is_read_again::<Timestamp>(text);
    is_stored::<Millicores>(text);
    is_stored::<Bytes>(text);
    is_read_again::<Selector>(text);
    is_read_again::<Uid>(text);
    is_read_again::<JobId>(text);
    is_read_again::<ScenarioName>(text);
    is_read_again::<RunRequestId>(text);
    is_read_again::<TenantHash>(text);
    is_read_again::<Signal>(text);
    is_read_again::<KindName>(text);
    let _spans = tessera_workflow::definition::parse_duration(text);
    let _unit = tessera_tenant::registry::unit_of_file(text);
}

/// What is read is stored as the same: people are shown a rounded one.
fn is_stored<T>(text: &str)
where
    T: FromStr<Err: Display> + Display + PartialEq + Debug + Serialize + DeserializeOwned,
{
    match text.parse::<T>() {
        Ok(value) => {
            let stored = serde_json::to_string(&value).expect("it can be stored");
            assert_eq!(serde_json::from_str::<T>(&stored).ok(), Some(value), "{text:?}: {stored}");
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
}

/// What is read is written as something that is read as the same; what is not says why, in a text
/// that is not much longer than what it is about.
fn is_read_again<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            let again = written.parse::<T>();
            assert_eq!(again.ok().as_ref(), Some(&value), "{text:?} was written as {written:?}");
        }
        Err(why) => {
            let why = why.to_string();
            assert!(!why.is_empty() && why.len() < 1000 + 8 * text.len(), "{why}");
        }
    }
}
