//! Whether the cores are kept from effects that need no dependency: the
//! standard library's files, sockets, processes, threads and clocks.
//!
//! Clippy finds them, as it knows what a name stands for; `clippy-cores.toml`
//! says which. Here is checked that every core uses that file. A core that
//! is a module of a shell, such as the agent's, clippy cannot tell apart, so its
//! text is looked through.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::direction::CORES;
use super::none_of;
use crate::project::Project;

/// What clippy is told about the cores.
const RULES: &str = "clippy-cores.toml";

/// Cores that are modules of a shell.
const CORE_MODULES: &[&str] = &["crates/agent/src/core", "crates/lifecycle/src/telemetry"];

/// What such a module must not name.
const EFFECTS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "::now()",
    "tokio::",
    "rustix::",
    "crate::clock",
];

pub(super) fn check(project: &Project) -> anyhow::Result<()> {
    let mut findings = Vec::new();
    let rules =
        fs::read(project.root.join(RULES)).with_context(|| format!("cannot read {RULES}"))?;
    for name in CORES {
        let folder = project.root.join("crates").join(name.trim_start_matches("tessera-"));
        let used = fs::read(folder.join("clippy.toml")).ok();
        if folder.is_dir() && used.as_ref() != Some(&rules) {
            let file = folder.join("clippy.toml");
            findings.push(format!("{} must link to ../../{RULES}", project.shown(&file)));
        }
    }
    for folder in CORE_MODULES {
        for file in sources(&project.root.join(folder))? {
            let text = fs::read_to_string(&file)?;
            let shown = project.shown(&file).to_string();
            findings.extend(effects(&text).map(|(line, what)| format!("{shown}:{line}: {what}")));
        }
    }
    none_of(&findings)
}

fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The effects that are named in code, with their lines. Tests stand at the end
/// of a file and may use anything.
fn effects(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let code = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(i, line)| {
        EFFECTS.iter().filter(|what| line.contains(**what)).map(move |what| (i + 1, *what))
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn effects_are_found_in_code_and_nowhere_else() {
        let text =
            "//! Has no std::fs.\nuse std::fs;\nlet now = Instant::now();\n#[cfg(test)]\nstd::fs";
        let found: Vec<_> = effects(text).collect();
        assert_eq!(found, [(2, "std::fs"), (3, "Instant"), (3, "::now()")]);
    }

    #[test]
    fn this_workspace_is_clean() {
        check(&Project::locate()).unwrap();
    }

    /// Whatever it is called where it is used.
    const VIOLATIONS: &[(&str, &str)] = &[
        ("pub fn a() -> std::time::Instant { std::time::Instant::now() }", "std::time::Instant"),
        (
            "use std::time; pub fn b() -> time::SystemTime { time::UNIX_EPOCH }",
            "std::time::SystemTime",
        ),
        ("use std::fs as x; pub fn c() { x::remove_file(\"f\").unwrap() }", "std::fs::remove_file"),
        ("pub fn d() { std::net::TcpStream::connect(\"h:1\").unwrap(); }", "std::net::TcpStream"),
        ("use std::thread::sleep as e; pub fn f() { e(Default::default()) }", "std::thread::sleep"),
        ("pub fn g() { std::process::Command::new(\"x\"); }", "std::process::Command"),
        ("pub fn h() -> bool { std::path::Path::new(\"x\").exists() }", "std::path::Path::exists"),
        ("pub fn i() { println!() }", "std::println"),
    ];

    /// What clippy says of a crate with these lines, under the rules of cores.
    fn clippy(lines: &[&str]) -> Option<(bool, String)> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        write(
            "Cargo.toml",
            "[workspace]\n[package]\nname = \"core\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        write("src/lib.rs", &lines.join("\n"));
        fs::copy(Project::locate().root.join(RULES), folder.path().join("clippy.toml")).unwrap();
        let cargo = |arguments: &[&str]| {
            let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            command.current_dir(folder.path()).args(arguments);
            command.env("CARGO_TARGET_DIR", folder.path().join("target"));
            command.env_remove("RUSTFLAGS").output().unwrap()
        };
        if !cargo(&["clippy", "--version"]).status.success() {
            assert!(!tessera_testkit::in_ci(), "clippy is missing: rustup component add clippy");
            eprintln!("did not run: clippy is missing, get it by 'rustup component add clippy'");
            return None;
        }
        let output = cargo(&["clippy", "--offline", "--", "-D", "warnings"]);
        Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    #[test]
    fn clippy_finds_every_effect_and_nothing_in_pure_code() {
        let lines: Vec<_> = VIOLATIONS.iter().map(|(line, _)| *line).collect();
        let Some((clean, said)) = clippy(&lines) else { return };
        assert!(!clean);
        for (line, what) in VIOLATIONS {
            assert!(said.contains(&format!("`{what}`")), "{line}\n{said}");
        }
        let pure = [
            "pub fn a(d: std::time::Duration) -> u128 { d.as_millis() }",
            "pub fn b() -> std::collections::HashMap<u8, u8> { Default::default() }",
        ];
        let Some((clean, said)) = clippy(&pure) else { return };
        assert!(clean, "{said}");
    }
}
