//! Whether a tenant has units of its own: names that no other tenant's units have.
//!
//! It is so for all tenants, wherever they are: labels change, and systemd ignores a second
//! unit of the same name without a word.

use std::sync::Arc;

use tessera_tenant::fleet::shared_unit;
use tessera_types::{Object, Tenant};

use super::AdmissionError;
use crate::world::World;

/// Checks that no other tenant has a unit of `tenant`.
///
/// # Errors
/// Which unit, and whose it is.
pub(super) fn check_units(world: &World, tenant: &Object<Tenant>) -> Result<(), AdmissionError> {
    let own = (&tenant.name, tenant.spec.as_ref());
    let shared = |other: &Arc<Object<Tenant>>| {
        let unit = shared_unit(own, (&other.name, other.spec.as_ref()))?;
        Some((unit, Arc::clone(other)))
    };
    let others = world.tenants.iter().filter(|other| other.name != tenant.name);
    let Some((unit, owner)) = others.filter_map(shared).min_by(|a, b| a.0.cmp(&b.0)) else {
        return Ok(());
    };
    if owner.deletion_requested_at.is_some() {
        let message = format!(
            "`{unit}` is a unit of {}, which is being deleted: declare it when that is gone",
            owner.name
        );
        return Err(AdmissionError::NotNow(message));
    }
    let path = if tenant.spec.units.is_empty() { "spec.manifest" } else { "spec.units" };
    let message = format!(
        "`{unit}` is a unit of {} already: rename a service or a tenant: a tenant NAME has the \
         units NAME and NAME-SUFFIX",
        owner.name
    );
    Err(AdmissionError::invalid(path, message))
}
