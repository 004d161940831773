//! The folder and the environment that a walkthrough runs in.
//!
//! The one idea: everything that a run starts carries the folder's path, in its
//! environment, its arguments or its working directory, so whatever is still
//! there at the end can be found by it and ended.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

/// What must not reach a walkthrough from the caller's environment: a reader
/// has other values, or none.
const CLEARED_PREFIXES: &[&str] = &["TESSERA_", "CARGO", "RUST"];
const CLEARED: &[&str] = &[
    "BASH_ENV",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "ENV",
    "FORCE_COLOR",
    "LD_LIBRARY_PATH",
    "LINES",
    "NO_COLOR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// A temporary folder, removed when the value is dropped.
pub(crate) struct Sandbox {
    root: PathBuf,
}

impl Sandbox {
    /// Makes the folder, which only this user can enter.
    pub(crate) fn create() -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("walkthrough-{}-{count}", process::id()));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot create the folder {}", path.display()))?;
        let root = path.canonicalize()?;
        let sandbox = Self { root };
        fs::create_dir(sandbox.home())?;
        fs::create_dir(sandbox.outputs())?;
        Ok(sandbox)
    }

    /// The home and working directory of the walkthrough.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Where the output of each command goes, out of the walkthrough's sight.
    pub(crate) fn outputs(&self) -> PathBuf {
        self.root.join("outputs")
    }

    /// Gives the command the walkthrough's environment and working directory.
    pub(crate) fn dress(
        &self,
        command: &mut Command,
        repository: &Path,
        binaries: &Path,
    ) -> anyhow::Result<()> {
        for (name, _) in std::env::vars_os() {
            if is_cleared(&name) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.home())
            .env("HOME", self.home())
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", with_first(binaries)?)
            .env("PORT", free_port()?.to_string())
            .env("REPO", repository)
            .env("TZ", "UTC");
        Ok(())
    }

    /// Ends every process that carries the folder's path, and says which.
    pub(crate) fn end_processes(&self) -> Vec<String> {
        let found = self.processes();
        let ids = found.iter().map(|(id, _)| id.as_str());
        if !found.is_empty() {
            let kill = ["-c", "kill -KILL \"$@\" 2>/dev/null", "bash"];
            // One that has ended meanwhile is no error, and nothing else can be done.
            let _ = Command::new("bash").args(kill).args(ids).status();
        }
        found.into_iter().map(|(id, name)| format!("{name} ({id})")).collect()
    }

    fn processes(&self) -> Vec<(String, String)> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let own = process::id().to_string();
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()) && *id != own)
            .filter(|id| self.carries(Path::new("/proc").join(id).as_path()))
            .map(|id| {
                let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
                (id, name.trim_end().to_owned())
            })
            .collect()
    }

    fn carries(&self, process: &Path) -> bool {
        let mark = self.root.as_os_str().as_bytes();
        let holds = |bytes: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
        let files = ["environ", "cmdline"];
        fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&self.root))
            || files.iter().any(|file| fs::read(process.join(file)).is_ok_and(|all| holds(&all)))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("cannot remove {}: {error}", self.root.display());
        }
    }
}

fn is_cleared(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    CLEARED.contains(&name) || CLEARED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn with_first(folder: &Path) -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("the path of the workspace cannot be put on the PATH")
}

/// A port that was free a moment ago; nothing better can be had from outside.
fn free_port() -> anyhow::Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_caller_are_cleared_and_the_rest_is_not() {
        for name in ["TESSERA_SERVER", "CARGO_HOME", "RUST_LOG", "RUSTFLAGS", "ENV"] {
            assert!(is_cleared(name.as_ref()), "{name}");
        }
        for name in ["PATH", "LANG", "XDG_RUNTIME_DIR", "DOCKER_HOST", "ENVIRONMENT"] {
            assert!(!is_cleared(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn a_process_in_the_folder_is_found_and_ended_and_the_folder_goes() {
        let sandbox = Sandbox::create().unwrap();
        let mut command = Command::new("sleep");
        let mut child = command.arg("600").env_clear().current_dir(sandbox.home()).spawn().unwrap();
        let ended = sandbox.end_processes();
        assert_eq!(ended, [format!("sleep ({})", child.id())]);
        assert!(!child.wait().unwrap().success());
        let root = sandbox.root.clone();
        drop(sandbox);
        assert!(!root.exists());
    }
}
