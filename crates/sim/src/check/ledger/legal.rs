//! Which writes are legal, by tables of its own: those of the reference, and not the code's.

use tessera_types::{Kind, KindName, Object, Record, Resource, Write, with_object};

/// From where to where a status may go.
type Arrows = &'static [(&'static str, &'static [&'static str])];

const NODE: Arrows = &[
    ("Ready", &["Cordoned", "Draining", "Offline"]),
    ("Cordoned", &["Ready", "Draining", "Offline"]),
    ("Draining", &["Ready", "Cordoned", "Drained", "Offline"]),
    ("Drained", &["Ready", "Cordoned", "Draining", "Offline"]),
    ("Offline", &["Ready", "Cordoned", "Draining"]),
];

/// Without the two that nothing takes.
const WORKLOAD: Arrows = &[
    ("Pending", &["Scheduled", "Stopped", "Failed"]),
    ("Scheduled", &["Provisioning", "Stopping", "Failed", "Lost"]),
    ("Provisioning", &["Running", "BackingOff", "Stopping", "Completed", "Failed", "Lost"]),
    ("Running", &["BackingOff", "Stopping", "Completed", "Failed", "Lost"]),
    ("BackingOff", &["Provisioning", "Stopping", "Failed", "Lost"]),
    ("Stopping", &["Stopped", "Lost"]),
    ("Stopped", &["Pending"]),
    ("Completed", &["Pending"]),
    ("Failed", &["Pending"]),
    (
        "Lost",
        &["Provisioning", "Running", "BackingOff", "Stopping", "Completed", "Failed", "Pending"],
    ),
];

const TIMED: Arrows = &[
    ("Scheduled", &["Provisioning", "Failed", "TearingDown"]),
    ("Provisioning", &["Ready", "Failed", "TearingDown"]),
    ("Ready", &["Active", "Failed", "TearingDown"]),
    ("Active", &["Grading", "TearingDown", "Failed"]),
    ("Grading", &["Active", "TearingDown", "Failed"]),
    ("Failed", &["TearingDown", "Provisioning"]),
    ("TearingDown", &["Terminated"]),
    ("Terminated", &[]),
];

const SESSION: Arrows = &[
    ("Pending", &["Active", "Finalizing"]),
    ("Active", &["Aggregating", "Finalizing", "Inactive"]),
    ("Aggregating", &["Finalizing", "Inactive"]),
    ("Finalizing", &["Inactive", "Failed"]),
    ("Inactive", &[]),
    ("Failed", &[]),
];

const JOB: Arrows = &[
    ("Pending", &["Running", "Failed", "Cancelled"]),
    ("Running", &["Succeeded", "Failed", "Cancelled"]),
    ("Succeeded", &[]),
    ("Failed", &[]),
    ("Cancelled", &[]),
];

const REPORT: Arrows =
    &[("Pending", &["Complete", "Failed"]), ("Complete", &["Pending"]), ("Failed", &["Pending"])];

const TENANT: Arrows = &[
    ("Pending", &["Installing", "Terminating"]),
    ("Installing", &["Pending", "Installed", "Degraded", "Terminating"]),
    ("Installed", &["Degraded", "Pending", "Installing", "Terminating"]),
    ("Degraded", &["Installed", "Pending", "Installing", "Terminating"]),
    ("Terminating", &["Terminated"]),
    ("Terminated", &[]),
];

fn arrows(kind: KindName) -> Arrows {
    match kind {
        KindName::Node => NODE,
        KindName::Workload => WORKLOAD,
        KindName::Session => SESSION,
        KindName::SessionPart | KindName::Pod | KindName::Host => TIMED,
        KindName::Job => JOB,
        KindName::Report => REPORT,
        KindName::Tenant => TENANT,
        // What is in the catalogue has no life.
        _ => &[],
    }
}

/// Whether a write keeps the rules of what may become of a resource.
pub(super) fn is_legal(before: Option<&Resource>, write: &Write) -> Result<(), String> {
    let key = write.key();
    let status = before.map(Resource::status);
    match write {
        Write::Create { resource, records } | Write::Update { resource, records } => {
            let arrows = arrows(key.kind);
            follows(arrows, status, records, resource.status())
                .map_err(|what| format!("{key}: {what}"))?;
            with_object!(resource, object => {
                is_whole(arrows, object).map_err(|what| format!("{key}: {what}"))?;
                keeps(before, object, records)
            })
        }
        Write::Delete { records, .. } => match records.as_slice() {
            [last] if last.to == Record::DELETED && last.from.as_deref() == status => Ok(()),
            records => Err(format!("{key} was {status:?} and is deleted: {records:?}")),
        },
    }
}

/// Whether the records lead from what was to what is, along arrows that there are.
fn follows(arrows: Arrows, from: Option<&str>, records: &[Record], to: &str) -> Result<(), String> {
    let mut at = from;
    for record in records {
        let (from, to) = (record.from.as_deref(), record.to.as_str());
        let is_note = from == Some(to);
        let known = arrows.iter().find(|(status, _)| Some(*status) == from);
        let is_arrow = known.is_some_and(|(_, all)| all.contains(&to));
        if from != at || !(is_note || is_arrow || from.is_none()) {
            return Err(format!("it was {at:?}, and its history goes from {from:?} to {to}"));
        }
        at = Some(to);
    }
    match at == Some(to) {
        true => Ok(()),
        false => Err(format!("it is {to}, and its history leads to {at:?}")),
    }
}

/// Whether all of the history that a resource carries leads to its status, without a gap. What
/// was before that is not carried any more.
fn is_whole<K: Kind>(arrows: Arrows, object: &Object<K>) -> Result<(), String> {
    let history: Vec<_> = object.state_history.iter().map(Record::of).collect();
    let from = history.first().and_then(|first| first.from.as_deref());
    follows(arrows, from, &history, &object.status.to_string())
}

/// What stays as it was for as long as a resource lives, and what follows what.
fn keeps<K: Kind>(
    before: Option<&Resource>,
    after: &Object<K>,
    records: &[Record],
) -> Result<(), String> {
    let tail = after.state_history.iter().map(Record::of).rev();
    if !tail.zip(records.iter().rev()).all(|(one, record)| one == *record) {
        return Err(format!("{}: its tail is not what is noted", after.key()));
    }
    let Some(before) = before.and_then(K::unwrap) else { return Ok(()) };
    let is_declared_anew =
        before.spec != after.spec || before.desired_status != after.desired_status;
    let wrong = if before.owner != after.owner || before.created_at != after.created_at {
        "has another owner"
    } else if before.deletion_requested_at.is_some()
        && before.deletion_requested_at != after.deletion_requested_at
    {
        "is not to be deleted any more"
    } else if is_declared_anew && after.generation <= before.generation {
        "was declared anew, and its generation is as it was"
    } else if after.generation < before.generation {
        "is of an earlier generation"
    } else {
        return Ok(());
    };
    Err(format!("{} {wrong}", after.key()))
}
