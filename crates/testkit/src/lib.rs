//! What tests need besides Rust: real parts of the machine, such as podman.
//!
//! The one idea: a test asks for its part by name and is told whether to go on.
//!
//! ```
//! # fn starts_a_container() {
//! if !tessera_testkit::part("podman") {
//!     return;
//! }
//! // … the test proper
//! # }
//! ```
//!
//! `cargo xtask test` installs what it may and passes the names of the parts
//! that are present in `TESSERA_TEST_PARTS`. A plain `cargo test` sets nothing,
//! and the machine is looked at instead. With `CI=true` a missing part fails
//! the test, so that nothing is skipped unseen where it counts.

mod elf;
mod image;
mod parts;
mod podman;
mod quadlet;
mod user_manager;

pub use parts::{Install, PARTS, Part, SCHEMATHESIS, Sign};
pub use podman::{Podman, podman};
pub use quadlet::{COMPLETE, QUADLET_VARIABLE, environment, quadlet, unpacked};
pub use user_manager::{UserManager, user_manager};

/// The environment variable that lists the parts that are present, separated by commas.
pub const PARTS_VARIABLE: &str = "TESSERA_TEST_PARTS";

/// Whether the part called `name` may be used by the calling test.
///
/// Where it may not, one line says that the test did not run and why.
///
/// # Panics
///
/// When no part has that name, and when the part is missing with `CI=true`.
pub fn part(name: &str) -> bool {
    let part = find(name).unwrap_or_else(|| panic!("{}", unknown(name)));
    let declared = std::env::var(PARTS_VARIABLE).ok();
    usable(verdict(part, declared.as_deref(), in_ci(), Part::is_present))
}

/// Whether to go on; where not, says so.
fn usable(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Usable => true,
        Verdict::Skip(why) => {
            eprintln!("{why}");
            false
        }
        Verdict::Fail(why) => panic!("{why}"),
    }
}

/// The part called `name`, if there is one in the table.
pub fn find(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

/// Whether this is a CI run (`CI=true`), where nothing may be skipped.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// What an unknown part's name is answered with: the name and those that exist.
pub fn unknown(name: &str) -> String {
    let known: Vec<_> = PARTS.iter().map(|part| part.name).collect();
    format!("no part is called '{name}': the table in crates/testkit has {}", known.join(", "))
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Usable,
    Skip(String),
    Fail(String),
}

fn verdict(
    part: &Part,
    declared: Option<&str>,
    ci: bool,
    look: impl FnOnce(&Part) -> bool,
) -> Verdict {
    let present = match declared {
        Some(names) => names.split(',').any(|name| name.trim() == part.name),
        None => look(part),
    };
    if present {
        return Verdict::Usable;
    }
    let remedy = format!("'cargo xtask test' brings it, or: {}", part.install.by_hand());
    refusal(&format!("{} is missing ({remedy})", part.name), ci)
}

/// What becomes of a test that cannot run.
fn refusal(why: &str, ci: bool) -> Verdict {
    if ci {
        return Verdict::Fail(format!("{why}, and CI=true skips nothing"));
    }
    Verdict::Skip(format!("did not run: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn podman() -> &'static Part {
        find("podman").unwrap()
    }

    #[test]
    fn the_declared_list_is_believed_and_the_machine_not_looked_at() {
        let never = |_: &Part| -> bool { panic!("looked at the machine") };
        assert_eq!(verdict(podman(), Some("busybox, podman"), true, never), Verdict::Usable);
        let skipped = verdict(podman(), Some("busybox"), false, never);
        assert!(matches!(skipped, Verdict::Skip(why) if why.contains("podman runc")));
    }

    #[test]
    fn a_name_that_only_begins_alike_does_not_count() {
        let verdict = verdict(podman(), Some("podman-remote"), false, |_| true);
        assert!(matches!(verdict, Verdict::Skip(_)));
    }

    #[test]
    fn an_empty_list_means_that_nothing_is_present() {
        assert!(matches!(verdict(podman(), Some(""), false, |_| true), Verdict::Skip(_)));
    }

    #[test]
    fn without_a_list_the_machine_decides() {
        assert_eq!(verdict(podman(), None, true, |_| true), Verdict::Usable);
        assert!(matches!(verdict(podman(), None, false, |_| false), Verdict::Skip(_)));
    }

    #[test]
    fn in_ci_a_missing_part_fails() {
        assert!(matches!(verdict(podman(), None, true, |_| false), Verdict::Fail(_)));
        assert!(matches!(verdict(podman(), Some(""), true, |_| true), Verdict::Fail(_)));
    }

    #[test]
    #[should_panic(expected = "no part is called 'pod-man'")]
    fn a_misspelt_name_is_not_a_missing_part() {
        part("pod-man");
    }
}
