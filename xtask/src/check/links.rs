//! Links in the Markdown files lead to files and headings that exist.
//!
//! Only links within the repository are followed; what others publish may
//! change without a commit here, and a check must not depend on that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;

use super::none_of;
use crate::markdown::{self, Link};
use crate::project::Project;

/// Folders that hold nothing written by hand, or nothing written here: the
/// specification of workflows is a copy, and links to parts that are not there.
const SKIPPED: &[&str] = &["target", "node_modules", "specification"];

/// What the links of a file, and those to it, need of it.
struct Page {
    links: Vec<Link>,
    anchors: BTreeSet<String>,
}

pub(super) fn check(project: &Project) -> anyhow::Result<()> {
    let mut paths = Vec::new();
    collect(&project.root, &mut paths)?;
    let mut pages = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", project.shown(&path)))?;
        let page = Page { links: markdown::links(&text), anchors: markdown::anchors(&text) };
        pages.insert(path, page);
    }
    none_of(&findings(&project.root, &pages))
}

/// The Markdown files below the folder, hidden folders left out.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                collect(&entry.path(), paths)?;
            }
        } else if name.ends_with(".md") {
            paths.push(entry.path());
        }
    }
    Ok(())
}

fn findings(root: &Path, pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, page) in pages {
        for link in &page.links {
            if let Err(why) = follow(root, pages, path, &link.target) {
                let shown = path.strip_prefix(root).unwrap_or(path).display();
                findings.push(format!("{shown}:{}: {} {why}", link.line, link.target));
            }
        }
    }
    findings
}

/// Whether the target, as it stands in the file at `from`, leads somewhere.
fn follow(
    root: &Path,
    pages: &BTreeMap<PathBuf, Page>,
    from: &Path,
    target: &str,
) -> Result<(), &'static str> {
    if is_external(target) {
        return Ok(());
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = resolve(root, from, file);
    if !path.starts_with(root) {
        return Err("leads out of the repository");
    }
    if !path.exists() {
        return Err("does not exist");
    }
    match pages.get(&path) {
        Some(page) if !anchor.is_empty() && !page.anchors.contains(anchor) => {
            Err("has no such heading")
        }
        _ => Ok(()),
    }
}

/// Whether the target begins with a scheme, such as `https:`.
fn is_external(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The file that is meant; `..` is taken by the text, as a web server would.
fn resolve(root: &Path, from: &Path, file: &str) -> PathBuf {
    if file.is_empty() {
        return from.to_path_buf();
    }
    let joined = match file.strip_prefix('/') {
        Some(absolute) => root.join(absolute),
        None => from.parent().unwrap_or(root).join(file),
    };
    let mut path = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_files(files: &[(&str, &str)]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let project = Project { root: folder.path().to_path_buf() };
        check(&project).map_err(|error| error.to_string())
    }

    #[test]
    fn links_that_lead_somewhere() {
        let readme = "# Top\n[a](docs/a.md) [b](docs/a.md#the-end) [c](#top) [d](/docs) \
            [e](https://example.org/x.md#y) [f](mailto:a@b) ![g](docs/p.svg)\n";
        let other = "## The end\n[up](../README.md#top)\n";
        let files = [("README.md", readme), ("docs/a.md", other), ("docs/p.svg", "")];
        assert_eq!(check_files(&files), Ok(()));
    }

    #[test]
    fn links_that_do_not() {
        let readme = "# Top\n\n[a](docs/b.md)\n[b](#bottom)\n[c](../x.md)\n[d](docs/a.md#end)\n";
        let error = check_files(&[("README.md", readme), ("docs/a.md", "# End?\n## End 2")]);
        let expected = "  README.md:3: docs/b.md does not exist\n  \
            README.md:4: #bottom has no such heading\n  \
            README.md:5: ../x.md leads out of the repository";
        assert_eq!(error.unwrap_err(), expected);
    }

    #[test]
    fn what_is_built_or_hidden_is_not_looked_at() {
        let broken = "[x](nothing.md)";
        let files =
            [("target/a.md", broken), (".tessera/a.md", broken), ("docs/target.md", "# Fine")];
        assert_eq!(check_files(&files), Ok(()));
    }
}
