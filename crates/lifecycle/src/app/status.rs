//! `status`: one line about the tenant's health.

use super::print;
use super::tenant::{NO_HUB, Tenant, now};
use crate::outcome::FAILED;
use crate::telemetry::Status;

/// Says how the tenant is. Health is the primary's, whichever service asks.
pub(super) fn status(tenant: &Tenant, json: bool) -> u8 {
    let status = match health(tenant) {
        Ok(status) => status,
        Err(why) => {
            tenant.say(&why);
            return FAILED;
        }
    };
    let text = if json { crate::telemetry::line_of(&status) } else { status.text.clone() };
    print(&format!("{text}\n"));
    if status.is_well() { 0 } else { FAILED }
}

fn health(tenant: &Tenant) -> Result<Status, String> {
    let hub = tenant.hub.as_ref().ok_or(NO_HUB)?;
    hub.status(&tenant.manifest, now()).map_err(|error| error.to_string())
}
