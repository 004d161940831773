//! Which crate may depend on which: cores decide, shells do.
//!
//! The one idea: the rules are data, and they are about what a crate is linked
//! with in the end. A finding therefore shows the chain of dependencies that
//! leads to what is forbidden. Tests may use anything.

use super::none_of;
use crate::metadata::Metadata;

/// The crates without I/O, clock, randomness and async. A member of the
/// workspace that is not named here is a shell.
pub(super) const CORES: &[&str] = &[
    "tessera-api",
    "tessera-content",
    "tessera-manifest",
    "tessera-pipeline",
    "tessera-planted",
    "tessera-reconciler",
    "tessera-scheduler",
    "tessera-tenant",
    "tessera-types",
    "tessera-workflow",
];

/// The crates that bring what a core must not have.
const EFFECTS: &[&str] = &["hyper", "reqwest", "rusqlite", "rustix", "tokio"];

/// What may stand between a core and effects: the API is declared as Dropshot
/// traits, and Dropshot brings its server along.
const CORE_EXCEPTIONS: &[(&str, &str)] = &[("tessera-api", "dropshot")];

/// The services, which know each other's API only.
const SERVICES: &[&str] = &["tessera-agent", "tessera-control", "tessera-engine"];

/// What makes outbound HTTP requests, and the only members that may. The control
/// plane calls nothing but the engine, through its client.
const HTTP_CLIENTS: &[&str] = &["reqwest", "tessera-effects"];
const HTTP_CLIENT_USERS: &[&str] = &[
    "tessera",
    "tessera-agent",
    "tessera-bench",
    "tessera-chaos",
    "tessera-client",
    "tessera-e2e",
    "tessera-effects",
    "tessera-engine",
    "tessera-fuzz",
    "tessera-sim",
    "tesseractl",
    "tessera-ctl",
    "xtask",
];
const HTTP_CLIENT_EXCEPTIONS: &[(&str, &str)] = &[("tessera-control", "tessera-client")];

pub(super) fn check(metadata: &Metadata) -> anyhow::Result<()> {
    none_of(&findings(metadata))
}

fn findings(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for (id, package) in metadata.members() {
        let name = package.name.as_str();
        if CORES.contains(&name) {
            core(metadata, id, name, &mut findings);
        }
        let reached = metadata.reach(id, |_| false);
        if SERVICES.contains(&name) {
            let others = SERVICES.iter().filter(|other| **other != name);
            let chains = others.filter_map(|other| reached.get(other));
            findings.extend(chains.map(|chain| finding(name, chain, "a service on a service")));
        }
        if !HTTP_CLIENT_USERS.contains(&name) {
            let reached =
                metadata.reach(id, |other| HTTP_CLIENT_EXCEPTIONS.contains(&(name, other)));
            let chains = HTTP_CLIENTS.iter().filter_map(|client| reached.get(client));
            findings.extend(chains.map(|chain| finding(name, chain, "an HTTP client")));
        }
    }
    findings
}

fn core(metadata: &Metadata, id: &str, name: &str, findings: &mut Vec<String>) {
    let reached = metadata.reach(id, |other| CORE_EXCEPTIONS.contains(&(name, other)));
    for (other, chain) in &reached {
        if EFFECTS.contains(other) {
            findings.push(finding(name, chain, "a core on effects"));
        } else if metadata.member(other).is_some() && !CORES.contains(other) {
            findings.push(finding(name, chain, "a core on a shell"));
        }
    }
}

fn finding(name: &str, chain: &[&str], why: &str) -> String {
    format!("{name} -> {} ({why})", chain.join(" -> "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::fixture::graph;

    fn found(lines: &[&str]) -> Vec<String> {
        findings(&graph(lines))
    }

    #[test]
    fn cores_may_use_cores_and_pure_crates() {
        assert!(
            found(&["tessera-scheduler: tessera-types jiff", "tessera-types: serde"]).is_empty()
        );
    }

    #[test]
    fn a_core_reaches_effects_through_nothing() {
        let found = found(&["tessera-types: tempfile", "tempfile: rustix"]);
        assert_eq!(found, ["tessera-types -> tempfile -> rustix (a core on effects)"]);
    }

    #[test]
    fn a_core_depends_on_no_shell() {
        let found = found(&["tessera-types: tessera-store", "tessera-store: rusqlite"]);
        assert!(found.contains(&"tessera-types -> tessera-store (a core on a shell)".to_owned()));
    }

    #[test]
    fn dropshot_is_excepted_for_the_api_alone() {
        assert!(found(&["tessera-api: dropshot", "dropshot: tokio hyper"]).is_empty());
        let found = found(&["tessera-types: dropshot", "dropshot: tokio"]);
        assert_eq!(found, ["tessera-types -> dropshot -> tokio (a core on effects)"]);
    }

    #[test]
    fn services_do_not_link_each_other_not_even_through_a_third() {
        let found = found(&["tessera-agent: tessera-x", "tessera-x: tessera-control"]);
        assert_eq!(
            found,
            ["tessera-agent -> tessera-x -> tessera-control (a service on a service)"]
        );
    }

    #[test]
    fn the_control_plane_has_no_http_client_but_the_engines() {
        assert!(found(&["tessera-control: tessera-client", "tessera-client: reqwest"]).is_empty());
        let lines = ["tessera-store: tessera-client", "tessera-client: reqwest"];
        assert_eq!(found(&lines), ["tessera-store -> tessera-client -> reqwest (an HTTP client)"]);
        assert!(found(&["tessera-agent: reqwest"]).is_empty());
        let found = found(&["tessera-control: tessera-effects"]);
        assert_eq!(found, ["tessera-control -> tessera-effects (an HTTP client)"]);
    }
}
