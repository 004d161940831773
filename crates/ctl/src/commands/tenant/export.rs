//! `tenant export`: what a tenant declares, for others than Tessera, or for its control plane.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use tessera_tenant::manifest::Tier;
use tessera_tenant::registry::{Tenant, unit_of_file};
use tessera_types::Name;

use super::host;
use super::instance::{Instance, Which, text_of};
use crate::cli::Format;
use crate::context::{Context, json, print, yaml};
use crate::failure::Failure;

/// Which tenant is exported, and as what.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tenant
    #[arg(value_name = "NAME")]
    name: String,
    /// What is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "odcs")]
    format: Form,
    #[command(flatten)]
    which: Which,
}

/// The forms of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Its data contract, in the Open Data Contract Standard
    Odcs,
    /// A resource for the control plane: its manifest, and its units where they are written by hand
    Resource,
}

/// The resource that a tenant is to the control plane.
#[derive(Debug, Serialize)]
struct Resource<'a> {
    kind: &'static str,
    name: &'a Name,
    spec: Spec<'a>,
}

#[derive(Debug, Serialize)]
struct Spec<'a> {
    node_selector: BTreeMap<String, String>,
    /// The folder of the manifest on the nodes: that on this machine, until somebody changes it.
    folder: String,
    org: &'a Name,
    manifest: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    units: BTreeMap<String, String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let format = context.format(&[Format::Yaml, Format::Json])?;
    let instance = Instance::read(&arguments.which)?;
    let tenant = instance.tenant(context, &arguments.name)?;
    let org = instance.org(context)?;
    let value = match arguments.format {
        Form::Odcs => {
            let zones = jiff::tz::db();
            let now = Timestamp::now();
            tessera_tenant::export::odcs(&tenant.manifest, org.as_str(), zones, now)
        }
        Form::Resource if tenant.manifest.tier() != Tier::Three => {
            return Err(host::not_operated(&tenant.manifest.name));
        }
        Form::Resource => {
            let resource = resource(&instance, tenant, org)?;
            serde_json::to_value(resource).map_err(std::io::Error::other)?
        }
    };
    print(&if format == Format::Json { json(&value)? } else { yaml(&value)? })
}

fn resource<'a>(
    instance: &Instance,
    tenant: &'a Tenant,
    org: &'a Name,
) -> Result<Resource<'a>, Failure> {
    let manifest = instance.manifest_of(tenant);
    let folder = manifest.parent().unwrap_or(Path::new("/"));
    let spec = Spec {
        node_selector: BTreeMap::new(),
        folder: folder.display().to_string(),
        org,
        manifest: text(&manifest)?,
        units: units(instance, tenant)?,
    };
    Ok(Resource { kind: "Tenant", name: &tenant.manifest.name, spec })
}

/// The texts of the units that are written by hand, by the names of their files.
fn units(instance: &Instance, tenant: &Tenant) -> Result<BTreeMap<String, String>, Failure> {
    let Some(folder) = instance.units_of(tenant) else { return Ok(BTreeMap::new()) };
    let files = tenant.unit_files().into_iter().filter(|file| unit_of_file(file).is_some());
    files.map(|file| Ok((file.clone(), text(&folder.join(file))?))).collect()
}

fn text(path: &Path) -> Result<String, Failure> {
    text_of(path)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}
