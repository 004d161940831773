//! The workspace on disk, and how commands are run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The workspace that this program was built from.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
}

impl Project {
    /// Finds the root through the manifest that cargo names when it runs us.
    pub(crate) fn locate() -> Self {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf);
        Self { root }
    }

    /// A cargo command in the root.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        without_ours(&mut command);
        command
    }

    /// A path as a person would write it: relative to the root, where it is below it.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// Takes what the cargo that runs us has set for our own package from a command that builds
/// others: build scripts would take it for a change, and all that depends on them is built again.
pub(crate) fn without_ours(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if is_ours {
            command.env_remove(name);
        }
    }
}

/// Runs the command with its output passed on, and fails unless it succeeds.
pub(crate) fn run(mut command: Command) -> anyhow::Result<()> {
    let shown = show(&command);
    let status = command.status().with_context(|| format!("cannot start '{shown}'"))?;
    if !status.success() {
        bail!("'{shown}' failed ({status})");
    }
    Ok(())
}

/// Runs the command and returns what it printed; its errors are passed on.
pub(crate) fn output(mut command: Command) -> anyhow::Result<Vec<u8>> {
    let shown = show(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start '{shown}'"))?;
    if !output.status.success() {
        bail!("'{shown}' failed ({})", output.status);
    }
    Ok(output.stdout)
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_shown_as_it_could_be_typed() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exit 3"]);
        let error = run(command).unwrap_err().to_string();
        assert!(error.contains("'sh -c exit 3'") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").contains("cannot start 'no-such-program-here'"));
    }

    #[test]
    fn the_root_is_the_workspace() {
        assert!(Project::locate().root.join("xtask/Cargo.toml").is_file());
    }
}
