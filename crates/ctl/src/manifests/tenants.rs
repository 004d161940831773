//! Tenants that are declared: what `tenant check` would warn of in their manifests.

use jiff::Timestamp;
use tessera_manifest::{Problem, Source};
use tessera_tenant::manifest::{Tier, check};
use tessera_types::KindName;

use super::Declaration;

/// What is allowed in the manifests of tenants and probably not meant. The places are within
/// the text of each; its lines are not shown, as there can be secrets in them.
#[must_use]
pub fn warnings(declarations: &[Declaration]) -> Vec<Problem> {
    let tenants = declarations.iter().filter(|it| it.key.kind == KindName::Tenant);
    tenants.flat_map(of_tenant).collect()
}

fn of_tenant(declaration: &Declaration) -> Vec<Problem> {
    let Some(text) = declaration.manifest["spec"]["manifest"].as_str() else { return Vec::new() };
    let name = format!("{} ({}) spec.manifest", declaration.at, declaration.key);
    let checked = check(Source::new(name, text), Tier::Three, jiff::tz::db(), Timestamp::now());
    let warnings = checked.warnings.into_iter();
    warnings.map(|warning| Problem { excerpt: None, ..warning }).collect()
}
