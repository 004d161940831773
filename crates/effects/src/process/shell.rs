//! Shell commands.

use tessera_workflow::machine::ShellSpec;
use tokio::process::Command;

use super::{Launch, Unattended};

/// `/bin/sh` with a command, whose arguments are `$1` and so on.
pub(super) fn launch(spec: &ShellSpec) -> Launch {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&*spec.command).arg("sh");
    command.args(spec.arguments.iter().map(|it| &**it));
    Launch { command, stdin: spec.stdin.clone(), file: None, unattended: Unattended::Ends }
}
