//! Where manifests are: files, folders, standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tessera_manifest::{Format, Limits, Source};

use super::problem_of_source;
use crate::failure::Failure;

/// The name of standard input on the command line.
const STDIN: &str = "-";
/// Folders in folders, at most.
const DEPTH_MAX: usize = 32;
/// Files in one run, at most.
const FILES_MAX: usize = 10_000;

/// Files and folders to read manifests from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Files, folders, or `-` for standard input. Of a folder the files that end
    /// in `.yaml`, `.yml`, `.json` or `.toml` are read, by name; hidden ones and
    /// `tessera-tenant.toml` are not.
    pub paths: Vec<PathBuf>,
    /// Whether to go into the folders of folders.
    pub recursive: bool,
}

impl Sources {
    /// The texts with their formats.
    pub(super) fn load(&self) -> Result<Vec<(Source, Format)>, Failure> {
        let stdin = self.paths.iter().filter(|path| path.as_os_str() == STDIN).count();
        if stdin > 1 {
            return Err(Failure::usage("standard input can be read only once: give `-f -` once"));
        }
        let mut texts = Vec::new();
        for path in &self.paths {
            if path.as_os_str() == STDIN {
                texts.push(text_of("<stdin>", io::stdin().lock(), None)?);
                continue;
            }
            for file in self.files_of(path)? {
                texts.push(load_file(&file)?);
            }
        }
        Ok(texts)
    }

    fn files_of(&self, path: &Path) -> Result<Vec<PathBuf>, Failure> {
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if !metadata.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let mut files = Vec::new();
        self.walk(path, 0, &mut files)?;
        if files.is_empty() {
            let message =
                format!("{} has no manifests (*.yaml, *.yml, *.json, *.toml)", path.display());
            let remedy = if self.recursive {
                "name a file"
            } else {
                "name a file, or add -R for folders in it"
            };
            return Err(Failure::usage_with(message, remedy));
        }
        Ok(files)
    }

    /// Adds the manifests in a folder: its files first, then those of its folders.
    fn walk(&self, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(|error| unreadable(folder, &error))?;
        entries.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
        entries.sort_by_key(fs::DirEntry::file_name);
        // A link to a folder is not followed, as it could lead round in a circle.
        let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|it| it.is_dir());
        let (folders, others): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| is_folder(entry));
        let manifests = others.into_iter().map(fs::DirEntry::path);
        files.extend(manifests.filter(|path| is_manifest(path) && path.is_file()));
        if files.len() > FILES_MAX || depth > DEPTH_MAX {
            let message = format!("{} holds too many files or folders", folder.display());
            return Err(Failure::usage_with(
                message,
                format!("at most {FILES_MAX} files and {DEPTH_MAX} levels are read"),
            ));
        }
        for folder in folders.iter().filter(|_| self.recursive) {
            self.walk(&folder.path(), depth + 1, files)?;
        }
        Ok(())
    }
}

/// Whether a file in a folder is a manifest of resources. That of a tenant is one only inside
/// of a Tenant, and stands beside the tenant's program.
fn is_manifest(path: &Path) -> bool {
    let is_tenants =
        path.file_name().is_some_and(|name| name == tessera_tenant::manifest::FILE_NAME);
    Format::of_path(path).is_some() && !is_tenants
}

fn load_file(path: &Path) -> Result<(Source, Format), Failure> {
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    text_of(&path.display().to_string(), file, Format::of_path(path))
}

/// Reads a text, but little more than the most that a manifest may have.
fn text_of(
    name: &str,
    reader: impl Read,
    format: Option<Format>,
) -> Result<(Source, Format), Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(Limits::BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(Path::new(name), &error))?;
    // The cut of a text that is too long can go through a character.
    let is_cut = bytes.len() > Limits::BYTES_MAX;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if is_cut => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        Err(_) => return Err(not_text(name)),
    };
    let format = format.unwrap_or_else(|| Format::detect(&text));
    Ok((Source::new(name, text), format))
}

fn not_text(name: &str) -> Failure {
    let source = Source::new(name, "");
    let problem = problem_of_source(&source, "the file is not UTF-8 text", "is it a manifest?");
    Failure::Manifests(vec![problem])
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "reading it is not permitted".to_owned(),
        _ => error.to_string(),
    };
    Failure::usage(format!("cannot read {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "name: x\n").unwrap();
        }
        folder
    }

    fn names(folder: &Path, recursive: bool) -> Vec<String> {
        let sources = Sources { paths: vec![folder.to_owned()], recursive };
        let texts = sources.load().unwrap();
        let name = |(source, _): &(Source, Format)| {
            let path = Path::new(&source.name).strip_prefix(folder).unwrap();
            path.display().to_string()
        };
        texts.iter().map(name).collect()
    }

    #[test]
    fn a_folder_is_read_by_name_and_without_what_is_hidden() {
        let folder = tree(&[
            "b.yaml",
            "a.yml",
            "c.JSON",
            "d.toml",
            "notes.txt",
            ".hidden.yaml",
            "sub/e.yaml",
            ".git/f.yaml",
        ]);
        assert_eq!(names(folder.path(), false), ["a.yml", "b.yaml", "c.JSON", "d.toml"]);
        assert_eq!(
            names(folder.path(), true),
            ["a.yml", "b.yaml", "c.JSON", "d.toml", "sub/e.yaml"]
        );
    }

    #[test]
    fn the_manifest_of_a_tenant_is_no_resource() {
        let folder = tree(&["a.yaml", "tessera-tenant.toml", "sub/tessera-tenant.toml"]);
        assert_eq!(names(folder.path(), true), ["a.yaml"]);
    }

    #[test]
    fn a_link_in_a_circle_is_not_followed() {
        let folder = tree(&["a.yaml"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        assert_eq!(names(folder.path(), true), ["a.yaml"]);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_name() {
        let folder = tree(&["notes.txt"]);
        let load =
            |path: PathBuf| Sources { paths: vec![path], recursive: false }.load().unwrap_err();
        assert!(
            load(folder.path().join("nope.yaml"))
                .to_string()
                .ends_with("nope.yaml: there is no such file or folder")
        );
        assert!(load(folder.path().to_owned()).to_string().contains("has no manifests"));
        fs::write(folder.path().join("x.yaml"), [0xff, 0xfe, 0x00]).unwrap();
        assert!(matches!(load(folder.path().join("x.yaml")), Failure::Manifests(_)));
    }
}
