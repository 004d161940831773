//! From text to a manifest, or to everything that is wrong with it.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use tessera_manifest::{Document, Format, Limits, Problem, Source};

use super::reader::{PROBLEMS_MAX, Reader};
use super::{Manifest, Tier, code};

/// What may be read of one manifest. It is one document, written by a person.
const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    depth_max: 32,
    nodes_max: 20_000,
    documents_max: 1,
    alias_nodes_max: 1000,
    alias_bytes_max: 64 << 10,
    problems_max: PROBLEMS_MAX,
};

/// What came of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The manifest, if it is valid; also where it is not of the required tier.
    pub manifest: Option<Manifest>,
    /// Its tier, if it is valid.
    pub tier: Option<Tier>,
    /// All that is wrong, in the order of the source.
    pub problems: Vec<Problem>,
    /// What is allowed and probably not meant, in the order of the source.
    pub warnings: Vec<Problem>,
}

impl Checked {
    /// The manifest, if nothing is wrong with it.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn into_result(self) -> Result<Manifest, Vec<Problem>> {
        match self.manifest {
            Some(manifest) if self.problems.is_empty() => Ok(manifest),
            _ => Err(self.problems),
        }
    }
}

/// Checks a manifest as one of the required tier. `zones` knows the time zones of the machine that
/// will run it. The name of the source says in which format it is: TOML unless it ends in that of
/// another.
#[must_use]
pub fn check(source: Source, required: Tier, zones: &TimeZoneDatabase, now: Timestamp) -> Checked {
    let format = Format::of_path(&source.name).unwrap_or(Format::Toml);
    let (mut warnings, mut manifest) = (Vec::new(), None);
    let decoded = tessera_manifest::read(source, format, &LIMITS, |document| {
        let mut reader = Reader::new(document, zones, now);
        let read = reader.manifest(document.root());
        let mut problems = reader.problems;
        warnings = reader.warnings;
        if problems.is_empty() {
            manifest = read;
        }
        problems.extend(missing_lifecycle(document, required));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    });
    let problems = decoded.err().unwrap_or_default();
    // A source that is no document, or of which a part was not read, is no manifest either.
    let only_tier = problems.iter().all(|problem| problem.code == code::MISSING_SECTION);
    let manifest = manifest.filter(|_| only_tier);
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    Checked { tier: manifest.as_ref().map(Manifest::tier), manifest, problems, warnings }
}

fn missing_lifecycle(document: &Document, required: Tier) -> Option<Problem> {
    let missing = required == Tier::Three && document.root().get("lifecycle").is_none();
    let hint = "add a [lifecycle] with entrypoint and subcommands, or check it as Tier 2";
    missing.then(|| {
        let message = "as Tier 3: lifecycle: required section missing";
        document.problem("", code::MISSING_SECTION, message, Some(hint.to_owned()))
    })
}
