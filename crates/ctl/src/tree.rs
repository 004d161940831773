//! Owner trees: a session with its parts, their pods, the pods' workloads, jobs and
//! reports.
//!
//! The one idea: children are found by the identity of their owner, never by their
//! name, so what was made again under an old name is not mistaken for the old.

use std::collections::BTreeMap;

use tessera_client::{Api, Error};
use tessera_types::timed::{Timed, Timeslot};
use tessera_types::{
    Host, KindName, Name, Object, Pod, Resource, Session, SessionPart, Timestamp, Uid, with_object,
};

use crate::kinds::{ListOptions, list_all};

/// The kinds that own others or are owned.
pub(crate) const KINDS: [KindName; 6] = [
    KindName::Session,
    KindName::SessionPart,
    KindName::Pod,
    KindName::Workload,
    KindName::Job,
    KindName::Report,
];

/// What belongs to what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    children: BTreeMap<Uid, Vec<Resource>>,
}

/// A resource in its place in a tree.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// The lines that lead to it: `│  ├─ `.
    pub(crate) lines: String,
    /// The resource.
    pub(crate) resource: Resource,
}

/// All of the kinds of trees that match.
async fn list(api: &Api, options: &ListOptions) -> Result<Vec<Resource>, Error> {
    let mut resources = Vec::new();
    for kind in KINDS {
        resources.extend(list_all(api, kind, options.clone()).await?.0);
    }
    Ok(resources)
}

impl Tree {
    /// The trees among these resources.
    pub(crate) fn of(resources: impl IntoIterator<Item = Resource>) -> Self {
        let mut tree = Self::default();
        for resource in resources {
            if let Some(owner) = resource.owner() {
                tree.children.entry(owner.id).or_default().push(resource);
            }
        }
        for children in tree.children.values_mut() {
            children.sort_by_key(place);
        }
        tree
    }

    /// All that can be in a tree of a namespace, or of all.
    pub(crate) async fn fetch(api: &Api, namespace: Option<&Name>) -> Result<Self, Error> {
        let options = ListOptions { namespace: namespace.cloned(), ..ListOptions::default() };
        Ok(Self::of(list(api, &options).await?))
    }

    /// All that belongs to `roots`.
    pub(crate) async fn below(api: &Api, roots: &[Resource]) -> Result<Self, Error> {
        let mut resources = Vec::new();
        for root in roots {
            let options = ListOptions { owner: Some(root.id()), ..ListOptions::default() };
            resources.extend(list(api, &options).await?);
        }
        Ok(Self::of(resources))
    }

    /// What belongs to a resource itself, in order.
    pub(crate) fn children(&self, id: Uid) -> &[Resource] {
        self.children.get(&id).map_or(&[], Vec::as_slice)
    }

    /// A resource with all that belongs to it, from the top down.
    pub(crate) fn walk(&self, root: &Resource) -> Vec<Branch> {
        let mut branches = vec![Branch { lines: String::new(), resource: root.clone() }];
        self.descend(root.id(), "", &mut branches);
        branches
    }

    fn descend(&self, id: Uid, lines: &str, branches: &mut Vec<Branch>) {
        let children = self.children(id);
        for (at, child) in children.iter().enumerate() {
            let is_last = at + 1 == children.len();
            let (here, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            branches.push(Branch { lines: format!("{lines}{here}"), resource: child.clone() });
            self.descend(child.id(), &format!("{lines}{below}"), branches);
        }
    }
}

/// The place of a resource among its siblings: parts by their order, and then by
/// kind, start and name.
fn place(resource: &Resource) -> (u32, KindName, Timestamp, Name) {
    let order = match resource {
        Resource::SessionPart(part) => part.spec.order,
        _ => u32::MAX,
    };
    let start = slot_of(resource).map_or_else(|| created_at(resource), |slot| slot.start);
    (order, resource.kind(), start, resource.name().clone())
}

fn created_at(resource: &Resource) -> Timestamp {
    with_object!(resource, object => object.created_at)
}

/// The window of a timed resource, as far as it is known.
pub(crate) fn slot_of(resource: &Resource) -> Option<Timeslot> {
    fn of<K: Timed>(object: &Object<K>) -> Option<Timeslot> {
        K::timed(object).timeslot
    }
    match resource {
        Resource::Session(it) => of::<Session>(it),
        Resource::SessionPart(it) => of::<SessionPart>(it),
        Resource::Pod(it) => of::<Pod>(it),
        Resource::Host(it) => of::<Host>(it),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn drawn(root: &Resource, resources: Vec<Resource>) -> String {
        let line = |branch: Branch| format!("{}{}\n", branch.lines, branch.resource.name());
        Tree::of(resources).walk(root).into_iter().map(line).collect()
    }

    #[test]
    fn parts_stand_in_their_order_and_below_each_what_it_has() {
        let expected = "\
exam-1
├─ exam-1-theory
│  ├─ exam-1-theory-grade-1
│  └─ exam-1-theory-report
└─ exam-1-lab
   └─ exam-1-lab-desk
      └─ exam-1-lab-desk-web
";
        let session = fixture::session();
        assert_eq!(drawn(&session, fixture::exam()), expected);
        let mut reversed = fixture::exam();
        reversed.reverse();
        assert_eq!(drawn(&session, reversed), expected);
    }

    #[test]
    fn what_belongs_to_an_earlier_resource_of_the_same_name_is_left_out() {
        let again = fixture::made(
            "Session",
            "exam-1",
            99,
            &serde_json::json!({
                "spec": {"definition": {"type_key": "exam"}, "timeslot": {"start": "2026-05-01T08:59:00Z"}},
                "desired_status": "Active", "status": "Pending",
            }),
        );
        assert_eq!(drawn(&again, fixture::exam()), "exam-1\n");
    }
}
