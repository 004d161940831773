//! The dependency graph as `cargo metadata` gives it, reduced to what the checks ask.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use crate::project::{self, Project};

/// All packages that the workspace builds with.
pub(crate) struct Metadata {
    pub(crate) target_directory: PathBuf,
    pub(crate) packages: BTreeMap<String, Package>,
}

/// One package; the key it stands under is cargo's id.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression it declares.
    pub(crate) license: Option<String>,
    /// Whether it is a member of this workspace.
    pub(crate) member: bool,
    /// Whether it has a library, which is what doc tests belong to.
    pub(crate) library: bool,
    /// The ids of its normal dependencies: neither for its tests nor its build.
    pub(crate) normal: BTreeSet<String>,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn load(project: &Project) -> anyhow::Result<Self> {
        Self::asked(project.cargo(["metadata", "--format-version", "1"]))
    }

    /// Asks cargo about the package that is fuzzed with, which has a lock file of its own. With
    /// `fix`, that is brought up to date.
    pub(crate) fn load_fuzz(project: &Project, fix: bool) -> anyhow::Result<Self> {
        let words = ["metadata", "--format-version", "1", "--manifest-path", "fuzz/Cargo.toml"];
        let mut command = project.cargo(words);
        command.args((!fix).then_some("--locked"));
        Self::asked(command)
    }

    fn asked(command: Command) -> anyhow::Result<Self> {
        let output = project::output(command)?;
        let json = serde_json::from_slice(&output).context("cargo metadata printed no JSON")?;
        Self::read(&json).context("cargo metadata lacks a field that this program needs")
    }

    fn read(json: &Value) -> Option<Self> {
        let members: BTreeSet<_> =
            json["workspace_members"].as_array()?.iter().filter_map(Value::as_str).collect();
        let mut packages = BTreeMap::new();
        for value in json["packages"].as_array()? {
            let id = value["id"].as_str()?;
            packages.insert(id.to_owned(), Package::read(value, members.contains(id))?);
        }
        for node in json["resolve"]["nodes"].as_array()? {
            packages.get_mut(node["id"].as_str()?)?.normal = normal_dependencies(node)?;
        }
        Some(Self { target_directory: json["target_directory"].as_str()?.into(), packages })
    }

    /// The workspace's own packages, by id.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Package)> {
        self.packages.iter().filter(|(_, package)| package.member).map(|(id, p)| (id.as_str(), p))
    }

    /// The workspace's own package of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.members().map(|(_, package)| package).find(|package| package.name == name)
    }

    /// Everything that the package is linked with, directly or not: for each
    /// name the shortest chain of names that leads to it. What stands behind a
    /// package that `stop` accepts is left out.
    pub(crate) fn reach(&self, id: &str, stop: impl Fn(&str) -> bool) -> BTreeMap<&str, Vec<&str>> {
        let mut chains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut queue = VecDeque::from([(id, Vec::new())]);
        while let Some((id, chain)) = queue.pop_front() {
            for next in self.packages.get(id).iter().flat_map(|package| &package.normal) {
                let Some(package) = self.packages.get(next) else { continue };
                if chains.contains_key(package.name.as_str()) || stop(&package.name) {
                    continue;
                }
                let chain: Vec<_> = chain.iter().copied().chain([package.name.as_str()]).collect();
                chains.insert(&package.name, chain.clone());
                queue.push_back((next, chain));
            }
        }
        chains
    }
}

impl Package {
    fn read(value: &Value, member: bool) -> Option<Self> {
        let library = |target: &Value| {
            let kinds = target["kind"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "lib"))
        };
        Some(Self {
            name: value["name"].as_str()?.to_owned(),
            version: value["version"].as_str()?.to_owned(),
            license: value["license"].as_str().map(str::to_owned),
            member,
            library: value["targets"].as_array()?.iter().any(library),
            normal: BTreeSet::new(),
        })
    }
}

fn normal_dependencies(node: &Value) -> Option<BTreeSet<String>> {
    let normal = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    let ids = node["deps"].as_array()?.iter().filter(normal);
    Some(ids.filter_map(|dependency| dependency["pkg"].as_str()).map(str::to_owned).collect())
}

#[cfg(test)]
pub(crate) mod fixture {
    //! Small graphs, written as lines such as `tessera-api: dropshot jiff`.

    use super::*;

    /// A graph in which a name is its own id, and `tessera…` are the members.
    pub(crate) fn graph(lines: &[&str]) -> Metadata {
        let mut packages = BTreeMap::new();
        for line in lines {
            let (name, dependencies) = line.split_once(':').unwrap();
            let normal: BTreeSet<_> = dependencies.split_whitespace().map(str::to_owned).collect();
            for name in &normal {
                packages.entry(name.clone()).or_insert_with(|| package(name));
            }
            packages.entry(name.to_owned()).or_insert_with(|| package(name)).normal = normal;
        }
        Metadata { target_directory: PathBuf::new(), packages }
    }

    fn package(name: &str) -> Package {
        Package { name: name.into(), member: name.starts_with("tessera"), ..Package::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_normal_dependencies_are_read() {
        let target = json!([{"kind": ["lib"]}]);
        let package = |id| json!({"id": id, "name": id, "version": "1.0.0", "targets": target});
        let dependency = |id, kinds: &[Option<&str>]| {
            let kinds: Vec<_> = kinds.iter().map(|kind| json!({"kind": kind})).collect();
            json!({"pkg": id, "dep_kinds": kinds})
        };
        let json = json!({
            "target_directory": "/t",
            "workspace_members": ["a"],
            "packages": [package("a"), package("b"), package("c"), package("d")],
            "resolve": {"nodes": [{"id": "a", "deps": [
                dependency("b", &[None]),
                dependency("c", &[Some("dev"), Some("build")]),
                dependency("d", &[Some("dev"), None]),
            ]}]},
        });
        let metadata = Metadata::read(&json).unwrap();
        let a = metadata.member("a").unwrap();
        assert_eq!(a.normal, BTreeSet::from(["b".to_owned(), "d".to_owned()]));
        assert!(a.library && !metadata.packages["b"].member);
    }

    #[test]
    fn reach_gives_the_shortest_chain_and_survives_a_circle() {
        let graph = fixture::graph(&["a: b c", "b: c", "c: d", "d: a"]);
        let reached = graph.reach("a", |_| false);
        assert_eq!(reached["d"], ["c", "d"]);
        assert!(!graph.reach("a", |name| name == "c").contains_key("d"));
    }

    #[test]
    fn this_workspace_can_be_read() {
        let metadata = Metadata::load(&Project::locate()).unwrap();
        assert!(metadata.member("tessera-testkit").unwrap().library);
        assert!(!metadata.member("xtask").unwrap().library);
    }
}
