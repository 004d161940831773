//! Tasks that no run can come to.

use std::collections::BTreeMap;

use tessera_manifest::{Node, quoted};

use super::reader::Reader;
use crate::definition::{Flow, Kind, Task};

impl<'d> Reader<'d> {
    /// Warns of the tasks of a list that nothing leads to.
    pub(super) fn warn_of_unreachable(&mut self, node: &'d Node, tasks: &[std::sync::Arc<Task>]) {
        let at: BTreeMap<&str, usize> =
            tasks.iter().enumerate().map(|(index, task)| (&*task.name, index)).collect();
        let mut reached = vec![false; tasks.len()];
        let mut open = vec![0];
        while let Some(index) = open.pop() {
            let Some(seen) = reached.get_mut(index).filter(|seen| !**seen) else { continue };
            *seen = true;
            let next = ways(&tasks[index]).into_iter().filter_map(|flow| match flow {
                Flow::Continue => Some(index + 1),
                Flow::Exit | Flow::End => None,
                Flow::Task(name) => at.get(&**name).copied(),
            });
            open.extend(next);
        }
        let unreached = node.elements().iter().zip(&reached).filter(|(_, reached)| !**reached);
        for (node, _) in unreached {
            let Some(entry) = node.entries().first() else { continue };
            let message = format!("no run comes to the task {}", quoted(&entry.key));
            let hint = "let a `then` lead to it, or remove it";
            self.warn(node, Some(entry.key_span), super::code::UNREACHABLE, message, hint);
        }
    }
}

/// The ways out of a task to others of its list. One that is skipped by its `if` is followed by
/// the next, whatever its `then` says.
fn ways(task: &Task) -> Vec<&Flow> {
    const NEXT: &Flow = &Flow::Continue;
    let mut ways = Vec::new();
    if task.condition.is_some() {
        ways.push(NEXT);
    }
    match &task.kind {
        Kind::Raise(_) => {}
        Kind::Switch(cases) => {
            ways.extend(cases.iter().map(|case| &case.then));
            if cases.iter().all(|case| case.when.is_some()) {
                ways.push(&task.then);
            }
        }
        Kind::Try(it) => {
            ways.push(&task.then);
            ways.extend(&it.catch.then);
        }
        _ => ways.push(&task.then),
    }
    ways
}
