//! Golden messages: a manifest with mistakes in `wrong/NAME.toml`, and what is said of it in
//! `wrong/NAME.txt`. `TESSERA_BLESS=1` writes the second anew.

use std::fs;
use std::path::Path;

use tessera_tenant::manifest::Tier;

use super::{FULL, checked};

/// What is said of a manifest, one block for each problem and warning.
fn said(text: &str) -> String {
    let checked = checked(text, Tier::Three);
    let warnings = checked.warnings.iter();
    let warnings = warnings.map(|warning| warning.render().replacen("error", "warning", 1));
    checked.problems.iter().map(tessera_manifest::Problem::render).chain(warnings).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "golden files are read, and written when asked to")]
fn each_mistake_is_told_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifest/wrong");
    let bless = std::env::var_os("TESSERA_BLESS").is_some();
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let said = said(&fs::read_to_string(&path).unwrap());
        let golden = path.with_extension("txt");
        if bless {
            fs::write(&golden, &said).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, expected, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 5);
}

/// The full manifest with one text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(FULL.contains(from), "{from}");
    FULL.replacen(from, to, 1)
}

#[test]
fn volumes_are_of_containers_and_are_checked() {
    let image = "image = \"localhost/circ-trans:1\"";
    let volumes = |volumes: &str| with(image, &format!("{image}\nvolumes = {volumes}"));
    for good in [r#"["/srv/lake:/srv/lake"]"#, r#"["/srv:/srv:ro", "/a/50%:/my lake/:rw,z"]"#, "[]"]
    {
        assert_eq!(checked(&volumes(good), Tier::Three).problems, vec![], "{good}");
    }
    for bad in [
        "/srv/lake",
        "srv/lake:/lake",
        "lake:/lake",
        "/srv/lake:lake",
        "/srv/lake:/",
        "/srv/../etc:/lake",
        "/srv/lake:/lake:rx",
        "/srv/lake:/lake:",
        "/srv/lake:/lake:ro:z",
        "/srv/lake:/run/tessera/more",
        "/srv/lake:/var/lib",
        "/srv/lake:/lake\\\\",
        "/srv/lake:/lake ",
        "/srv/a lake:/lake",
    ] {
        let problems = checked(&volumes(&format!("[\"{bad}\"]")), Tier::Three).problems;
        let found: Vec<_> = problems.iter().map(|problem| (&*problem.code, problem.line)).collect();
        assert_eq!(found, [("invalid_volume", 32)], "{bad}");
    }
    let twice = volumes(r#"["/a:/lake", "/b:/lake/"]"#);
    assert_eq!(checked(&twice, Tier::Three).problems[0].column, 24);
    let process = volumes(r#"["/a:/lake"]"#).replace(image, "");
    assert_eq!(checked(&process, Tier::Three).problems[0].code, "invalid_volume");
}

#[test]
fn a_program_in_an_image_has_a_path_from_the_root() {
    let image = "image = \"localhost/circ-trans:1\"";
    let mounted = format!("{image}\nvolumes = [\"/srv/lake:/srv/lake\"]");
    let warnings = |program: &str, image: &str| {
        let text = with("[\"python3\", \"app.py\"]", &format!("[\"{program}\"]"));
        let text = text.replace("image = \"localhost/circ-trans:1\"", image);
        let warnings = checked(&text, Tier::Three).warnings;
        warnings.iter().map(|warning| warning.code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(warnings("./box.sh", &mounted), ["relative_in_image"]);
    assert_eq!(warnings("/app/box.sh", &mounted), [""; 0]);
    assert_eq!(warnings("python3", &mounted), [""; 0]);
    assert_eq!(warnings("./box.sh", ""), [""; 0]);
}

#[test]
fn a_path_that_a_container_does_not_have_is_warned_of() {
    let image = "image = \"localhost/circ-trans:1\"";
    let places = |volumes: &str| {
        let text = with(image, &format!("{image}\nvolumes = [{volumes}]"));
        let warnings = checked(&text, Tier::Three).warnings;
        warnings.iter().map(|warning| (warning.code.to_string(), warning.line)).collect::<Vec<_>>()
    };
    let warned = vec![("path_not_mounted".to_owned(), 33)];
    assert_eq!(places(""), warned);
    assert_eq!(places(r#""/srv/lake:/lake""#), warned);
    assert_eq!(places(r#""/srv/la:/srv/la""#), warned);
    assert_eq!(places(r#""/srv/lake:/srv/lake:ro""#), []);
    assert_eq!(places(r#""/data:/srv/""#), []);
    // A process has all files of the machine.
    assert_eq!(checked(&with(image, ""), Tier::Three).warnings, vec![]);
}

#[test]
fn what_a_shell_would_read_is_warned_of() {
    let process = with("image = \"localhost/circ-trans:1\"\n", "");
    let warned = |from: &str, to: &str| {
        assert!(process.contains(from), "{from}");
        let checked = checked(&process.replacen(from, to, 1), Tier::Three);
        assert_eq!(checked.problems, vec![], "{to}");
        checked.warnings.iter().map(|warning| warning.code.to_string()).collect::<Vec<_>>()
    };
    for value in ["~/lake", "~", "$HOME/lake", "/srv/${NAME}"] {
        assert_eq!(warned("\"/srv/lake\"", &format!("{value:?}")), ["shell_text"], "{value}");
    }
    for value in ["a~b", "100 $", "$1", "~user"] {
        assert_eq!(warned("\"/srv/lake\"", &format!("{value:?}")), [""; 0], "{value}");
    }
    let entrypoint = "[\"python3\", \"app.py\"]";
    assert_eq!(warned(entrypoint, "[\"python3 app.py\"]"), ["shell_text"]);
    assert_eq!(warned(entrypoint, "[\"~/venv/bin/python\", \"app.py\"]"), ["shell_text"]);
}

#[test]
fn a_hint_that_is_followed_leads_to_a_valid_manifest() {
    let hint = |text: &str| {
        let problems = checked(text, Tier::Three).problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].hint.clone().unwrap_or_default()
    };
    let entrypoint = "[\"python3\", \"app.py\"]";
    assert_eq!(
        hint(&with(entrypoint, "\"./p run\"")),
        "write it as a list, without the verb `run`: [\"./p\"]"
    );
    assert_eq!(
        hint(&with("[\"--window\", \"30 days\"]", "\"--window 30d\"")),
        "write it as a list: [\"--window\", \"30d\"]"
    );
    assert_eq!(hint(&with("\"26h\"", "\"23h\"")), "write 1d or more, or run more often");
    let without = with("[telemetry]\nnamespace = \"library\"\n", "");
    assert!(hint(&without).contains("`telemetry = {}`"), "{}", hint(&without));
}

#[test]
fn one_mistake_gives_one_problem() {
    let mistakes = [
        ("name = \"circ-trans\"", "name = \"circ_trans\"", "invalid_name", 1, 8),
        ("name = \"circ-trans\"", "name = \"circ-trans\"\ntier = 3", "unknown_field", 2, 1),
        ("kind = \"extract\"", "kind = \"extrac\"", "unknown_variant", 2, 8),
        ("\"1.2.0\"", "1.2", "wrong_type", 3, 11),
        ("owner = \"data@library.example\"\n", "", "missing_field", 1, 1),
        ("[\"sierra\", \"overdrive\"]", "[]", "invalid_value", 5, 11),
        ("08:35", "28:35", "invalid_schedule", 6, 19),
        ("\"26h\"", "\"24h\"", "", 0, 0),
        ("\"26h\"", "\"23h\"", "freshness_too_short", 7, 13),
        ("\"26h\"", "26", "wrong_type", 7, 13),
        ("\"integer\"", "\"int\"", "unknown_variant", 15, 8),
        ("\"at\"", "\"item_id\"", "duplicate_name", 21, 8),
        ("[\"python3\", \"app.py\"]", "\"python3 app.py\"", "wrong_type", 28, 14),
        ("\"app.py\"]", "\"app.py\", \"run\"]", "invalid_entrypoint", 28, 36),
        ("\"migrate\"]", "\"migrat\"]", "unknown_subcommand", 29, 44),
        (", \"migrate\"]", "]", "missing_subcommand", 29, 1),
        ("\"migrate\"]", "\"migrate\", \"run\"]", "duplicate_name", 29, 55),
        ("localhost/circ-trans:1", "localhost/Circ Trans", "invalid_image", 31, 9),
        ("LAKE =", "lake =", "invalid_environment", 32, 16),
        ("LAKE =", "TESSERA_LAKE =", "invalid_environment", 32, 16),
        ("\"500m\"", "\"half\"", "invalid_quantity", 35, 7),
        ("\"256MiB\"", "0", "invalid_quantity", 36, 10),
        ("services.reconcile", "services.Reconcile", "invalid_name", 38, 11),
        ("schedule = \"Sun *-*-* 04:00:00 UTC\"\n", "", "missing_field", 38, 11),
    ];
    for (from, to, code, line, column) in mistakes {
        let problems = checked(&with(from, to), Tier::Three).problems;
        let found: Vec<_> =
            problems.iter().map(|problem| (&*problem.code, problem.line, problem.column)).collect();
        let expected = if code.is_empty() { vec![] } else { vec![(code, line, column)] };
        assert_eq!(found, expected, "{from} -> {to}: {problems:#?}");
    }
}

#[test]
fn a_schedule_that_stands_still_is_weighed_against_freshness() {
    let weekdays = with("\"*-*-* 08:35:00 America/New_York\"", "\"Mon..Fri 08:35 UTC\"");
    let problems = checked(&weekdays, Tier::Three).problems;
    assert!(problems[0].message.contains("shorter than the 3d from the run at 2026-06-19"));
    let long = weekdays.replace("\"26h\"", "\"3d1h\"");
    assert_eq!(checked(&long, Tier::Three).problems, []);
}
