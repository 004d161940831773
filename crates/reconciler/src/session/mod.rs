//! Sessions and their parts.
//!
//! The one idea: a session decides which of its parts may begin (the order, the
//! gates, what happens when one fails), and a part decides for its pods. Both
//! say so by what they desire of their children, and read what came of it from
//! the children's status.

mod gate;
mod kept;
mod late;
mod manager;
mod part;

pub use manager::SessionManager;
pub use part::PartManager;
