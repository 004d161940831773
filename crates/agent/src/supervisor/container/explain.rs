//! Says in people's words why a container was not started, and what was at fault.
//!
//! Runtimes say both in their messages only, so what is recognised there is named, and everything
//! else is taken for the runtime's own trouble, which may be gone the next time.

use crate::containers::{ApiError, ContainerSpec};
use crate::supervisor::fault::{StartFailure, StartFault};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Start,
    Inspect,
}

pub(super) fn explain(step: Step, spec: &ContainerSpec, error: &ApiError) -> StartFailure {
    let ApiError::Refused { message, .. } = error else {
        return cannot(step, &error.to_string());
    };
    let image = &spec.image;
    let said = message.to_lowercase();
    let has = |words: &str| said.contains(words);
    if has("no command or entrypoint") || has("no command specified") {
        let message =
            format!("image {image} does not say what to run: give the workload a `command`");
        return StartFailure::new(StartFault::Image, message);
    }
    let Some(program) = program(message) else { return cannot(step, message) };
    if has("no such file or directory") || has("not found") {
        let message = format!("image {image} has no such program: {program}");
        StartFailure::new(StartFault::Program, message)
    } else if has("permission denied") {
        let message = format!("not executable in image {image}: {program}");
        StartFailure::new(StartFault::Program, message)
    } else {
        cannot(step, message)
    }
}

fn cannot(step: Step, why: &str) -> StartFailure {
    let what = match step {
        Step::Create => "create",
        Step::Start => "start",
        Step::Inspect => "look at",
    };
    StartFailure::new(StartFault::Runtime, format!("cannot {what} the container: {why}"))
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

    fn explained(said: &str) -> (StartFault, String) {
        let spec = serde_json::json!({"socket": "/s", "image": "app:1"});
        let error = ApiError::Refused { status: 500, message: said.to_owned() };
        let failure = explain(Step::Start, &serde_json::from_value(spec).unwrap(), &error);
        (failure.fault, failure.message)
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
            assert_eq!(explained(said), (StartFault::Program, missing.to_owned()));
        }
        let folder = "runc create failed: exec: \"/etc\": permission denied: OCI permission denied";
        let message = "not executable in image app:1: /etc".to_owned();
        assert_eq!(explained(folder), (StartFault::Program, message));
        let nothing = "no command or entrypoint provided, and no CMD or ENTRYPOINT from image";
        let (fault, message) = explained(nothing);
        assert_eq!(fault, StartFault::Image);
        assert!(message.starts_with("image app:1 does not say"), "{message}");
    }

    #[test]
    fn what_is_not_recognised_is_the_runtimes_and_not_permanent() {
        let busy = "cannot listen on the TCP port: bind: address already in use";
        let message = format!("cannot start the container: {busy}");
        assert_eq!(explained(busy), (StartFault::Runtime, message));
        assert!(!explained("no such image").0.is_permanent());
    }
}
