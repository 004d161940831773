//! Reads the top of a manifest, and knows where each field belongs.

use std::collections::BTreeSet;

use tessera_manifest::{Entry, Node, Value, quoted};

use super::lifecycle::LIFECYCLE;
use super::reader::{Reader, all};
use super::{Kind, Manifest, Telemetry, code};

/// The fields at the top.
const TOP: [&str; 12] = [
    "name",
    "kind",
    "version",
    "schema",
    "owner",
    "sources",
    "schedule",
    "freshness",
    "description",
    "telemetry",
    "lifecycle",
    "services",
];

const TIER_IS_READ_OFF: &str =
    "remove it: the tier is read off the manifest, 3 with a [lifecycle] and else 2";

impl<'d> Reader<'d> {
    pub(super) fn manifest(&mut self, root: &'d Node) -> Option<Manifest> {
        self.table(root, &TOP, |field| match field {
            "tier" => Some(TIER_IS_READ_OFF.to_owned()),
            field if LIFECYCLE.contains(&field) => Some("it belongs into [lifecycle]".to_owned()),
            _ => None,
        })?;
        // The sections first: a field of the top that stands in one is not missed then.
        let dataset = self.optional(root, "schema", |this, node| this.dataset(node, root));
        let telemetry = self.optional(root, "telemetry", |this, node| this.telemetry(node, root));
        let lifecycle = self.optional(root, "lifecycle", |this, node| this.lifecycle(node, root));
        let services = self.optional(root, "services", |this, node| this.services(node, root));
        self.required(root, "schema", "schema = \"…\": the name of the dataset that it makes");
        self.required(
            root,
            "telemetry",
            "add `telemetry = {}` above the first [section]: its runs are told",
        );
        let name = self.required(root, "name", "name = \"…\": a DNS label");
        let name = name.and_then(|node| self.name(node));
        let kind = self.required(root, "kind", "kind = \"extract\", \"refine\" or \"serve\"");
        let kind = kind.and_then(|node| self.word(node, &Kind::ALL));
        let version = self.required(root, "version", "version = \"1.0.0\"");
        let version = version.and_then(|node| self.version(node));
        let owner = self.required(root, "owner", "owner = \"…\": whom to ask");
        let owner = owner.and_then(|node| self.line(node, "the owner"));
        let sources = self.required(root, "sources", "sources = [\"…\"]: what it reads");
        let sources = sources.and_then(|node| self.sources(node));
        let schedule = self.required(root, "schedule", "schedule = \"*-*-* 08:35:00 UTC\"");
        let schedule = schedule.and_then(|node| self.schedule(node));
        let freshness =
            self.required(root, "freshness", "freshness = \"26h\": how old a success may be");
        let freshness = freshness.and_then(|node| self.duration(node, "26h"));
        let description = self.optional(root, "description", Self::description);
        self.services_without_lifecycle(root);
        self.volumes_of_containers(root);
        self.fresh_between_runs(root, schedule.as_ref().map(|(_, calendar)| calendar), freshness);
        Some(Manifest {
            name: name?,
            kind: kind?,
            version: version?,
            schema: dataset??,
            owner: owner?.to_owned(),
            sources: sources?,
            schedule: schedule?.0,
            freshness: freshness?,
            description: description?,
            telemetry: telemetry??,
            lifecycle: lifecycle?,
            services: services?.unwrap_or_default(),
        })
    }

    /// A table below the top. A field of the top in it was written after the table's header, which
    /// is where TOML puts it.
    pub(super) fn section(
        &mut self,
        node: &'d Node,
        root: &'d Node,
        known: &[&str],
    ) -> Option<&'d [Entry]> {
        let misplaced = |field: &str| TOP.contains(&field) && root.get(field).is_none();
        let entries = self.table(node, known, |field| match field {
            "tier" => Some(TIER_IS_READ_OFF.to_owned()),
            "subcommands" => Some("the verbs are the same for every service".to_owned()),
            field if misplaced(field) => Some(
                "it belongs to the top of the manifest: move it above the first [section]".into(),
            ),
            _ => None,
        })?;
        for entry in entries {
            if !known.contains(&entry.key.as_str()) && misplaced(&entry.key) {
                self.found_elsewhere(root, &entry.key);
            }
        }
        Some(entries)
    }

    fn telemetry(&mut self, node: &'d Node, root: &'d Node) -> Option<Telemetry> {
        if matches!(node.value, Value::Null) {
            let hint = "write it as an empty table: {}".to_owned();
            return self.wrong_type(node, "a table", Some(hint));
        }
        self.section(node, root, &["namespace"])?;
        let namespace = self.optional(node, "namespace", |this, node| {
            this.line(node, "the namespace").map(str::to_owned)
        });
        Some(Telemetry { namespace: namespace? })
    }

    fn sources(&mut self, node: &'d Node) -> Option<Vec<String>> {
        let elements = self.elements(node, "strings")?;
        if elements.is_empty() && !self.document.is_broken(node) {
            let hint = "name what it reads, such as [\"sierra\"]".to_owned();
            let message = "it names no source";
            self.wrong(node, tessera_manifest::code::INVALID_VALUE, message, hint);
            return None;
        }
        let mut names = BTreeSet::new();
        all(elements.iter().map(|node| {
            let name = self.line(node, "the name of a source")?;
            if !names.insert(name) {
                let message = format!("the source {} is there twice", quoted(name));
                let hint = "remove one of the two".to_owned();
                self.wrong(node, code::DUPLICATE_NAME, message, hint);
            }
            Some(name.to_owned())
        }))
    }
}
