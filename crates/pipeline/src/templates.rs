//! The templates that are built in.

use std::sync::LazyLock;

use tessera_manifest::{Format, Limits, Source, read};
use tessera_types::timed::{PipelineSpec, StepSpec};

const TEMPLATES: [(&str, &str); 2] = [
    ("standard-provision", include_str!("../templates/standard-provision.yaml")),
    ("standard-teardown", include_str!("../templates/standard-teardown.yaml")),
];

static STANDARD: LazyLock<Vec<(&str, Vec<StepSpec>)>> = LazyLock::new(|| {
    let parse = |text: &str| {
        let source = Source::new("a built-in template", text);
        read(
            source,
            Format::Yaml,
            &Limits::default(),
            tessera_manifest::Document::decode::<PipelineSpec>,
        )
        .expect("the built-in templates are right: a test reads them")
    };
    TEMPLATES
        .map(|(name, text)| (name, parse(text).into_iter().flat_map(|it| it.steps).collect()))
        .into()
});

/// The steps of a built-in template.
pub(crate) fn standard(name: &str) -> Option<&'static [StepSpec]> {
    STANDARD.iter().find(|(known, _)| *known == name).map(|(_, steps)| steps.as_slice())
}

/// The names of the built-in templates.
pub fn standard_names() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|(name, _)| *name)
}
