//! How a run ended, by whatever systemd may say of it.

use super::End;
use super::judge::{Job, Whose, judge, last, refusal, without_job};
use super::recall::after;
use super::state::State;
use crate::systemctl::Properties;

/// All ends that a unit with these properties can be taken for, where this was written of a run
/// before, and a start said this.
pub(crate) fn ends(properties: Properties, written: &str, said: &str) -> Vec<End> {
    let now = State(properties);
    let recalled = after(&now, "0f3c", written);
    let mut ends = Vec::new();
    for state in [Some(now), recalled].into_iter().flatten() {
        let whose = Whose::of(&state, Some("0f3b"), Some("0f3c"));
        ends.extend(refusal(&state));
        ends.extend([last(&state), without_job(&state, whose)]);
        ends.extend([true, false].map(|is_done| judge(Job::of(is_done, said), &state, whose)));
        let _more = (state.job(), state.is_settled(), state.is_kept(), state.output());
        let _times = [state.time("InactiveExitTimestamp"), state.time("InactiveEnterTimestamp")];
    }
    ends
}
