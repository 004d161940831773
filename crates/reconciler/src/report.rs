//! The manager of reports: of a part, made of the results of its grading jobs;
//! of a session, made of the reports of its parts.

use std::sync::Arc;

use tessera_types::catalogue::{Aggregate, DefinitionSelector, Pinned, ReportDefinitionSpec};
use tessera_types::job::JobStatus;
use tessera_types::report::{ReportItem, ReportSpec, ReportStatus};
use tessera_types::timed::{Engine, PhaseRun, PhaseState, Timed, TimedStatus};
use tessera_types::{
    Actor, Edit, IllegalTransition, Job, Kind, KindName, Name, Now, Object, OwnerRef, Report,
    ResourceKey, SessionPart, Timestamp, WaitReason, Write,
};

use crate::manager::{Manager, Plan};
use crate::world::World;

/// Reconciles reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportManager;

impl Manager for ReportManager {
    type Kind = Report;

    fn reconcile(&self, report: &Arc<Object<Report>>, world: &World, now: Now) -> Plan {
        let now = now.wall;
        let owner = report.owner.as_ref();
        let is_gone = owner.is_some_and(|owner| world.get(owner.kind, owner.id).is_none());
        if report.deletion_requested_at.is_some() || is_gone {
            return Plan::write(Write::delete(report, Actor::RECONCILER, "deleted as asked", now));
        }
        if report.status != ReportStatus::Pending {
            return Plan::nothing();
        }
        let mut edit = Edit::of(report, now);
        make(&mut edit, owner, world, now).unwrap_or_else(|illegal| {
            debug_assert!(false, "{illegal}");
        });
        Plan::of(edit)
    }
}

fn make(
    edit: &mut Edit<Report>,
    owner: Option<&OwnerRef>,
    world: &World,
    now: Timestamp,
) -> Result<(), IllegalTransition> {
    let inputs = match owner {
        Some(owner) if owner.kind == KindName::SessionPart => of_part(world, owner),
        Some(owner) => of_session(world, owner),
        None => Err("something that it belongs to".to_owned()),
    };
    let items = match inputs {
        Ok(items) => items,
        Err(missing) => {
            edit.wait_for(WaitReason::Children, &missing, None);
            return Ok(());
        }
    };
    let definition = edit.object.observed.definition.as_ref().map(|one| Arc::clone(&one.spec));
    let observed = &mut edit.object.observed;
    let total = total(&items, definition.as_deref());
    (observed.score, observed.max_score) = total;
    let pass_score = definition.and_then(|definition| definition.pass_score);
    observed.passed = pass_score.map(|wanted| total.0.is_some_and(|score| score >= wanted));
    observed.items = items;
    observed.made_at = Some(now);
    let reason = match total {
        (Some(score), Some(max)) => format!("score {score} of {max}"),
        (Some(score), None) => format!("score {score}"),
        (None, _) => "nothing has a score".to_owned(),
    };
    edit.transition(ReportStatus::Complete, Actor::RECONCILER, reason)?;
    Ok(())
}

/// The results of a part's grading: of each phase that grades, that of its last
/// job.
fn of_part(world: &World, owner: &OwnerRef) -> Result<Vec<ReportItem>, String> {
    let Some(part) = world.table::<SessionPart>().get(owner.id) else { return Ok(Vec::new()) };
    let Some(definition) = &part.observed.definition else { return Ok(Vec::new()) };
    let phases = definition.spec.lifecycle.phases_in(TimedStatus::Grading);
    let mut items = Vec::new();
    for phase in phases.filter(|phase| phase.engine == Engine::Workflow) {
        if !is_graded(part, &phase.name) {
            return Err(format!("phase {} of sessionpart/{}", phase.name, part.name));
        }
        let jobs = world.owned::<Job>(owner.id);
        let last = jobs.filter(|job| job.spec.phase.as_ref() == Some(&phase.name)).last();
        let Some(job) = last else { continue };
        if !job.status.is_over() {
            return Err(format!("job/{}", job.name));
        }
        let result = job.observed.result.as_ref().filter(|_| job.status == JobStatus::Succeeded);
        items.push(ReportItem {
            of: format!("job/{}", job.name),
            score: result.and_then(|result| result.score),
            max_score: result.and_then(|result| result.max_score),
        });
    }
    Ok(items)
}

/// Whether a phase has graded the part: in the grading that is under way, or in
/// the last one. One that is over and was never graded has nothing to wait for.
fn is_graded(part: &Object<SessionPart>, phase: &Name) -> bool {
    let is_over = |run: &PhaseRun| matches!(run.state, PhaseState::Done | PhaseState::Failed);
    match part.status {
        TimedStatus::Grading => part.observed.timed.phase(phase).is_some_and(is_over),
        TimedStatus::Failed | TimedStatus::TearingDown | TimedStatus::Terminated => true,
        _ => part.observed.graded_at.is_some(),
    }
}

/// The report that a part or a session has made of itself, among those that
/// people may have declared for it.
pub(crate) fn own_report<'a, K: Timed>(
    world: &'a World,
    owner: &Object<K>,
) -> Option<&'a Arc<Object<Report>>> {
    K::timed(owner).report.as_ref()?;
    let is_own = |report: &&Arc<Object<Report>>| {
        !report.observed.is_declared && report.deletion_requested_at.is_none()
    };
    world.owned::<Report>(owner.id).find(is_own)
}

/// What an owner of which somebody has all names waits for.
pub(crate) const NO_NAME: &str = "a name for its report: other reports have them all";

/// How many names are tried for a report.
const NAMES_MAX: u32 = 99;

/// The report of a part or a session: `<owner>-report`, with a number if somebody
/// else has that name; none when somebody has all of them.
pub(crate) fn report_of<K: Kind>(
    world: &World,
    owner: &Object<K>,
    definition: Pinned<ReportDefinitionSpec>,
    now: Timestamp,
) -> Option<Object<Report>> {
    let selector = DefinitionSelector::of_type(&definition.type_key);
    let numbered = (2..=NAMES_MAX).map(|number| format!("{}-report-{number}", owner.name));
    let is_free = |name: &Name| world.reports.find(owner.namespace.as_ref(), name).is_none();
    // Admission refuses names of which this would be too long.
    let name = std::iter::once(format!("{}-report", owner.name))
        .chain(numbered)
        .filter_map(|name| Name::new(&name).ok())
        .find(is_free)?;
    let key = ResourceKey::new(KindName::Report, owner.namespace.clone(), name);
    let spec = Arc::new(ReportSpec { definition: selector });
    let mut report = Object::<Report>::new(&key, spec, Actor::RECONCILER, now);
    report.owner = Some(OwnerRef { kind: K::KIND, name: owner.name.clone(), id: owner.id });
    report.observed.definition = Some(definition);
    Some(report)
}

/// The reports of a session's parts, in the order of the parts, once all are over:
/// before that a part may still be graded, and have no report yet.
fn of_session(world: &World, owner: &OwnerRef) -> Result<Vec<ReportItem>, String> {
    let mut parts: Vec<_> = world.owned::<SessionPart>(owner.id).collect();
    if parts.iter().any(|part| part.status != TimedStatus::Terminated) {
        return Err(format!("the parts of session/{} to be over", owner.name));
    }
    parts.sort_by_key(|part| part.spec.order);
    let reports = parts.iter().filter_map(|part| own_report(world, part));
    let mut items = Vec::new();
    for report in reports {
        if report.status == ReportStatus::Pending {
            return Err(format!("report/{}", report.name));
        }
        items.push(ReportItem {
            of: format!("report/{}", report.name),
            score: report.observed.score,
            max_score: report.observed.max_score,
        });
    }
    Ok(items)
}

/// The scores made into one, and the highest possible ones.
fn total(
    items: &[ReportItem],
    definition: Option<&ReportDefinitionSpec>,
) -> (Option<f64>, Option<f64>) {
    let aggregate = definition.map(|definition| definition.aggregate).unwrap_or_default();
    let scored = || items.iter().filter(|item| item.score.is_some());
    let one = |values: Vec<f64>| -> Option<f64> {
        let count = values.len() as f64;
        let all = values.into_iter();
        match aggregate {
            _ if count == 0.0 => None,
            Aggregate::Sum => Some(all.sum()),
            Aggregate::Mean => Some(all.sum::<f64>() / count),
            Aggregate::Min => all.reduce(f64::min),
            Aggregate::Max => all.reduce(f64::max),
        }
    };
    let scores = scored().filter_map(|item| item.score).collect();
    let highest = scored().filter_map(|item| item.max_score).collect();
    (one(scores), one(highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(score: Option<f64>, max_score: Option<f64>) -> ReportItem {
        ReportItem { of: "job/x".to_owned(), score, max_score }
    }

    fn definition(aggregate: &str) -> ReportDefinitionSpec {
        let json = serde_json::json!({"type_key": "r", "version": "1.0.0", "aggregate": aggregate});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn scores_become_one_as_declared() {
        let items =
            [item(Some(10.0), Some(20.0)), item(Some(30.0), Some(40.0)), item(None, Some(99.0))];
        let totals = ["sum", "mean", "min", "max"]
            .map(|aggregate| total(&items, Some(&definition(aggregate))));
        assert_eq!(totals[0], (Some(40.0), Some(60.0)));
        assert_eq!(totals[1], (Some(20.0), Some(30.0)));
        assert_eq!(totals[2], (Some(10.0), Some(20.0)));
        assert_eq!(totals[3], (Some(30.0), Some(40.0)));
        assert_eq!(total(&[], None), (None, None));
    }
}
