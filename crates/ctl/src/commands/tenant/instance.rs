//! The instance that commands are about: a folder with `instance.toml` and `tenants/*.toml`, read
//! with the manifests and the units that it points to.
//!
//! The one idea: here is only what the disk has; what it means says [`tessera_tenant::registry`].
//! A tenant that is broken is a problem with its place, and the others are there all the same.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use tessera_manifest::{Problem, Source, hint_for_name, nearest, quoted};
use tessera_tenant::registry::{self, EntryFiles, Registry, Tenant, code};
use tessera_types::problem::Code;
use tessera_types::{Name, Problem as Refusal};

use crate::context::{Context, tell};
use crate::failure::{Failure, listed};
use crate::style::Tone;

/// The file that makes a folder an instance.
const FILE_NAME: &str = "instance.toml";
/// The folder of its entries.
const ENTRIES: &str = "tenants";
/// The variable that names the folder.
const VARIABLE: &str = "TESSERA_INSTANCE";
/// The largest file that is read. No manifest or unit that people write is near it.
const BYTES_MAX: u64 = 4 << 20;

/// What is said of an instance that has none.
pub(super) const NO_TENANTS: &str = "no tenants: a file tenants/NAME.toml adds one\n";

/// Which instance.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The folder with instance.toml; else that of TESSERA_INSTANCE, else the current one or the
    /// nearest above it
    #[arg(long, value_name = "DIR")]
    instance: Option<PathBuf>,
}

/// An instance as it is on the disk.
#[derive(Debug)]
pub(super) struct Instance {
    /// What it declares.
    pub(super) registry: Registry,
    /// Its folder. Absolute.
    folder: PathBuf,
    /// The tenants that have a file, valid or not.
    listed: Vec<String>,
}

impl Instance {
    /// Reads the instance. What is wrong with parts of it is in the registry.
    pub(super) fn read(which: &Which) -> Result<Self, Failure> {
        let shown = folder_of(which)?;
        let folder = std::path::absolute(Path::new(".").join(&shown));
        let folder = folder.map_err(|error| unreadable(&shown, &error))?;
        let file = shown.join(FILE_NAME);
        let instance = source(&file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => no_instance(&shown),
            _ => unreadable(&file, &error),
        })?;
        let listed = listed_in(&shown.join(ENTRIES))?;
        let (entries, mut problems) = entries_of(&shown.join(ENTRIES), &listed);
        let listing = registry::read(instance, entries);
        let entries = shown.join(ENTRIES);
        let find = |entry: &registry::Entry| found(&entries, entry);
        let mut registry = listing.assemble(find, jiff::tz::db(), Timestamp::now());
        registry.problems.append(&mut problems);
        Ok(Self { registry, folder: without_dots(&folder), listed })
    }

    /// Whose it is, or all that is wrong where its file does not say it.
    pub(super) fn org(&self, context: &Context) -> Result<&Name, Failure> {
        let told = || self.told(context, "the instance is not valid");
        self.registry.instance.as_ref().map(|instance| &instance.org).ok_or_else(told)
    }

    /// Whether a tenant with this name has a file, valid or not.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.listed.iter().any(|listed| listed == name)
    }

    /// The tenant with this name, or why there is none.
    pub(super) fn tenant(&self, context: &Context, name: &str) -> Result<&Tenant, Failure> {
        if let Some(tenant) = self.registry.tenant_named(name) {
            return Ok(tenant);
        }
        if self.lists(name) {
            return Err(self.told(context, &format!("the tenant {name} is not valid")));
        }
        let known: Vec<_> = self.listed.iter().map(String::as_str).collect();
        let hint = hint_for_name(nearest(name, &known), &known, "the tenants are");
        let hint = hint.unwrap_or_else(|| format!("add {ENTRIES}/{name}.toml to declare it"));
        let detail =
            format!("the instance {} has no tenant {}", self.folder.display(), quoted(name));
        let refusal = Refusal::new(Code::NotFound, detail).remedy(hint);
        Err(Failure::Api(tessera_client::Error::Refused(Box::new(refusal))))
    }

    /// Where a tenant's manifest is. Absolute.
    pub(super) fn manifest_of(&self, tenant: &Tenant) -> PathBuf {
        self.beside_entries(&tenant.manifest_path)
    }

    /// The folder of a tenant's units, if they are written by hand. Absolute.
    pub(super) fn units_of(&self, tenant: &Tenant) -> Option<PathBuf> {
        let (path, _) = tenant.units.as_ref()?;
        Some(self.beside_entries(path))
    }

    fn beside_entries(&self, path: &str) -> PathBuf {
        let path = self.folder.join(ENTRIES).join(path);
        without_dots(&path)
    }

    /// Tells all that is wrong, and gives whether nothing is.
    pub(super) fn tell_problems(&self, context: &Context) -> bool {
        let problems = &self.registry.problems;
        tell(&listed(problems, context.error_style, Tone::Bad));
        problems.is_empty()
    }

    fn told(&self, context: &Context, message: &str) -> Failure {
        self.tell_problems(context);
        Failure::Failed { message: message.to_owned(), details: Vec::new() }
    }
}

/// The folder of the instance, as people are shown it.
fn folder_of(which: &Which) -> Result<PathBuf, Failure> {
    let variable = || std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty());
    if let Some(folder) = which.instance.clone().or_else(|| variable().map(PathBuf::from)) {
        return Ok(folder_meant(folder));
    }
    let current = std::env::current_dir().map_err(|error| unreadable(Path::new("."), &error))?;
    let is_instance = |folder: &&Path| folder.join(FILE_NAME).exists();
    match current.ancestors().find(is_instance) {
        // What is in the current folder is named from there.
        Some(folder) if folder == current => Ok(PathBuf::new()),
        Some(folder) => Ok(folder.to_owned()),
        None => Err(no_instance(&current)),
    }
}

/// The folder, where somebody names the file in it.
fn folder_meant(path: PathBuf) -> PathBuf {
    match path.parent() {
        Some(folder) if path.ends_with(FILE_NAME) && path.is_file() => folder.to_owned(),
        _ => path,
    }
}

fn no_instance(folder: &Path) -> Failure {
    let message = format!("there is no {FILE_NAME} in {}", folder.display());
    let remedy = format!(
        "name the folder of the instance with --instance or {VARIABLE}, or work in it; a new one \
         needs {FILE_NAME} with org = \"…\" and scope = \"…\""
    );
    Failure::usage_with(message, remedy)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()))
}

/// The tenants that have a file in this folder, by name. An instance without the folder has none.
/// Beside the files lies what editors leave there, and what is hidden.
fn listed_in(folder: &Path) -> Result<Vec<String>, Failure> {
    let names = match names_of(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let stems = names.iter().filter_map(|name| name.strip_suffix(".toml"));
    Ok(stems.filter(|stem| !stem.starts_with('.')).map(str::to_owned).collect())
}

/// The files of these tenants, and what is wrong where one cannot be read.
fn entries_of(folder: &Path, listed: &[String]) -> (Vec<Source>, Vec<Problem>) {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for name in listed {
        let path = folder.join(format!("{name}.toml"));
        match source(&path) {
            Ok(source) => sources.push(source),
            Err(error) => problems.push(Problem {
                code: code::UNREADABLE.into(),
                message: format!("it cannot be read: {error}"),
                hint: Some("correct it, or remove it to remove the tenant".to_owned()),
                source_name: path.display().to_string(),
                line: 1,
                column: 1,
                path: String::new(),
                excerpt: None,
            }),
        }
    }
    (sources, problems)
}

/// What is there where an entry points to.
fn found(entries: &Path, entry: &registry::Entry) -> EntryFiles {
    let shown = |path: &str| without_dots(&entries.join(path));
    // The entry has a path from its own folder: what that comes to is what is to be looked at.
    let why = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
    let manifest = shown(&entry.manifest);
    let units = entry.units.as_ref().map(|path| shown(path));
    EntryFiles {
        manifest: source(&manifest).map_err(|error| why(&manifest, &error)),
        units: units.map(|path| names_of(&path).map_err(|error| why(&path, &error))),
    }
}

/// The names in a folder, in order.
fn names_of(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let mut names: Vec<_> = names.filter_map(Result::transpose).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

/// A file with its text.
pub(super) fn source(path: &Path) -> io::Result<Source> {
    Ok(Source::new(path.display().to_string(), text_of(path)?))
}

/// The text of a file. What is none, such as a pipe, could keep its reader for ever.
pub(super) fn text_of(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    let length = File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    match length as u64 > BYTES_MAX {
        true => Err(io::Error::other("it is larger than 4 MiB")),
        false => Ok(text),
    }
}

/// A path without `.` and `..`, as long as that leads to the same file: what stands behind a link
/// to a folder is not above where the link is.
pub(super) fn without_dots(path: &Path) -> PathBuf {
    let tidied = tidy(path);
    let file = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    match file(path) {
        there @ Some(_) if there != file(&tidied) => path.canonicalize().unwrap_or(tidied),
        _ => tidied,
    }
}

/// A path with each `..` taken for the folder above, by name.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        let is_below = matches!(tidied.components().next_back(), Some(Component::Normal(_)));
        match component {
            Component::CurDir => {}
            Component::ParentDir if is_below => {
                tidied.pop();
            }
            Component::ParentDir if tidied.has_root() => {}
            other => tidied.push(other),
        }
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidied_by_name() {
        for (path, expected) in [
            ("/i/tenants/../../circ/t.toml", "/circ/t.toml"),
            ("tenants/./../circ/t.toml", "circ/t.toml"),
            ("../tenants/../../t.toml", "../../t.toml"),
            ("/../t.toml", "/t.toml"),
        ] {
            assert_eq!(tidy(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn what_is_behind_a_link_is_found_where_it_is() {
        let area = tempfile::tempdir().unwrap();
        let area = area.path().canonicalize().unwrap();
        fs::create_dir_all(area.join("far/away")).unwrap();
        fs::write(area.join("far/t.toml"), "").unwrap();
        std::os::unix::fs::symlink(area.join("far/away"), area.join("link")).unwrap();
        assert_eq!(without_dots(&area.join("link/../t.toml")), area.join("far/t.toml"));
        assert_eq!(without_dots(&area.join("far/away/../t.toml")), area.join("far/t.toml"));
        fs::write(area.join("link/x"), "").unwrap();
        assert_eq!(without_dots(&area.join("link/./x")), area.join("link/x"));
    }
}
