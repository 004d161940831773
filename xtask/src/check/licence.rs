//! Whether every dependency's licence allows it in a product under MPL-2.0.
//!
//! A package declares an SPDX expression (SPDX specification, annex D), such
//! as `MIT OR (Apache-2.0 AND BSD-3-Clause)`. It suits when the expression is
//! true with the allowed licences put in.

use super::none_of;
use crate::metadata::{Metadata, Package};

/// Licences under which a dependency may be linked and passed on.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

pub(super) fn check(metadata: &Metadata) -> anyhow::Result<()> {
    let findings: Vec<_> = metadata.packages.values().filter_map(finding).collect();
    none_of(&findings)
}

fn finding(package: &Package) -> Option<String> {
    let Package { name, version, .. } = package;
    match package.license.as_deref() {
        None => Some(format!("{name} {version} declares no licence")),
        Some(expression) if suits(expression) == Some(true) => None,
        Some(expression) => Some(format!("{name} {version}: '{expression}' is not allowed")),
    }
}

/// Whether the expression is true; `None` where it cannot be read.
fn suits(expression: &str) -> Option<bool> {
    let words = words(expression);
    let mut rest = words.as_slice();
    let value = any(&mut rest)?;
    rest.is_empty().then_some(value)
}

/// The words of an expression; older packages write `/` for OR.
fn words(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn any(words: &mut &[String]) -> Option<bool> {
    let mut value = all(words)?;
    while take(words, "OR") {
        value |= all(words)?;
    }
    Some(value)
}

fn all(words: &mut &[String]) -> Option<bool> {
    let mut value = one(words)?;
    while take(words, "AND") {
        value &= one(words)?;
    }
    Some(value)
}

fn one(words: &mut &[String]) -> Option<bool> {
    if take(words, "(") {
        let value = any(words)?;
        return take(words, ")").then_some(value);
    }
    let (first, rest) = words.split_first()?;
    *words = rest;
    let mut licence = first.clone();
    if take(words, "WITH") {
        let (exception, rest) = words.split_first()?;
        *words = rest;
        licence = format!("{licence} WITH {exception}");
    }
    Some(ALLOWED.contains(&licence.as_str()))
}

fn take(words: &mut &[String], word: &str) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    let taken = first == word;
    if taken {
        *words = rest;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_choices_is_enough_but_all_of_a_sum_are_needed() {
        for expression in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "GPL-3.0-only/MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
            "(MIT OR GPL-3.0-only) AND Unicode-3.0",
            "GPL-3.0-only AND MIT OR ISC",
        ] {
            assert_eq!(suits(expression), Some(true), "{expression}");
        }
        for expression in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "MIT WITH GPL-exception",
            "GPL-3.0-only AND (MIT OR ISC)",
        ] {
            assert_eq!(suits(expression), Some(false), "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_does_not_suit() {
        for expression in ["", "(MIT", "MIT)", "MIT OR", "MIT ISC", "MIT WITH"] {
            assert_eq!(suits(expression), None, "{expression}");
        }
    }

    #[test]
    fn a_finding_names_the_package() {
        let mut package =
            Package { name: "x".into(), version: "1.2.3".into(), ..Package::default() };
        assert_eq!(finding(&package).unwrap(), "x 1.2.3 declares no licence");
        package.license = Some("AGPL-3.0-only".into());
        assert_eq!(finding(&package).unwrap(), "x 1.2.3: 'AGPL-3.0-only' is not allowed");
    }
}
