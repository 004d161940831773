//! Every decision record in `docs/rfd` is listed in its README, by a link.

use std::fs;

use anyhow::Context;

use super::none_of;
use crate::project::Project;

const FOLDER: &str = "docs/rfd";

pub(super) fn check(project: &Project) -> anyhow::Result<()> {
    let folder = project.root.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {FOLDER}"))? {
        files.extend(entry?.file_name().into_string().ok());
    }
    files.sort();
    let list = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    none_of(&findings(&files, &list))
}

fn findings(files: &[String], list: &str) -> Vec<String> {
    let records: Vec<_> = files.iter().filter(|file| number(file).is_some()).collect();
    let unlisted = records.iter().filter(|file| !list.contains(&format!("({file})")));
    let unlisted = unlisted.map(|file| format!("{FOLDER}/{file} is not listed"));
    let doubles = records.windows(2).filter(|pair| number(pair[0]) == number(pair[1]));
    let doubles = doubles.map(|pair| format!("{} and {} share a number", pair[0], pair[1]));
    unlisted.chain(doubles).collect()
}

/// The four digits that a record's file name begins with.
fn number(file: &str) -> Option<&str> {
    let (number, rest) = file.split_once('-')?;
    let is_record = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_record && rest.ends_with(".md")).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_listed_by_a_link_and_has_its_number_alone() {
        let files = ["0001-a.md", "0002-b.md", "0002-c.md", "README.md", "draft-d.md"];
        let list = "- [1](0001-a.md)\n- [2](0002-b.md) and 0002-c.md";
        let found = findings(&files.map(String::from), list);
        let expected =
            ["docs/rfd/0002-c.md is not listed", "0002-b.md and 0002-c.md share a number"];
        assert_eq!(found, expected);
    }
}
