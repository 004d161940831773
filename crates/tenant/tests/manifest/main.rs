//! What an author is told about a manifest, and what a valid one means.

mod generate;
mod messages;
mod properties;

use jiff::tz::db;
use tessera_manifest::Source;
use tessera_tenant::manifest::{Checked, Manifest, Tier, check};

/// When these tests are.
const NOW: &str = "2026-06-18T12:00:00Z";

/// A Tier 3 manifest that uses every field.
const FULL: &str = include_str!("full.toml");

fn checked(text: &str, required: Tier) -> Checked {
    let source = Source::new("tessera-tenant.toml", text);
    check(source, required, db(), NOW.parse().unwrap())
}

fn valid(text: &str) -> Manifest {
    checked(text, Tier::Two).into_result().unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

#[test]
fn the_tier_is_read_off() {
    let full = checked(FULL, Tier::Three);
    assert_eq!((full.tier, &full.problems[..]), (Some(Tier::Three), &[][..]));
    let without = FULL.split("[lifecycle]").next().unwrap();
    let contract = checked(without, Tier::Two);
    assert_eq!((contract.tier, &contract.problems[..]), (Some(Tier::Two), &[][..]));
    // As Tier 3 it is refused, and it is still a contract.
    let refused = checked(without, Tier::Three);
    assert_eq!(refused.tier, Some(Tier::Two));
    assert_eq!(refused.problems[0].message, "as Tier 3: lifecycle: required section missing");
    assert!(refused.into_result().is_err());
}

#[test]
fn a_further_service_takes_what_it_does_not_say_from_the_lifecycle() {
    let services = valid(FULL).services();
    let [primary, reconcile] = &services[..] else { panic!("{services:?}") };
    assert_eq!(
        (primary.unit.as_str(), reconcile.unit.as_str()),
        ("circ-trans", "circ-trans-reconcile")
    );
    assert_eq!(primary.entrypoint, reconcile.entrypoint);
    assert_eq!(reconcile.verb_arguments, ["--window", "30 days"]);
    assert_eq!(reconcile.timeout.to_string(), "2h");
    assert_eq!(primary.timeout.to_string(), "30m");
    assert_eq!(reconcile.environment["LAKE"], "/srv/lake");
    assert_eq!(reconcile.environment["MODE"], "reconcile");
    assert_eq!(primary.environment["MODE"], "incremental");
    assert_eq!(reconcile.resources.memory.unwrap().to_string(), "1GiB");
    assert_eq!(reconcile.resources.cpu, primary.resources.cpu);
    assert!(valid(FULL).service(Some("other")).is_none());
}

#[test]
fn other_formats_say_the_same() {
    let manifest = valid(FULL);
    let json = serde_json::to_string_pretty(&manifest).unwrap();
    for name in ["tenant.json", "tenant.yaml"] {
        let source = Source::new(name, json.as_str());
        let other = check(source, Tier::Three, db(), NOW.parse().unwrap());
        assert_eq!(other.into_result().as_ref(), Ok(&manifest), "{name}");
    }
}
