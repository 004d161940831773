//! What holds of every manifest.

use jiff::tz::db;
use proptest::prelude::*;
use tessera_manifest::Source;
use tessera_tenant::manifest::{Checked, Tier, check};

use super::generate::manifests;
use super::{FULL, NOW, checked, valid};

fn of_json(text: String) -> Checked {
    check(Source::new("tenant.json", text), Tier::Two, db(), NOW.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_valid_manifest_is_the_same_when_it_was_written_and_read(document in manifests()) {
        let checked = of_json(document.to_string());
        prop_assert_eq!(&checked.problems, &vec![], "{}", document);
        let manifest = checked.manifest.unwrap();
        prop_assert_eq!(&valid(&manifest.to_toml()), &manifest, "{}", manifest.to_toml());
    }

    #[test]
    fn what_is_neither_text_nor_sense_is_answered(text in "\\PC{0,80}|[a-z=\\[\\]\"{},.\n]{0,200}") {
        let checked = checked(&text, Tier::Three);
        prop_assert!(checked.manifest.is_some() || !checked.problems.is_empty());
    }

    /// A manifest that lost a part or got another in its place.
    #[test]
    fn a_damaged_manifest_is_answered(
        from in 0..FULL.len(),
        length in 0..60usize,
        other in "\\PC{0,10}|\"|\\[|= 1\n",
    ) {
        let bytes = FULL.as_bytes();
        let rest = bytes.get(from + length..).unwrap_or_default();
        let text = [&bytes[..from], other.as_bytes(), rest].concat();
        let text = String::from_utf8_lossy(&text);
        let checked = checked(&text, Tier::Three);
        prop_assert!(checked.manifest.is_some() || !checked.problems.is_empty());
        for problem in checked.problems.iter().chain(&checked.warnings) {
            prop_assert!(problem.line >= 1 && !problem.render().is_empty());
        }
    }
}
