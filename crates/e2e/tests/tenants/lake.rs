//! An instance on a machine of its own: a user manager with a home, and nothing installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use tessera_e2e::{Ended, binary};
use tessera_testkit::UserManager;

use crate::started::Started;

/// Runs once at the beginning of a year that no test sees.
pub(crate) const RARELY: &str = "*-01-01 00:00:00 UTC";
pub(crate) const EVERY_SECOND: &str = "*-*-* *:*:* UTC";

/// A user manager, and an instance in a folder beside its configuration.
#[derive(Debug)]
pub(crate) struct Lake {
    pub(crate) manager: UserManager,
}

/// All that is below some folders, with what it says and when that was written.
pub(crate) type Tree = BTreeMap<PathBuf, (String, SystemTime)>;

impl Lake {
    pub(crate) fn new(manager: UserManager) -> Self {
        let lake = Self { manager };
        write(&lake.path("lake/instance.toml"), "org = \"library\"\nscope = \"dev\"\n");
        lake
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.manager.home().join(name)
    }

    /// Adds a tenant to the instance: what is in `[lifecycle]` and follows it, or nothing.
    pub(crate) fn declare(&self, name: &str, schedule: &str, lifecycle: &str) {
        let section = match lifecycle {
            "" => String::new(),
            _ => format!(
                "\n[lifecycle]\nsubcommands = [\"run\", \"status\", \"dry-run\", \"migrate\"]\n\
                 {lifecycle}"
            ),
        };
        let text = format!(
            "name = \"{name}\"\nkind = \"extract\"\nversion = \"1.0.0\"\nschema = \"rows\"\n\
             owner = \"data@library.example\"\nsources = [\"sierra\"]\nfreshness = \"800d\"\n\
             schedule = \"{schedule}\"\ntelemetry = {{}}\n{section}"
        );
        write(&self.path(name).join("tessera-tenant.toml"), &text);
        self.entry(name, "");
    }

    /// The tenant's file in the instance.
    pub(crate) fn entry(&self, name: &str, more: &str) {
        let entry = format!("manifest = \"../../{name}/tessera-tenant.toml\"\n{more}");
        write(&self.path(&format!("lake/tenants/{name}.toml")), &entry);
    }

    /// A tenant that is a shell script, with a further service.
    pub(crate) fn process(&self, name: &str, script: &str) {
        write(&self.path(name).join("program.sh"), script);
        let lifecycle = format!(
            "entrypoint = [\"/bin/sh\", \"program.sh\"]\n\n[services.reconcile]\n\
             schedule = \"{RARELY}\"\n"
        );
        self.declare(name, RARELY, &lifecycle);
    }

    /// Units written by hand for a tenant.
    pub(crate) fn by_hand(&self, name: &str, files: &[(&str, &str)]) {
        for (file, text) in files {
            write(&self.path(name).join("units").join(file), text);
        }
        self.entry(name, &format!("units = \"../../{name}/units\"\n"));
    }

    /// `tesseractl tenant` with these arguments, about the instance.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.manager.command(binary("tesseractl"));
        command.arg("tenant").args(arguments).env("TESSERA_INSTANCE", self.path("lake"));
        for name in ["TESSERA_TELEMETRY_DIR", "TESSERA_TEXTFILE_DIR", "RUST_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("TZ", "UTC").current_dir("/");
        command
    }

    /// Runs `tesseractl tenant` to its end.
    pub(crate) fn tenant(&self, arguments: &[&str]) -> Ended {
        Started::new(self.command(arguments)).end()
    }

    /// All that installing could change.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for folder in [".config", ".local"] {
            walk(&self.path(folder), &mut tree);
        }
        tree
    }

    /// As [`Lake::tree`], without the times.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, String> {
        self.tree().into_iter().map(|(path, (said, _))| (path, said)).collect()
    }

    /// What there is in the folder of the session that has this in its name.
    pub(crate) fn in_session(&self, name: &str) -> String {
        let mut find = self.manager.command("find");
        find.arg(self.manager.runtime()).args(["-name", &format!("*{name}*")]);
        let output = find.output().expect("sh can be executed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The link to a unit of systemd's.
    pub(crate) fn unit(&self, name: &str) -> PathBuf {
        self.manager.config().join("systemd/user").join(name)
    }

    /// A property of a unit.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        let said = self.manager.systemctl(&["show", unit, "-p", name, "--value"]);
        said.trim().to_owned()
    }

    /// When the manager read its units last.
    pub(crate) fn read_at(&self) -> String {
        let property = "--property=UnitsLoadTimestampMonotonic";
        self.manager.systemctl(&["show", property, "--value"])
    }
}

fn walk(folder: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // What is gone by now, as something of podman's may be, is not there.
        let Ok(data) = fs::symlink_metadata(&path) else { continue };
        let said = match fs::read_link(&path) {
            Ok(target) => format!("-> {}", target.display()),
            Err(_) if data.is_dir() => "a folder".to_owned(),
            Err(_) => fs::read_to_string(&path).unwrap_or_default(),
        };
        if data.is_dir() {
            walk(&path, tree);
        }
        tree.insert(path, (said, data.modified().expect("it has a time")));
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder is made");
    fs::write(path, text).expect("the file is written");
}
