//! Tenants that are installed and are not to be: the instance does not declare them any more, or not
//! to be operated. They go on to run, so every command that sees all tenants names them. They may be
//! those of another instance, and nobody but its owner knows.

use std::collections::BTreeSet;

use tessera_tenant::manifest::Tier;
use tessera_types::Name;

use super::instance::Instance;
use crate::context::tell;

/// Those of the installed ones that the instance does not operate. Of one that is not valid nobody
/// knows what it is to be.
pub(super) fn left_over<'n>(instance: &Instance, installed: &'n BTreeSet<Name>) -> Vec<&'n Name> {
    let is_left = |name: &&Name| match instance.registry.tenant_named(name.as_str()) {
        Some(tenant) => tenant.manifest.tier() != Tier::Three,
        None => !instance.lists(name.as_str()),
    };
    installed.iter().filter(is_left).collect()
}

/// What to do about one.
pub(super) fn told(name: &Name) -> String {
    format!(
        "{name}: installed and not declared here: `tesseractl tenant uninstall {name}` removes it\n"
    )
}

/// Names them on standard error.
pub(super) fn tell_left_over(instance: &Instance, installed: &BTreeSet<Name>) {
    left_over(instance, installed).into_iter().for_each(|name| tell(&told(name)));
}
