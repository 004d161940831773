//! Secrets in what a run stores, and in what others store of it.

use tessera_workflow::machine::{Action, Machine};
use tessera_workflow::value::from_json;

/// Hides secrets in what others store: an event goes into the journals of those that listen, and
/// what a run is started with into its own.
pub(super) fn hide_secrets(machine: &Machine, action: &mut Action) {
    match action {
        Action::Emit(event) => *event = machine.masked_event(std::mem::take(event)),
        Action::StartRun(run) => {
            if let Ok(mut input) = serde_json::from_str(&run.input.to_string()) {
                machine.mask(&mut input);
                run.input = from_json(input);
            }
        }
        _ => {}
    }
}
