//! Scripts: JavaScript by Node.js, Python by Python 3, whichever versions this machine has.

use std::io::Write as _;
use std::path::PathBuf;

use tessera_workflow::machine::{Error, ScriptSpec};
use tokio::process::Command;

use super::{Launch, Unattended};
use crate::fault;

/// An interpreter with a script from a file that only this user can read.
pub(super) fn launch(spec: &ScriptSpec) -> Result<Launch, Error> {
    let (names, suffix, what): (&[&str], _, _) = match &*spec.language {
        "js" | "javascript" => (&["node", "nodejs"], js_suffix(&spec.code), "Node.js"),
        "python" => (&["python3", "python"], ".py", "Python 3"),
        other => {
            let near = fault::did_you_mean(other, ["js", "python"]);
            return Err(fault::configuration(format!(
                "scripts are written in js or python, not in {other}{near}"
            )));
        }
    };
    let Some(program) = names.iter().find_map(|name| find(name)) else {
        return Err(fault::configuration(format!(
            "a script in {} needs {what}, and there is no `{}` on the PATH",
            spec.language, names[0]
        )));
    };
    let failed = |error: std::io::Error| {
        fault::runtime(format!("the script cannot be written: {}", fault::chain(&error)))
    };
    let file = tempfile::Builder::new().prefix("tessera-script-").suffix(suffix).tempfile();
    let mut file = file.map_err(failed)?;
    file.write_all(spec.code.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
    let mut command = Command::new(program);
    command.arg(file.path()).args(spec.arguments.iter().map(|it| &**it));
    Ok(Launch {
        command,
        stdin: spec.stdin.clone(),
        file: Some(file),
        unattended: Unattended::Ends,
    })
}

/// Whether Node.js takes it for a module. A script that imports must be one, and one that requires
/// must not; anything else is a module, as the language's standard has them.
fn js_suffix(code: &str) -> &'static str {
    let begins = |word: &str| code.lines().any(|line| line.trim_start().starts_with(word));
    let imports = begins("import ") || begins("import{") || begins("export ");
    let requires = ["require(", "module.exports", "__dirname", "__filename"];
    let requires = requires.iter().any(|word| code.contains(word));
    if requires && !imports { ".cjs" } else { ".mjs" }
}

/// A program on the `PATH`.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| {
        program.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_requires_is_no_module() {
        for (code, suffix) in [
            ("import { readFileSync } from 'node:fs';", ".mjs"),
            ("const [_, __, a] = process.argv;", ".mjs"),
            ("const fs = require('fs');", ".cjs"),
            ("import { createRequire } from 'module';\nrequire('fs')", ".mjs"),
        ] {
            assert_eq!(js_suffix(code), suffix, "{code}");
        }
    }
}
