//! Tenants in full. The manifest and the units are left to `get -o yaml`: there can be
//! secrets in them.

use tessera_types::tenant::{TenantNode, service_name};
use tessera_types::{Object, Tenant};

use super::Page;
use crate::moment::age;
use crate::show::labels;
use crate::show::tenant::{Declared, nodes, of_run, of_service, on_node};
use crate::style::{Tone, told};

pub(super) fn of_tenant(page: &mut Page, tenant: &Object<Tenant>) {
    let (spec, observed) = (&tenant.spec, &tenant.observed);
    let declared = Declared::of(&spec.manifest);
    page.heading("spec");
    page.optional("kind", declared.kind);
    page.optional("version", declared.version);
    page.optional("owner", declared.owner);
    page.optional("schedule", declared.schedule);
    let selector = match spec.node_selector.is_empty() {
        true => "every node".to_owned(),
        false => labels(&spec.node_selector),
    };
    page.field("node selector", selector);
    page.optional("folder", spec.folder.as_ref());
    page.optional("org", spec.org.as_ref());
    let units: Vec<_> = spec.units.keys().map(String::as_str).collect();
    let written = format!("written by hand: {}", units.join(", "));
    page.field("units", if units.is_empty() { "made from the manifest" } else { &written });
    page.optional("hash", observed.hash);
    page.heading(&format!("nodes ({} installed)", nodes(tenant)));
    for node in &observed.nodes {
        of_node(page, node);
    }
    if !observed.runs.is_empty() {
        page.heading("runs that were asked for");
        for run in observed.runs.iter().rev() {
            let (text, tone) = of_run(run, page.now);
            page.toned(&age(run.requested_at, page.now), told(&text), tone);
        }
    }
}

fn of_node(page: &mut Page, node: &TenantNode) {
    let (text, tone) = on_node(node, page.now);
    page.toned(node.node.as_str(), told(&text), tone);
    for conflict in &node.conflicts {
        page.toned("", format!("in the way: {} ({})", conflict.path, conflict.found), Tone::Bad);
    }
    if let Some(repaired) = &node.repaired {
        let times = if repaired.count == 1 { "once" } else { &format!("{} times", repaired.count) };
        let ago = age(repaired.last_at, page.now);
        page.field("", format!("repaired {times}, last {ago} ago: {}", told(&repaired.what)));
    }
    for service in &node.services {
        let name = service_name(service.service.as_ref());
        page.field("", format!("{name}: {}", of_service(service, page.now)));
    }
}
