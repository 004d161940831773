//! The order of steps: what needs what.

use std::collections::HashMap;

use tessera_types::{Invalid, Name, nearest};

use crate::resolve::ResolvedStep;

/// For each step the places of those that it needs.
///
/// # Errors
/// Names that are there twice, needs that are not there, and each circle once.
pub(crate) fn edges(steps: &[ResolvedStep]) -> Result<Vec<Vec<usize>>, Vec<Invalid>> {
    let mut problems = Vec::new();
    let mut places: HashMap<&Name, usize> = HashMap::new();
    for (place, step) in steps.iter().enumerate() {
        if places.insert(&step.spec.name, place).is_some() {
            let message = format!("there is another step `{}`: names differ", step.spec.name);
            problems.push(Invalid::new(&step.path(""), message));
        }
    }
    let mut edges = Vec::with_capacity(steps.len());
    for step in steps {
        let mut needs = Vec::with_capacity(step.spec.needs.len());
        for need in &step.spec.needs {
            match places.get(need) {
                Some(place) => needs.push(*place),
                None => {
                    problems.push(Invalid::new(&step.path("needs"), no_need(step, need, steps)));
                }
            }
        }
        edges.push(needs);
    }
    if let Some(circle) = circle(&edges) {
        let names: Vec<&str> = circle.iter().map(|at| steps[*at].spec.name.as_str()).collect();
        let message = format!("these steps need each other: {} → {}", names.join(" → "), names[0]);
        problems.push(Invalid::new(&steps[circle[0]].path("needs"), message));
    }
    if problems.is_empty() { Ok(edges) } else { Err(problems) }
}

fn no_need(step: &ResolvedStep, need: &Name, steps: &[ResolvedStep]) -> String {
    let message =
        format!("step {} needs `{need}`, which is no step of this pipeline", step.spec.name);
    let names = steps.iter().map(|it| it.spec.name.as_str());
    match nearest(need.as_str(), names.filter(|it| *it != step.spec.name.as_str())) {
        Some(near) => format!("{message}: did you mean `{near}`?"),
        None => message,
    }
}

/// A circle, if there is one, in the order in which each needs the next.
fn circle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut left: Vec<bool> = vec![true; edges.len()];
    // Takes away what needs nothing that is left, until nothing changes.
    loop {
        let free = |at: &usize| left[*at] && edges[*at].iter().all(|need| !left[*need]);
        let Some(at) = (0..edges.len()).find(free) else { break };
        left[at] = false;
    }
    let mut at = left.iter().position(|left| *left)?;
    let mut way = Vec::new();
    // Everything left needs something that is left: going there comes back sometime.
    loop {
        if let Some(start) = way.iter().position(|seen| *seen == at) {
            return Some(way.split_off(start));
        }
        way.push(at);
        at = *edges[at].iter().find(|need| left[**need])?;
    }
}
