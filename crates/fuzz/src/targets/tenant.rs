//! Manifests of tenants, and the files of a registry.

use jiff::Timestamp;
use tessera_manifest::Source;
use tessera_tenant::manifest::{Manifest, Tier, check};
use tessera_tenant::units::{UnitPlaces, reach, render};
use tessera_tenant::{export, fleet, registry};
use tessera_types::Name;
use tessera_types::tenant::TenantSpec;

use super::{chosen, have_places};

/// The first byte says what the rest is: `i` an instance, `e` an entry of a registry, `u` a unit,
/// else a manifest.
pub(super) fn run(bytes: &[u8]) {
    let Some((first, text)) = chosen(bytes) else { return };
    match first {
        b'i' => listing(text, ""),
        b'e' => listing("org = \"library\"\nscope = \"dev\"\n", text),
        b'u' => reach("circ.service", text).iter().for_each(|it| assert!(!it.message.is_empty())),
        _ => manifest(text),
    }
}

fn listing(instance: &str, entry: &str) {
    let files = vec![Source::new("tenants/circ.toml", entry)];
    let listing = registry::read(Source::new("instance.toml", instance), files);
    assert!(listing.instance.is_some() || !listing.problems.is_empty());
    assert!(!listing.entries.is_empty() || !listing.problems.is_empty());
    for problem in &listing.problems {
        assert!(problem.line >= 1 && !problem.render().contains('\u{1b}'), "{problem}");
    }
}

fn manifest(text: &str) {
    let (zones, now) = (jiff::tz::db(), at());
    let checked = check(Source::new("tessera-tenant.toml", text), Tier::Two, zones, now);
    if !checked.warnings.is_empty() {
        have_places(&checked.warnings, text);
    }
    match &checked.manifest {
        Some(manifest) => valid(manifest),
        None => have_places(&checked.problems, text),
    }
    let name = checked.manifest.map_or_else(name, |manifest| manifest.name);
    let spec = TenantSpec { manifest: text.to_owned(), ..TenantSpec::default() };
    for problem in fleet::problems(&name, &spec, zones, now) {
        assert!(!problem.to_string().is_empty());
    }
    let _suffixes = fleet::services(&spec, zones, now);
}

fn valid(manifest: &Manifest) {
    let (zones, now) = (jiff::tz::db(), at());
    let toml = manifest.to_toml();
    let again = check(Source::new("tessera-tenant.toml", toml.as_str()), Tier::Two, zones, now);
    assert_eq!(again.manifest.as_ref(), Some(manifest), "{toml}: {:?}", again.problems);
    let contract = export::odcs(manifest, "library", zones, now);
    assert_eq!(contract["kind"], "DataContract");
    let files = render(manifest, &name(), &places()).expect("the places can be named");
    for file in files {
        // A value cannot begin a line of its own, and so a section or a setting.
        assert!(!file.text.contains(['\0', '\r']), "{}: {:?}", file.name, file.text);
        let unknown = file.text.lines().find(|line| !is_known(line));
        assert!(file.name.ends_with(".env") || unknown.is_none(), "{unknown:?}");
    }
}

/// Whether a line is one of those that units are made of.
fn is_known(line: &str) -> bool {
    let is_setting = line.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    line.is_empty() || line.starts_with(['#', '[', ' ']) || is_setting
}

fn name() -> Name {
    Name::new("circ").expect("it is a name")
}

fn at() -> Timestamp {
    Timestamp::from_second(1_777_622_400).expect("it is a time")
}

fn places() -> UnitPlaces {
    UnitPlaces {
        folder: "/srv/t".into(),
        manifest: "/srv/t/tessera-tenant.toml".into(),
        telemetry: "/srv/hub".into(),
        units: "/srv/units".into(),
        textfile: None,
    }
}
