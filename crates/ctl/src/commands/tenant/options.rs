//! The global options as each action takes them, so that its help offers nothing that it refuses or
//! has no use for.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command, ValueEnum};

use crate::cli::Format;

const REPORT: &[Format] = &[Format::Table, Format::Json];
const LIST: &[Format] = &[Format::Table, Format::Json, Format::Yaml];
const DOCUMENT: &[Format] = &[Format::Yaml, Format::Json];

/// What each action prints.
const PRINTED: [(&str, &[Format]); 10] = [
    ("check", REPORT),
    ("conform", REPORT),
    ("diff", REPORT),
    ("doctor", REPORT),
    ("export", DOCUMENT),
    ("install", REPORT),
    ("list", LIST),
    (RUN_NOW, REPORT),
    ("schedule", REPORT),
    ("uninstall", REPORT),
];
/// The one that may ask a control plane.
const RUN_NOW: &str = "run-now";
const OF_CONTROL_PLANE: [&str; 2] = ["server", "namespace"];

/// The command `tenant`, with the options that every command has as its actions take them.
pub(crate) fn narrowed(tenant: Command, globals: &[Arg]) -> Command {
    PRINTED.iter().fold(tenant, |tenant, (name, formats)| {
        let own = globals.iter().filter_map(|global| narrowed_option(global, name, formats));
        tenant.mut_subcommand(name, |action| action.args(own))
    })
}

fn narrowed_option(global: &Arg, action: &str, formats: &[Format]) -> Option<Arg> {
    match global.get_id().as_str() {
        "output" => {
            let parser = PossibleValuesParser::new(formats.iter().map(|it| it.as_str()));
            let parser = parser.try_map(|name| Format::from_str(&name, false));
            Some(global.clone().value_parser(parser))
        }
        id if OF_CONTROL_PLANE.contains(&id) && action != RUN_NOW => {
            Some(global.clone().hide(true))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Program;

    #[test]
    fn every_action_has_its_formats() {
        let mut command = Program::tesseractl().command();
        command.clone().debug_assert();
        command.build();
        let tenant = command.find_subcommand("tenant").unwrap();
        let actions = tenant.get_subcommands().map(Command::get_name);
        let mut actions: Vec<_> = actions.filter(|name| *name != "help").collect();
        actions.sort_unstable();
        assert_eq!(actions, PRINTED.map(|(name, _)| name));
    }
}
