//! What is read off the real system once nothing goes wrong any more, and what the witnesses
//! wrote meanwhile.

mod copies;
mod history;
mod machine;
mod peace;

pub(crate) use copies::{Alive, alive, copies_are_right, witnesses};
pub(crate) use history::histories;
pub(crate) use machine::{Memory, logs, nothing_left, supervisors};
pub(crate) use peace::{at_rest, explained, lists, says_why};
