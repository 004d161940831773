//! What systemd itself has written down of a run that it remembers no more.
//!
//! The one idea: it tells the journal how a program ended and what it calls that, under the run's
//! invocation. That is what the unit had said before another run began.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::state::State;
use crate::journal;
use crate::systemctl::bounded;

/// How long it may take until the journal has it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one look into the journal may take: on a busy machine, or in a large journal, much longer than usual.
const LOOK_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// The unit as it was after this run, which failed; `now` is what it is after another.
pub(super) fn recall(now: &State, invocation: &str) -> Option<State> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = after(now, invocation, &written(invocation)?);
        if state.is_some() || Instant::now() >= deadline {
            return state;
        }
        thread::sleep(PAUSE);
    }
}

/// What was written of the run by its service manager: an object a line.
fn written(invocation: &str) -> Option<String> {
    let command = journal::about_run(invocation).ok()?;
    let said = bounded(command, LOOK_WITHIN).ok().flatten()?;
    said.status.success().then_some(said.stdout)
}

/// None before the result has been written.
pub(super) fn after(now: &State, invocation: &str, written: &str) -> Option<State> {
    let mut state = now.clone();
    let mut set = |name: &str, value: &str| state.0.insert(name.to_owned(), value.to_owned());
    set("InvocationID", invocation);
    set("ExecMainCode", "0");
    let mut is_told = false;
    for line in written.lines() {
        let fields: BTreeMap<String, Value> = serde_json::from_str(line).unwrap_or_default();
        let get = |name: &str| fields.get(name).and_then(Value::as_str);
        let is_main = get("MESSAGE").is_some_and(|message| message.contains("Main process exited"));
        if let (true, Some(code), Some(status)) = (is_main, get("EXIT_CODE"), get("EXIT_STATUS")) {
            // As waitid(2) numbers them.
            set(
                "ExecMainCode",
                match code {
                    "exited" => "1",
                    "killed" => "2",
                    _ => "3",
                },
            );
            set("ExecMainStatus", status);
        }
        if let Some(result) = get("UNIT_RESULT") {
            set("Result", result);
            is_told = true;
        }
    }
    is_told.then_some(state)
}

#[cfg(test)]
mod tests {
    use super::super::End;
    use super::super::judge::{Job, Whose, judge};
    use super::*;

    #[test]
    fn the_run_is_judged_by_what_was_written_of_it() {
        let exited = |code: &str, status: &str| {
            format!(
                "{{\"MESSAGE\":\"a.service: Main process exited, code={code}\",\
                 \"EXIT_CODE\":\"{code}\",\"EXIT_STATUS\":\"{status}\"}}\n"
            )
        };
        let result = |result: &str| format!("{{\"UNIT_RESULT\":\"{result}\"}}\n");
        let before = "{\"MESSAGE\":\"Starting\"}\n{\"MESSAGE\":[1,2]}\nno JSON\n".to_owned();
        let now = State([("Result".to_owned(), "success".to_owned())].into());
        for (written, end) in [
            (exited("exited", "7") + &result("exit-code"), Some(End::Exited(7))),
            (exited("killed", "9") + &result("signal"), Some(End::Signal(9))),
            (exited("dumped", "11") + &result("core-dump"), Some(End::Signal(11))),
            (exited("killed", "15") + &result("timeout"), Some(End::Timeout)),
            // A command before the program failed, so that there was no main process.
            (result("exit-code"), Some(End::Before)),
            // The rest is on its way.
            (exited("exited", "7"), None),
            (String::new(), None),
        ] {
            let state = after(&now, "0f3c", &(before.clone() + &written));
            let told = state.map(|state| judge(Job::Failed, &state, Whose::Its));
            assert_eq!(told, end, "{written}");
        }
    }
}
