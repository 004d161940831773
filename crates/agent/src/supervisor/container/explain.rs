//! Says in people's words why a container was not started.
//!
//! A message that begins with "cannot" may go better the next time; all others will not.

use crate::containers::{ApiError, ContainerSpec};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Start,
    Inspect,
}

pub(super) fn explain(step: Step, spec: &ContainerSpec, error: &ApiError) -> String {
    let ApiError::Refused { message, .. } = error else {
        return cannot(step, &error.to_string());
    };
    let image = &spec.image;
    let said = message.to_lowercase();
    let has = |words: &str| said.contains(words);
    if has("no command or entrypoint") || has("no command specified") {
        return format!("image {image} does not say what to run: give the workload a `command`");
    }
    let Some(program) = program(message) else { return cannot(step, message) };
    if has("no such file or directory") || has("not found") {
        format!("image {image} has no such program: {program}")
    } else if has("permission denied") {
        format!("not executable in image {image}: {program}")
    } else {
        cannot(step, message)
    }
}

fn cannot(step: Step, why: &str) -> String {
    let what = match step {
        Step::Create => "create",
        Step::Start => "start",
        Step::Inspect => "look at",
    };
    format!("cannot {what} the container: {why}")
}

/// The program that could not be executed, in the words of runc or of crun.
fn program(message: &str) -> Option<&str> {
    let between = |before: &str, after: char| {
        let (_, rest) = message.split_once(before)?;
        rest.split(after).next()
    };
    between("exec: \"", '"').or_else(|| between("executable file `", '`'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(said: &str) -> String {
        let spec = serde_json::json!({"socket": "/s", "image": "app:1"});
        let error = ApiError::Refused { status: 500, message: said.to_owned() };
        explain(Step::Start, &serde_json::from_value(spec).unwrap(), &error)
    }

    #[test]
    fn a_program_that_cannot_be_executed_is_named() {
        let missing = "image app:1 has no such program: /bin/nope";
        for said in [
            "runc: runc create failed: unable to start container process: exec: \"/bin/nope\": stat \
             /bin/nope: no such file or directory: OCI runtime attempted to invoke a command that \
             was not found",
            "runc create failed: unable to start container process: exec: \"/bin/nope\": executable \
             file not found in $PATH: unknown",
            "crun: executable file `/bin/nope` not found in $PATH: No such file or directory",
        ] {
            assert_eq!(explained(said), missing);
        }
        let folder = "runc create failed: exec: \"/etc\": permission denied: OCI permission denied";
        assert_eq!(explained(folder), "not executable in image app:1: /etc");
        let nothing = "no command or entrypoint provided, and no CMD or ENTRYPOINT from image";
        assert!(explained(nothing).starts_with("image app:1 does not say"));
    }

    #[test]
    fn what_may_go_better_the_next_time_begins_with_cannot() {
        let busy = "cannot listen on the TCP port: bind: address already in use";
        assert_eq!(explained(busy), format!("cannot start the container: {busy}"));
        assert!(explained("no such image").starts_with("cannot "));
    }
}
