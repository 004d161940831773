//! The reconciler in a control plane that a test can look into.

mod answers;
mod clock;
mod explanations;
mod plane;
mod refused_writes;
mod sessions;
