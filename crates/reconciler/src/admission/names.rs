//! Names that are made of others: a pod's of its part's and its own.

use tessera_types::{Invalid, Name};

/// The most characters of a name.
const NAME_MAX: usize = 63;

/// The name that is made of two, or what is wrong with it.
pub(super) fn join(owner: &Name, own: &str, what: &str) -> Result<Name, Invalid> {
    let name = format!("{owner}-{own}");
    Name::new(&name).map_err(|_| too_long(&name, what))
}

/// Checks that what is made of a name later has a legal name too: `suffix` is
/// the longest that is put after it.
pub(super) fn check_room(owner: &Name, suffix: &str, what: &str, problems: &mut Vec<Invalid>) {
    let name = format!("{owner}-{suffix}");
    if name.len() > NAME_MAX {
        problems.push(too_long(&name, what));
    }
}

fn too_long(name: &str, what: &str) -> Invalid {
    let message = format!(
        "the {what} would be called `{name}`, which has {} characters; names have at most {NAME_MAX}: \
         choose shorter ones",
        name.len()
    );
    Invalid::new("name", message)
}
