//! Every bound that the product enforces on what it is given, in one place.

use crate::time::Duration;

/// A request body, in bytes. Larger ones are answered `413`.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// One spec as JSON, in bytes.
pub const SPEC_BYTES_MAX: usize = 64 << 10;
/// Labels of one resource.
pub const LABELS_MAX: usize = 64;
/// A label's key or value, in bytes.
pub const LABEL_BYTES_MAX: usize = 253;
/// Transitions kept in the resource itself; the audit table has all of them.
pub const HISTORY_TAIL_MAX: usize = 16;
/// A transition's reason or a waiting message, in bytes; longer ones are cut.
pub const REASON_BYTES_MAX: usize = 1024;
/// What somebody else wrote, such as the body of an answer, where it is quoted in one of
/// these, in bytes.
pub const QUOTE_BYTES_MAX: usize = 200;
/// Resources on one page of a list, at most.
pub const PAGE_MAX: usize = 1000;
/// Resources on one page of a list, unless told otherwise.
pub const PAGE_DEFAULT: usize = 500;
/// Manifests in one batch of `apply`.
pub const BATCH_MAX: usize = 1000;
/// Environment variables of one workload.
pub const ENV_MAX: usize = 512;
/// Arguments of one workload.
pub const ARGS_MAX: usize = 1024;
/// Entries of any other list in a spec (ports, mounts, constraints).
pub const LIST_MAX: usize = 64;
/// Recent commits that are kept in memory for watchers. One that is further behind reads from the
/// log, and must list again only when that has been compacted, too.
pub const WATCH_BUFFER_MAX: usize = 8192;
/// The last lines of output that an exit carries.
pub const EXIT_LINES_MAX: usize = 20;
/// One such line, in bytes.
pub const EXIT_LINE_BYTES_MAX: usize = 512;
/// Reports in one call of an agent.
pub const REPORTS_MAX: usize = 1000;
/// What an agent puts into one call, in bytes; a single report may be larger. Far below
/// [`BODY_BYTES_MAX`], so that a call also fits through a proxy with a smaller limit.
pub const REPORTS_BYTES_MAX: usize = 512 << 10;
/// A text in a report (what goes wrong, how a run ended), in bytes.
pub const REPORT_TEXT_BYTES_MAX: usize = 1024;
/// What an agent calls itself, its session, its version or its container runtime, in
/// bytes.
pub const AGENT_TEXT_BYTES_MAX: usize = 128;
/// Copies of which an agent says what they use.
pub const USAGES_MAX: usize = 10_000;
/// Watches that are open at once.
pub const WATCHERS_MAX: usize = 1024;
/// Lines of a log in one call of an agent.
pub const LOG_LINES_MAX: usize = 500;
/// One line of a log in a call of an agent, in bytes. Agents cut lines at 16 KiB, and
/// what is no UTF-8 takes up to three times as much.
pub const LOG_LINE_BYTES_MAX: usize = 64 << 10;
/// Logs being read at once.
pub const LOG_READERS_MAX: usize = 256;
/// Earlier starts of one agent that the control plane remembers.
pub const SUPERSEDED_MAX: usize = 64;
/// How often the reconcile loop tries to write what the store refuses of one
/// resource: with the pauses between them that is about five minutes.
pub const WRITE_TRIES_MAX: u32 = 20;
/// Writes of one pass of the reconcile loop, by more than one resource asks for:
/// a commit has to take them all.
pub const PASS_WRITES_MAX: usize = 5000;
/// An idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// A window, a lead time or a teardown buffer.
pub const WINDOW_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Children of one resource: the parts of a session, the pods of a part, the
/// workloads of a pod.
pub const CHILDREN_MAX: usize = 64;
/// Phases of one lifecycle.
pub const PHASES_MAX: usize = 32;
/// Steps of one pipeline.
pub const STEPS_MAX: usize = 64;
/// What a step is given, and what it gives, as JSON.
pub const STEP_BYTES_MAX: usize = 64 << 10;
/// How long after its start the control plane asks the engine what became of jobs while
/// nobody listened, before it gives up those whose time is over.
pub const ENGINE_ASKED_WITHIN: Duration = Duration::from_secs(10);
/// How long a resource that is to be removed waits for an engine that does not answer to cancel
/// its jobs.
pub const ENGINE_CANCELS_WITHIN: Duration = Duration::from_secs(60);
/// Tries of one phase.
pub const ATTEMPTS_MAX: u32 = 100;
/// Gradings of one part that are asked for.
pub const GRADINGS_MAX: u32 = 100;
/// Jobs that one phase of one resource ever makes: all tries of all times that its
/// state is entered. Names are checked to have room for their numbers.
pub const JOBS_OF_PHASE_MAX: u32 = 999;
/// Requests of operators and events that wait at one resource.
pub const REQUESTS_MAX: usize = 16;
/// An attribute of an event, in bytes.
pub const EVENT_ATTRIBUTE_BYTES_MAX: usize = 2048;
/// Events of one batch.
pub const EVENTS_MAX: usize = 1000;
/// Events that a part remembers, to know them again.
pub const EVENTS_KNOWN_MAX: usize = 256;
/// What could not be removed, as named in one resource.
pub const LEFTOVERS_MAX: usize = 64;

/// The manifest of a tenant, in bytes.
pub const TENANT_MANIFEST_BYTES_MAX: usize = 64 << 10;
/// Files of a tenant's units, if they are written by hand.
pub const TENANT_UNITS_MAX: usize = 50;
/// Their texts together, in bytes.
pub const TENANT_UNITS_BYTES_MAX: usize = 256 << 10;
/// One spec of a tenant as JSON, in bytes: room for what JSON makes of the texts.
pub const TENANT_SPEC_BYTES_MAX: usize = 1 << 20;
/// Services of one tenant on a fleet.
pub const TENANT_SERVICES_MAX: usize = 32;
/// Nodes of one tenant.
pub const TENANT_NODES_MAX: usize = 1000;
/// Tenants on one node.
pub const NODE_TENANTS_MAX: usize = 100;
/// Runs of one tenant that are asked for and not over, and those that are kept.
pub const TENANT_RUNS_MAX: usize = 20;
/// Runs in one report of an agent.
pub const TENANT_RUN_REPORTS_MAX: usize = 100;
/// What is in a tenant's way on one node, as far as it is named.
pub const TENANT_CONFLICTS_MAX: usize = 20;
/// The id of a run, in bytes.
pub const RUN_ID_BYTES_MAX: usize = 64;
/// The name of a unit of systemd, in bytes.
pub const UNIT_NAME_BYTES_MAX: usize = 255;
/// A path, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;

/// The input of a job as JSON, in bytes.
pub const JOB_INPUT_BYTES_MAX: usize = 1 << 20;
/// The output of a job as JSON, in bytes.
pub const JOB_OUTPUT_BYTES_MAX: usize = 1 << 20;
/// The metadata of a job as JSON, in bytes.
pub const JOB_METADATA_BYTES_MAX: usize = 64 << 10;
/// A name in a submission, in bytes.
pub const JOB_TEXT_BYTES_MAX: usize = 256;
/// Changes of its status that a job remembers.
pub const JOB_HISTORY_MAX: usize = 64;
/// Runs that are started and not waited for: all that follow from one, since each may start the
/// next. The engine counts those that it still keeps.
pub const STARTED_RUNS_MAX: usize = 1000;
/// Steps in one trace.
pub const JOB_STEPS_MAX: usize = 10_000;

/// Cuts `text` to `bytes_max` at a character boundary and marks the cut.
#[must_use]
pub fn clip(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// `text` as a single line of at most `bytes_max`: how a sentence quotes what somebody else
/// wrote.
#[must_use]
pub fn one_line(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > bytes_max {
            break;
        }
    }
    clip(&line, bytes_max)
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_quote_is_one_line_and_says_that_it_was_cut() {
        assert_eq!(one_line("a  b\r\n\tc\n", 10), "a b c");
        assert_eq!(one_line("one two", 7), "one two");
        assert_eq!(one_line("one two\nthree", 7), "one …");
        let long = "ä ".repeat(1000);
        let line = one_line(&long, 200);
        assert!(line.len() <= 200 && line.ends_with('…'), "{line}");
    }
}
