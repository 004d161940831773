//! Facts about a change of status: a few names with texts.
//!
//! The one idea: they are made once and then copied with every version of a resource and
//! into its history, so a copy is a count of one more, and the few are kept in one row.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use schemars::JsonSchema;
use schemars::r#gen::SchemaGenerator;
use schemars::schema::Schema;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Fact = (String, String);

/// Facts by name, in the order of their names. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Facts(Option<Arc<Vec<Fact>>>);

impl Facts {
    /// Sets a fact.
    pub fn insert(&mut self, name: &str, value: &str) {
        let facts = Arc::make_mut(self.0.get_or_insert_default());
        match facts.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(at) => value.clone_into(&mut facts[at].1),
            Err(at) => facts.insert(at, (name.to_owned(), value.to_owned())),
        }
    }

    /// The fact of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&String> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().flat_map(|facts| facts.iter()).map(|(name, value)| (name, value))
    }
}

impl Index<&str> for Facts {
    type Output = String;

    /// # Panics
    /// When there is no such fact.
    fn index(&self, name: &str) -> &String {
        self.get(name).expect("there is such a fact")
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Facts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Facts, A::Error> {
                let mut facts = Facts::default();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    facts.insert(&name, &value);
                }
                Ok(facts)
            }
        }
        deserializer.deserialize_map(Map)
    }
}

impl JsonSchema for Facts {
    fn is_referenceable() -> bool {
        false
    }

    fn schema_name() -> String {
        BTreeMap::<String, String>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, String>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_a_map_in_order_whatever_order_they_came_in() {
        let mut facts = Facts::default();
        for (name, value) in [("pid", "1"), ("node", "a"), ("pid", "2")] {
            facts.insert(name, value);
        }
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(json, r#"{"node":"a","pid":"2"}"#);
        assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts);
        assert_eq!((facts["node"].as_str(), facts.get("exit")), ("a", None));
        assert!(Facts::default().is_empty() && !facts.is_empty());
    }
}
