//! The units that are rendered: what they say, and that systemd and Quadlet take them.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "other programs judge the units, and read them from files"
)]

mod syntax;

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::tz::db;
use proptest::prelude::*;
use tessera_manifest::Source;
use tessera_tenant::manifest::{Manifest, Tier, check};
use tessera_tenant::units::{self, PlaceError, UnitFile, UnitPlaces};
use tessera_types::Name;

const FULL: &str = include_str!("../manifest/full.toml");

fn manifest(text: &str) -> Manifest {
    let now = "2026-06-18T12:00:00Z".parse().unwrap();
    let checked = check(Source::new("tessera-tenant.toml", text), Tier::Three, db(), now);
    checked.into_result().unwrap()
}

fn render(manifest: &Manifest, places: &UnitPlaces) -> Result<Vec<UnitFile>, PlaceError> {
    units::render(manifest, &Name::new("library").unwrap(), places)
}

fn places() -> UnitPlaces {
    UnitPlaces {
        folder: "/srv/tenants/circ-trans".to_owned(),
        manifest: "/srv/tenants/circ-trans/tessera-tenant.toml".to_owned(),
        telemetry: "/home/lake/.local/state/tessera/telemetry".to_owned(),
        units: "/home/lake/.local/share/tessera/100% of $X/units".to_owned(),
        textfile: Some("/var/lib/node_exporter/100% text".to_owned()),
    }
}

/// Manifests with what is hard to quote, one in containers and one as processes.
fn hard() -> [Manifest; 2] {
    let hard =
        r#"["bin/app", "a b", "", "50%", "$HOME", "${X}", "q\"uo'te", "back\\slash", ";", "ü"]"#;
    let container = FULL
        .replace(r#"["python3", "app.py"]"#, hard)
        .replace("\"/srv/lake\"", r#""a \"b\" 5% $HOME \\ 'c'""#);
    let process = container.replace("image = \"localhost/circ-trans:1\"\n", "");
    [manifest(&container), manifest(&process)]
}

fn text_of<'a>(files: &'a [UnitFile], name: &str) -> &'a str {
    let file = files.iter().find(|file| file.name == name);
    &file.unwrap_or_else(|| panic!("no {name} in {files:?}")).text
}

#[test]
fn units_are_as_they_were() {
    let process = FULL.replace("image = \"localhost/circ-trans:1\"\n", "");
    let golden = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/units/golden").join(name);
        (path.clone(), fs::read_to_string(path).unwrap_or_default())
    };
    for text in [FULL, &process] {
        for UnitFile { name, text } in render(&manifest(text), &places()).unwrap() {
            if std::env::var_os("TESSERA_BLESS").is_some() {
                fs::write(golden(&name).0, &text).unwrap();
            }
            assert_eq!(text, golden(&name).1, "{name}");
        }
    }
}

#[test]
fn a_container_has_its_volumes() {
    let image = "image = \"localhost/circ-trans:1\"";
    let volumes = r#"volumes = ["/srv/lake:/srv/lake", "/srv/100%$HOME:/in:ro,z"]"#;
    let own = "[services.reconcile]\nvolumes = [\"/srv/lake:/srv/lake:ro\"]";
    let of = |text: &str, unit: &str| {
        let files = render(&manifest(text), &places()).unwrap();
        let lines = text_of(&files, unit).lines();
        let volumes = lines.filter_map(|line| line.strip_prefix("Volume="));
        volumes.skip(3).map(str::to_owned).collect::<Vec<_>>()
    };
    let text = FULL.replace(image, &format!("{image}\n{volumes}"));
    let lifecycle = ["/srv/lake:/srv/lake", "/srv/100%%$$HOME:/in:ro,z"];
    assert_eq!(of(&text, "circ-trans.container"), lifecycle);
    assert_eq!(of(&text, "circ-trans-reconcile.container"), lifecycle);
    let text = text.replace("[services.reconcile]", own);
    assert_eq!(of(&text, "circ-trans.container"), lifecycle);
    assert_eq!(of(&text, "circ-trans-reconcile.container"), ["/srv/lake:/srv/lake:ro"]);
}

#[test]
fn a_contract_alone_has_no_units() {
    let contract = FULL.split("[lifecycle]").next().unwrap();
    let now = "2026-06-18T12:00:00Z".parse().unwrap();
    let checked = check(Source::new("t.toml", contract), Tier::Two, db(), now);
    assert_eq!(render(&checked.manifest.unwrap(), &places()), Ok(vec![]));
}

#[test]
fn places_that_a_unit_cannot_name_are_refused() {
    let at =
        |folder: &str| render(&manifest(FULL), &UnitPlaces { folder: folder.into(), ..places() });
    assert_eq!(at("tenants"), Err(PlaceError::NotAbsolute("tenants".into())));
    assert_eq!(at("/a\nExecStart=/b"), Err(PlaceError::Control("/a\nExecStart=/b".into())));
    assert_eq!(at("/a:b"), Err(PlaceError::Colon("/a:b".into())));
    let [_, process] = hard();
    assert!(render(&process, &UnitPlaces { folder: "/a:b".into(), ..places() }).is_ok());
}

#[test]
fn a_program_is_found_from_the_folder() {
    let start = |program: &str| {
        let text = FULL.replace("\"python3\"", &format!("{program:?}"));
        let text = text.replace("image = \"localhost/circ-trans:1\"\n", "");
        let files = render(&manifest(&text), &places()).unwrap();
        let unit = syntax::Unit::read(text_of(&files, "circ-trans.service"));
        unit.command("ExecStart").remove(0)
    };
    assert_eq!(start("python3"), "python3");
    assert_eq!(start("/usr/bin/python3"), "/usr/bin/python3");
    assert_eq!(start("./app"), "/srv/tenants/circ-trans/app");
    assert_eq!(start(".venv/bin/python"), "/srv/tenants/circ-trans/.venv/bin/python");
}

/// A text that a manifest can hold, with what is special to one of the readers.
fn special() -> impl Strategy<Value = String> {
    "([a-z]|[ \"'%$\\\\;{}\\[\\]#=,:@-]|é|🦀){0,12}"
}

proptest! {
    /// What the program gets is what the manifest says.
    #[test]
    fn arguments_and_variables_arrive(
        arguments in prop::collection::vec(special(), 0..5),
        value in special(),
        image in any::<bool>(),
    ) {
        let mut manifest = manifest(FULL);
        let lifecycle = manifest.lifecycle.as_mut().unwrap();
        lifecycle.image = lifecycle.image.take().filter(|_| image);
        lifecycle.entrypoint = [&["app".to_owned()], &arguments[..]].concat();
        lifecycle.environment.insert("LAKE".to_owned(), value.clone());
        let files = render(&manifest, &places()).unwrap();
        let extension = if image { "container" } else { "service" };
        let unit = syntax::Unit::read(text_of(&files, &format!("circ-trans-reconcile.{extension}")));
        let verb = ["run", "--window", "30 days"].map(str::to_owned);
        let expected = [&["app".to_owned()], &arguments[..], &verb[..]].concat();
        let (command, environment, own) = match image {
            true => {
                let path = unit.words("EnvironmentFile").concat();
                let name = path.rsplit('/').next().unwrap();
                let own = syntax::variables_of_podman(text_of(&files, name));
                (unit.entrypoint(), unit.container_environment(), own)
            }
            false => (unit.command("ExecStart"), unit.environment(), unit.environment()),
        };
        prop_assert_eq!(command, expected);
        prop_assert_eq!(&own["LAKE"], &value);
        prop_assert_eq!(&own["MODE"], "reconcile");
        prop_assert_eq!(&environment["TESSERA_SERVICE"], "reconcile");
        prop_assert_eq!(&environment["TESSERA_ORG"], "library");
        prop_assert_eq!(environment.contains_key("LAKE"), !image);
    }
}

#[test]
fn systemd_takes_processes_and_timers() {
    if !tessera_testkit::part("systemd") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // A program must be there to be started.
    let work = path("work place");
    fs::create_dir_all(work.join("bin")).unwrap();
    fs::copy("/bin/true", work.join("bin/app")).unwrap();
    let places = UnitPlaces { folder: work.to_str().unwrap().to_owned(), ..places() };
    let [_, process] = hard();
    let files = render(&process, &places).unwrap();
    assert_eq!(files.len(), 4);
    for file in &files {
        fs::write(path(&file.name), &file.text).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "verify"]).args(files.iter().map(|file| path(&file.name)));
    let output = verify.env("XDG_RUNTIME_DIR", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn quadlet_takes_containers() {
    if !tessera_testkit::part("quadlet") {
        return;
    }
    let quadlet = tessera_testkit::quadlet().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [container, _] = hard();
    let files = render(&container, &places()).unwrap();
    let lake = &container.lifecycle.as_ref().unwrap().environment["LAKE"];
    for file in files.iter().filter(|file| file.name.ends_with(".container")) {
        assert!(!file.text.contains("LAKE"), "{}", file.text);
        fs::write(folder.path().join(&file.name), &file.text).unwrap();
    }
    let mut command = Command::new(quadlet);
    let output = command.args(["-dryrun", "-user"]).env("QUADLET_UNIT_DIRS", folder.path());
    let output = output.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let wrong = |line: &&str| !line.contains("Loading source unit file");
    assert_eq!(said.lines().find(wrong), None, "{said}");
    // The command lines that it made say what the manifest does.
    let made = String::from_utf8(output.stdout).unwrap();
    let services: Vec<_> = made.split("---").filter(|text| text.contains("[Service]")).collect();
    assert_eq!(services.len(), 2, "{made}");
    let lifecycle = container.lifecycle.as_ref().unwrap();
    for text in services {
        let words = syntax::Unit::read(text).words("ExecStart");
        let after = |option: &str| {
            let options = words.iter().zip(&words[1..]).filter(move |(word, _)| *word == option);
            options.map(|(_, value)| syntax::arrived(value)).collect::<Vec<_>>()
        };
        let entrypoint: Vec<String> = serde_json::from_str(&after("--entrypoint")[0]).unwrap();
        assert_eq!(entrypoint[..lifecycle.entrypoint.len()], lifecycle.entrypoint[..]);
        let [file] = &after("--env-file")[..] else { panic!("{words:?}") };
        let (folder, name) = file.rsplit_once('/').unwrap();
        assert_eq!(folder, places().units);
        assert_eq!(syntax::variables_of_podman(text_of(&files, name))["LAKE"], *lake);
        assert!(!words.iter().any(|word| word.contains("LAKE")), "{words:?}");
        let volume = "/var/lib/node_exporter/100% text:/var/lib/tessera/textfile:z".to_owned();
        assert!(after("-v").contains(&volume), "{words:?}");
    }
}
