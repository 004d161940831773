//! What the environment tells a tenant's program. A variable that is empty counts as one that is
//! not set, as a unit's `Environment=` cannot unset one.

use std::ffi::OsString;
use std::path::PathBuf;

/// The variable that makes a run write nothing.
pub(crate) const DRY_RUN: &str = "TESSERA_DRY_RUN";

/// The environment, read once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// The folder of the telemetry hub; none if not even a home is known.
    pub(crate) hub: Option<PathBuf>,
    /// The folder for node_exporter, where it is not the hub's own.
    pub(crate) textfiles: Option<PathBuf>,
    /// The manifest's path.
    pub(crate) manifest: Option<PathBuf>,
    /// The suffix of the service that the program runs as; empty for the primary.
    pub(crate) service: String,
    /// The organisation of the instance.
    pub(crate) organisation: Option<String>,
    /// The service manager's id of this start.
    pub(crate) invocation_id: Option<String>,
    /// Whether nothing may be written.
    pub(crate) is_dry: bool,
    /// Whether that is said in the way in which programs that the run starts look for it.
    says_dry: bool,
}

impl Environment {
    /// Reads the variables through `variable`.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            hub: hub_folder(&variable),
            textfiles: textfile_folder(&variable),
            manifest: path("TESSERA_TENANT_MANIFEST"),
            service: text("TESSERA_SERVICE").unwrap_or_default(),
            organisation: text("TESSERA_ORG"),
            invocation_id: text("INVOCATION_ID"),
            // Anything but a clear no: whoever writes `true` does not want to write data.
            is_dry: text(DRY_RUN).is_some_and(|value| value != "0"),
            says_dry: text(DRY_RUN).is_some_and(|value| value == "1"),
        }
    }

    /// Whether the variable must be set for a run, which is dry by its verb if `is_asked`.
    pub(crate) fn must_say_dry(&self, is_asked: bool) -> bool {
        (is_asked || self.is_dry) && !self.says_dry
    }
}

/// The folder that node_exporter reads, where it is not the hub's own, by the variable that `variable`
/// gives.
pub fn textfile_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    variable("TESSERA_TEXTFILE_DIR").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder of the telemetry hub, by the variables that `variable` gives; none if not even a home
/// is known.
pub fn hub_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The specification of XDG has relative paths ignored.
    let state = path("XDG_STATE_HOME")
        .filter(|folder| folder.is_absolute())
        .or_else(|| path("HOME").map(|home| home.join(".local/state")));
    path("TESSERA_TELEMETRY_DIR").or_else(|| state.map(|folder| folder.join("tessera/telemetry")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_hub_is_where_the_nearest_variable_says() {
        let home = ("HOME", "/h");
        let hub = |variables: &[_]| read(variables).hub;
        assert_eq!(hub(&[home]), Some("/h/.local/state/tessera/telemetry".into()));
        assert_eq!(hub(&[home, ("XDG_STATE_HOME", "/s")]), Some("/s/tessera/telemetry".into()));
        assert_eq!(hub(&[home, ("XDG_STATE_HOME", "s")]), hub(&[home]));
        assert_eq!(hub(&[home, ("TESSERA_TELEMETRY_DIR", "/t")]), Some("/t".into()));
        assert_eq!(hub(&[home, ("TESSERA_TELEMETRY_DIR", "")]), hub(&[home]));
        assert_eq!(hub(&[]), None);
    }

    #[test]
    fn only_a_clear_no_is_no_dry_run() {
        for (value, is_dry) in
            [("1", true), ("true", true), ("no", true), ("0", false), ("", false)]
        {
            assert_eq!(read(&[(DRY_RUN, value)]).is_dry, is_dry, "{value}");
        }
    }
}
