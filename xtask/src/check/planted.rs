//! Seeded bugs stay where they belong: no build of the product has any, and each is planted
//! in one place, so that what is found is what was meant.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::none_of;
use crate::project::Project;

/// The feature that compiles them in, and the only manifest that may name it.
const FEATURE: &str = "tessera-planted/on";
const USER: &str = "crates/sim/Cargo.toml";

/// Where the bugs are listed. Their tool and its simulation may name any of them.
const LIST: &str = "crates/planted/src/bug.rs";
const NOT_THE_PRODUCT: &[&str] = &["crates/planted/", "crates/sim/", "xtask/"];

pub(super) fn check(project: &Project) -> anyhow::Result<()> {
    let list = fs::read_to_string(project.root.join(LIST)).with_context(|| format!("no {LIST}"))?;
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "examples"] {
        gather(&project.root.join(folder), &mut files)?;
    }
    let mut texts = Vec::new();
    for path in files.iter().chain([&project.root.join("Cargo.toml")]) {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        texts.push((project.shown(path).to_string(), text));
    }
    let mut findings = named(&texts);
    findings.extend(misplaced(&list, &texts));
    none_of(&findings)
}

/// The manifests and sources below a folder.
fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_wanted =
            path.extension().is_some_and(|it| it == "rs") || path.ends_with("Cargo.toml");
        if path.is_dir() && !path.is_symlink() {
            gather(&path, files)?;
        } else if is_wanted {
            files.push(path);
        }
    }
    Ok(())
}

/// The manifests that turn the bugs on and may not.
fn named(texts: &[(String, String)]) -> Vec<String> {
    let turns_on = |text: &str| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let of_crate = lines.filter(|line| line.contains("tessera-planted"));
        let mut others =
            of_crate.filter(|line| !line.trim().ends_with("tessera-planted.workspace = true"));
        others.any(|line| line.contains(FEATURE) || line.contains("features"))
    };
    let manifests = texts.iter().filter(|(path, _)| path.ends_with("Cargo.toml") && path != USER);
    let found = manifests.filter(|(_, text)| turns_on(text));
    found.map(|(path, _)| format!("{path} turns the seeded bugs on")).collect()
}

/// The bugs that are not planted in exactly one place.
fn misplaced(list: &str, texts: &[(String, String)]) -> Vec<String> {
    let is_product = |path: &str| !NOT_THE_PRODUCT.iter().any(|other| path.starts_with(other));
    let product = || texts.iter().filter(|(path, _)| path.ends_with(".rs") && is_product(path));
    let mut findings = Vec::new();
    for bug in bugs(list) {
        let plant = format!("planted(Bug::{bug})");
        let places = product().map(|(_, text)| text.matches(&plant).count()).sum::<usize>();
        if places != 1 {
            findings.push(format!("{bug} is planted in {places} places"));
        }
    }
    findings
}

/// The names in the list: `Name: Promise,`.
fn bugs(list: &str) -> impl Iterator<Item = &str> {
    let body = list.split_once("\nbugs! {").map_or("", |(_, rest)| rest);
    let body = body.split_once("\n}").map_or(body, |(body, _)| body);
    let lines = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.filter_map(|line| line.strip_suffix(',')?.split_once(": ")).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "macro\nbugs! {\n    // Here.\n    /// It is, or: was.\n    One: Once,\n    Two: Once,\n}\n";

    fn texts(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_bug_is_planted_once_and_in_the_product() {
        let plant = |bug: &str| format!("if x && !planted(Bug::{bug}) {{}}\n");
        let once = plant("One") + &plant("Two");
        assert!(misplaced(LISTED, &texts(&[("crates/a/src/lib.rs", &once)])).is_empty());
        let twice = plant("One") + &plant("One");
        let found = misplaced(LISTED, &texts(&[("crates/a/src/lib.rs", &twice)]));
        assert_eq!(found, ["One is planted in 2 places", "Two is planted in 0 places"]);
        assert_eq!(misplaced(LISTED, &texts(&[("crates/sim/src/lib.rs", &once)])).len(), 2);
    }

    #[test]
    fn nobody_but_the_simulation_turns_them_on() {
        let on = "bugs = [\"tessera-planted/on\"]\n";
        assert!(named(&texts(&[("crates/sim/Cargo.toml", on)])).is_empty());
        assert_eq!(named(&texts(&[("crates/agent/Cargo.toml", on)])).len(), 1);
        let with = "tessera-planted = { workspace = true, features = [\"on\"] }\n";
        assert_eq!(named(&texts(&[("Cargo.toml", with)])).len(), 1);
        let plain = "tessera-planted.workspace = true\ntessera-planted = { path = \"x\" }\n";
        assert!(named(&texts(&[("Cargo.toml", plain)])).is_empty());
    }

    #[test]
    fn this_workspace_is_clean() {
        check(&Project::locate()).unwrap();
    }
}
