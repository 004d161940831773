//! Plans: what a session or a pod would come to, as a table in the order of time.

use tessera_types::Timestamp;
use tessera_types::api::ApplyOutcome;
use tessera_types::booking::{Plan, PlannedResource};
use tessera_types::problem::Code;

use super::Detail;
use super::pod::ports;
use super::timed::times;
use crate::moment::near;
use crate::show::change::KEY_TONE;
use crate::style::{Style, Tone, printable};
use crate::table::{Cell, Column, Table};

/// Whether it fits, and from when to when; or when it would.
pub(crate) fn fits(plan: &Plan, style: Style, now: Timestamp) -> String {
    let key = style.paint(KEY_TONE, &plan.key.to_string());
    let words = match (&plan.problem, plan.timeslot, plan.earliest_start) {
        (Some(_), _, Some(at)) => {
            let near = near(at, now);
            let fits = format!("does not fit; the earliest start that does is {at} ({near})");
            style.paint(Tone::Bad, &fits)
        }
        (Some(problem), _, None) => {
            let fits = problem.code != Code::DoesNotFit;
            let words = if fits { "would be refused" } else { "does not fit" };
            style.paint(Tone::Bad, words)
        }
        (None, Some(slot), _) => {
            let fits = style.paint(Tone::Good, would_be(plan));
            let (start, end) = (slot.start.second_before(), slot.end.second_after());
            format!("{fits}: {start} to {end} ({})", slot.duration())
        }
        (None, None, _) => would_be(plan).to_owned(),
    };
    let note = plan.note.as_ref().map(|note| format!("  {}\n", printable(note)));
    format!("{key} {words}\n{}", note.unwrap_or_default())
}

/// What declaring it would come to.
fn would_be(plan: &Plan) -> &'static str {
    match plan.outcome {
        Some(ApplyOutcome::Unchanged) => "is unchanged",
        Some(ApplyOutcome::Updated) => "would change, and fits",
        Some(ApplyOutcome::Created) | None => "fits",
    }
}

/// What would be made.
pub(crate) fn table(plan: &Plan, wide: bool, now: Timestamp) -> Table {
    let names = ["MAKES", "PROVISION AT", "START", "END", "GONE BY", "ON", "PORTS", "DEFINITION"];
    let mut table = Table::new(names.map(Column::new).to_vec());
    let detail = Detail { wide, namespaces: false };
    for resource in &plan.resources {
        table.row(row(resource, detail, now));
    }
    table
}

fn row(resource: &PlannedResource, detail: Detail, now: Timestamp) -> Vec<Cell> {
    let slot = resource.timeslot;
    let at = [resource.provision_at, slot.start, slot.end, resource.cleanup_deadline];
    let mut row: Vec<Cell> =
        vec![format!("{}/{}", resource.key.kind.singular(), resource.key.name).into()];
    row.extend(times(at.map(Some), detail, now));
    row.push(resource.host.as_ref().map_or("-", |host| host.as_str()).into());
    row.push(ports(&resource.ports).into());
    row.push(resource.definition.as_str().into());
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::now;
    use serde_json::{Value, json};

    fn plan(with: &Value) -> Plan {
        let mut plan =
            json!({"key": {"kind": "Session", "namespace": "default", "name": "exam-1"}});
        plan.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        serde_json::from_value(plan).unwrap()
    }

    #[test]
    fn what_would_be_made_is_told_with_its_times() {
        let slot = json!({"start": "2026-05-01T09:10:00Z", "end": "2026-05-01T09:30:00Z"});
        let resource = |kind: &str, name: &str| {
            json!({
                "key": {"kind": kind, "namespace": "default", "name": name}, "definition": "desk 1.2.0",
                "timeslot": slot, "provision_at": "2026-05-01T09:05:00Z",
                "cleanup_deadline": "2026-05-01T09:31:00Z",
            })
        };
        let mut pod = resource("Pod", "exam-1-lab-desk");
        pod["host"] = json!("rack");
        pod["ports"] = json!([7000, 7001]);
        let plan = plan(&json!({
            "timeslot": slot, "resources": [resource("SessionPart", "exam-1-lab"), pod],
        }));
        assert_eq!(
            fits(&plan, Style::PLAIN, now()),
            "session/default/exam-1 fits: 2026-05-01T09:10:00Z to 2026-05-01T09:30:00Z (20m)\n"
        );
        let expected = "\
MAKES                   PROVISION AT  START   END     GONE BY  ON    PORTS      DEFINITION
sessionpart/exam-1-lab  in 5m         in 10m  in 30m  in 31m   -     -          desk 1.2.0
pod/exam-1-lab-desk     in 5m         in 10m  in 30m  in 31m   rack  7000-7001  desk 1.2.0
";
        assert_eq!(table(&plan, false, now()).render(Style::PLAIN, None), expected);
    }

    #[test]
    fn what_does_not_fit_says_when_it_would() {
        let problem = json!({"type": "x", "title": "x", "status": 409, "code": "does_not_fit", "detail": "x"});
        let refused = plan(&json!({"problem": problem, "earliest_start": "2026-05-01T09:40:00Z"}));
        assert_eq!(
            fits(&refused, Style::PLAIN, now()),
            "session/default/exam-1 does not fit; the earliest start that does is 2026-05-01T09:40:00Z (in 40m)\n"
        );
        let told = |code: &str| {
            let problem =
                json!({"type": "x", "title": "x", "status": 409, "code": code, "detail": "x"});
            fits(&plan(&json!({"problem": problem, "exists": true})), Style::PLAIN, now())
        };
        assert_eq!(told("does_not_fit"), "session/default/exam-1 does not fit\n");
        assert_eq!(told("invalid_spec"), "session/default/exam-1 would be refused\n");
    }

    #[test]
    fn what_exists_is_told_apart_from_what_would_be_made() {
        let slot = json!({"start": "2026-05-01T09:10:00Z", "end": "2026-05-01T09:30:00Z"});
        let told = |outcome: &str, note: Option<&str>| {
            let exists =
                json!({"exists": true, "timeslot": slot, "outcome": outcome, "note": note});
            fits(&plan(&exists), Style::PLAIN, now())
        };
        let window = "2026-05-01T09:10:00Z to 2026-05-01T09:30:00Z (20m)";
        assert_eq!(
            told("unchanged", Some("it is over (completed)")),
            format!("session/default/exam-1 is unchanged: {window}\n  it is over (completed)\n")
        );
        assert_eq!(
            told("updated", None),
            format!("session/default/exam-1 would change, and fits: {window}\n")
        );
    }
}
