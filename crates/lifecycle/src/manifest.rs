//! What a program needs of its own manifest. Whether all of it is right is for `tesseractl tenant
//! check` to say; here only what is used is read, so that a program does not refuse to run for what
//! it does not need: a schedule that fires no more, or whose time zone the container does not know.
//! So this is not the core's reader; tests hold the two, and Python's, to the same understanding.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use tessera_manifest::{Document, Format, Limits, Problem, Source, code, read};
use tessera_types::{Duration, Name};

/// The file's name.
pub const FILE_NAME: &str = "tessera-tenant.toml";

/// What a tenant declares, as far as its program needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The tenant's name.
    pub name: Name,
    /// The tenant's version.
    pub version: String,
    /// The name of the dataset that it makes.
    pub schema: String,
    /// The names of what it reads.
    pub sources: Vec<String>,
    /// How old the last success may be.
    pub freshness: Freshness,
    /// The namespace of its jobs in OpenLineage, where it declares one.
    pub namespace: Option<String>,
    /// The suffixes of its further services.
    pub services: Vec<Name>,
}

/// How old the last success may be, and how the manifest says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The duration.
    pub duration: Duration,
    /// The duration as it was written.
    pub text: String,
}

#[derive(Deserialize)]
struct Declared {
    name: Name,
    version: String,
    schema: IgnoredAny,
    sources: Vec<String>,
    freshness: String,
    #[serde(default)]
    telemetry: Telemetry,
    #[serde(default)]
    services: BTreeMap<Name, IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct Telemetry {
    namespace: Option<String>,
}

impl Manifest {
    /// Reads a manifest; `file` is what messages call it.
    ///
    /// # Errors
    /// Everything that is wrong with what is needed.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let source = Source::new(file, text);
        let mut manifests = read(source, Format::Toml, &Limits::default(), Self::of)?;
        Ok(manifests.remove(0))
    }

    fn of(document: &Document) -> Result<Self, Vec<Problem>> {
        let Declared { name, version, schema: IgnoredAny, sources, freshness, telemetry, services } =
            document.decode()?;
        // A short form is text, the long form is a table with a name.
        let schema = document
            .decode_at("schema")
            .or_else(|problems| document.decode_at("schema.name").map_err(|_| problems))?;
        let duration = freshness.parse().map_err(|error: tessera_types::TimeError| {
            vec![document.problem("freshness", code::INVALID_VALUE, error.to_string(), None)]
        })?;
        Ok(Self {
            name,
            version,
            schema,
            sources,
            freshness: Freshness { duration, text: freshness.trim().to_owned() },
            namespace: telemetry.namespace,
            services: services.into_keys().collect(),
        })
    }

    /// The service with this suffix; nothing is the primary.
    ///
    /// # Errors
    /// Which services there are, when there is none of that suffix.
    pub fn service(&self, suffix: &str) -> Result<Option<Name>, String> {
        if suffix.is_empty() {
            return Ok(None);
        }
        if let Some(name) = self.services.iter().find(|name| name.as_str() == suffix) {
            return Ok(Some(name.clone()));
        }
        let known: Vec<_> = self.services.iter().map(Name::as_str).collect();
        Err(match known.as_slice() {
            [] => format!("no service is called '{suffix}': {} has only its primary", self.name),
            known => format!("no service is called '{suffix}': there are {}", known.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "name = 'circ-trans'\nkind = 'extract'\nversion = '1.2.0'\n\
        schema = 'circ_trans'\nsources = ['sierra']\nfreshness = '26h'\n";

    #[test]
    fn the_long_form_of_a_schema_has_a_name() {
        let long =
            SHORT.replace("schema = 'circ_trans'", "schema = {name = 'items', columns = []}");
        assert_eq!(Manifest::parse("m", &long).unwrap().schema, "items");
        assert_eq!(Manifest::parse("m", SHORT).unwrap().schema, "circ_trans");
        let wrong = SHORT.replace("schema = 'circ_trans'", "schema = 5");
        let problems = Manifest::parse("m", &wrong).unwrap_err();
        assert!(problems[0].to_string().starts_with("m:4:10: "), "{}", problems[0]);
    }

    #[test]
    fn what_is_missing_is_said_with_its_place() {
        let problems = Manifest::parse("m", "name = 'a/b'\nfreshness = '1d'\n").unwrap_err();
        let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|line| line.contains("`version`")), "{said:?}");
        assert!(said.iter().any(|line| line.contains("a/b")), "{said:?}");
    }

    #[test]
    fn an_unknown_service_is_answered_with_those_that_exist() {
        let text = format!("{SHORT}[services.reconcile]\nschedule = 'hourly'\n");
        let manifest = Manifest::parse("m", &text).unwrap();
        assert_eq!(manifest.service("").unwrap(), None);
        assert_eq!(manifest.service("reconcile").unwrap().unwrap().as_str(), "reconcile");
        let said = manifest.service("reconsile").unwrap_err();
        assert_eq!(said, "no service is called 'reconsile': there are reconcile");
    }
}
