//! The registry of an instance: `instance.toml`, and a file `tenants/NAME.toml` for each tenant.
//! Adding a file adds a tenant.
//!
//! The one idea: reading goes in two steps, since what the files point to is the shell's to read.
//! [`read`] says what is listed; [`Listing::assemble`] is given what was found there. Neither stops
//! at what is wrong: a tenant that is broken is a problem, and the others are still operated.

mod units;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use tessera_manifest::{Document, Format, Limits, Node, Problem, Source, quoted};
use tessera_types::Name;

use crate::manifest::reader::Reader;
use crate::manifest::{Manifest, Tier, check, code as manifest_code};
pub use units::unit_of_file;

/// The codes of problems, beside those of manifests and of [`tessera_manifest::code`].
pub mod code {
    /// The file of an entry and its manifest have different names.
    pub const NAMES_DIFFER: &str = "names_differ";
    /// A manifest or a folder of units that is not there or cannot be read.
    pub const UNREADABLE: &str = "unreadable";
    /// Two tenants with a unit of the same name.
    pub const DUPLICATE_UNIT: &str = "duplicate_unit";
    /// A unit that does not carry the name of its tenant.
    pub const FOREIGN_UNIT: &str = "foreign_unit";
    /// A service without its unit or its timer.
    pub const MISSING_UNIT: &str = "missing_unit";
}

const LIMITS: Limits = Limits {
    bytes_max: 64 << 10,
    depth_max: 8,
    nodes_max: 100,
    documents_max: 1,
    alias_nodes_max: 0,
    alias_bytes_max: 0,
    problems_max: 20,
};

/// What `instance.toml` says: a deployment on a host or a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Whose it is. The default namespace of telemetry.
    pub org: Name,
    /// What it is for, such as `dev`.
    pub scope: Name,
}

/// What the files of a registry say.
#[derive(Debug)]
pub struct Listing {
    /// The instance, if its file is valid.
    pub instance: Option<Instance>,
    /// The entries that are valid, by name.
    pub entries: Vec<Entry>,
    /// All that is wrong.
    pub problems: Vec<Problem>,
}

/// What one file of a registry says.
#[derive(Debug)]
pub struct Entry {
    /// The tenant's name, which is that of the file.
    pub name: Name,
    /// Where its manifest is, from the folder of the entry.
    pub manifest: String,
    /// Where its units are, if they are written by hand, from the folder of the entry.
    pub units: Option<String>,
    document: Document,
}

/// The files that an entry points to, as they were found.
#[derive(Debug)]
pub struct EntryFiles {
    /// The manifest, or why it could not be read.
    pub manifest: Result<Source, String>,
    /// The names of the files in the folder of units, or why they could not be read.
    pub units: Option<Result<Vec<String>, String>>,
}

/// An instance and the tenants that are deployed there.
#[derive(Debug)]
pub struct Registry {
    /// The instance, if its file is valid.
    pub instance: Option<Instance>,
    /// The tenants that are valid, by name.
    pub tenants: Vec<Tenant>,
    /// All that is wrong.
    pub problems: Vec<Problem>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

/// A tenant of a registry.
#[derive(Debug)]
pub struct Tenant {
    /// Its manifest.
    pub manifest: Manifest,
    /// Where that is, from the folder of the entry.
    pub manifest_path: String,
    /// The files of its units if they are written by hand, and their folder.
    pub units: Option<(String, Vec<String>)>,
}

/// Reads the files of a registry. The name of each source ends in that of its file.
#[must_use]
pub fn read(instance: Source, files: Vec<Source>) -> Listing {
    let mut listing = Listing { instance: None, entries: Vec::new(), problems: Vec::new() };
    match decode(instance, instance_of) {
        Ok(instance) => listing.instance = Some(instance),
        Err(problems) => listing.problems.extend(problems),
    }
    for file in files {
        let stem = stem(&file.name).to_owned();
        match decode(file, |reader, root| entry_of(reader, root, &stem)) {
            Ok(entry) => listing.add(entry),
            Err(problems) => listing.problems.extend(problems),
        }
    }
    listing.entries.sort_by(|a, b| a.name.cmp(&b.name));
    listing
}

/// The name of a file without its folders and `.toml`.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".toml").unwrap_or(file)
}

fn decode<T>(
    source: Source,
    read: impl for<'d> Fn(&mut Reader<'d>, &'d Node) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    // No field here has a schedule.
    let zones = TimeZoneDatabase::none();
    let mut decoded = tessera_manifest::read(source, Format::Toml, &LIMITS, |document| {
        let mut reader = Reader::new(document, &zones, Timestamp::UNIX_EPOCH);
        let value = read(&mut reader, document.root());
        value.filter(|_| reader.problems.is_empty()).ok_or(reader.problems)
    })?;
    Ok(decoded.remove(0))
}

fn instance_of<'d>(reader: &mut Reader<'d>, root: &'d Node) -> Option<Instance> {
    reader.table(root, &["org", "scope"], |_| None)?;
    let org = reader.required(root, "org", "org = \"…\": whose instance it is");
    let org = org.and_then(|node| reader.name(node));
    let scope = reader.required(root, "scope", "scope = \"…\", such as dev");
    let scope = scope.and_then(|node| reader.name(node));
    Some(Instance { org: org?, scope: scope? })
}

fn entry_of<'d>(reader: &mut Reader<'d>, root: &'d Node, stem: &str) -> Option<Entry> {
    reader.table(root, &["manifest", "units"], |field| {
        (field == "name").then(|| "remove it: an entry has the name of its file".to_owned())
    })?;
    let name = Name::new(stem);
    if let Err(error) = &name {
        let message = format!("the file of an entry has the name of a tenant: {error}");
        let hint = "rename the file".to_owned();
        reader.wrong(root, manifest_code::INVALID_NAME, message, hint);
    }
    let hint = "manifest = \"…/tessera-tenant.toml\": the path from this folder";
    let manifest = reader.required(root, "manifest", hint);
    let manifest = manifest.and_then(|node| reader.line(node, "the path of the manifest"));
    let units = reader.optional(root, "units", |reader, node| {
        reader.line(node, "the path of the units").map(str::to_owned)
    });
    let document = reader.document.clone();
    Some(Entry { name: name.ok()?, manifest: manifest?.to_owned(), units: units?, document })
}

impl Listing {
    fn add(&mut self, entry: Entry) {
        if self.entries.iter().any(|other| other.name == entry.name) {
            let message = format!("the tenant {} is there twice", quoted(entry.name.as_str()));
            let hint = Some("remove one of the two files".to_owned());
            let code = manifest_code::DUPLICATE_NAME;
            self.problems.push(entry.document.problem("", code, message, hint));
        } else {
            self.entries.push(entry);
        }
    }

    /// Puts together what is listed with what was found, tenant by tenant in the order of
    /// [`Listing::entries`].
    #[must_use]
    pub fn assemble(
        self,
        mut find: impl FnMut(&Entry) -> EntryFiles,
        zones: &TimeZoneDatabase,
        now: Timestamp,
    ) -> Registry {
        let Self { instance, entries, problems } = self;
        let mut registry = Registry { instance, tenants: vec![], problems, warnings: vec![] };
        let mut owners = BTreeMap::new();
        for entry in entries {
            let found = find(&entry);
            if let Some(tenant) = registry.tenant(&entry, found, zones, now)
                && registry.claim(&entry, &tenant, &mut owners)
            {
                registry.tenants.push(tenant);
            }
        }
        registry
    }
}

impl Registry {
    /// The tenant with this name.
    #[must_use]
    pub fn tenant_named(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.manifest.name.as_str() == name)
    }

    fn tenant(
        &mut self,
        entry: &Entry,
        found: EntryFiles,
        zones: &TimeZoneDatabase,
        now: Timestamp,
    ) -> Option<Tenant> {
        let manifest = found.manifest.map_err(|why| {
            let message = format!("the manifest cannot be read: {why}");
            let hint = "correct the path, which is from the folder of this file";
            self.wrong(entry, "manifest", code::UNREADABLE, message, hint);
        });
        let files = found.units.transpose().map_err(|why| {
            let message = format!("the units cannot be read: {why}");
            let hint = "correct the path, or remove it to have the units rendered";
            self.wrong(entry, "units", code::UNREADABLE, message, hint);
        });
        let checked = check(manifest.ok()?, Tier::Two, zones, now);
        self.problems.extend(checked.problems);
        self.warnings.extend(checked.warnings);
        let manifest = checked.manifest?;
        if manifest.name != entry.name {
            let message = format!(
                "the manifest is that of {}, and this file is for {}",
                quoted(manifest.name.as_str()),
                quoted(entry.name.as_str())
            );
            let hint = format!("rename this file to {}.toml, or correct the path", manifest.name);
            self.wrong(entry, "manifest", code::NAMES_DIFFER, message, &hint);
            return None;
        }
        let units = entry.units.clone().zip(files.ok()?);
        Some(Tenant { manifest, manifest_path: entry.manifest.clone(), units })
    }

    fn wrong(
        &mut self,
        entry: &Entry,
        path: &str,
        code: &'static str,
        message: String,
        hint: &str,
    ) {
        self.problems.push(entry.document.problem(path, code, message, Some(hint.to_owned())));
    }
}
