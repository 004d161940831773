//! The nodes that one sort of demand may have, with how well each fits.
//!
//! The one idea: like demands come in runs, and between two of them little has changed.
//! So what every candidate is worth is kept, in blocks with the best of each, and only
//! the nodes on which something was set aside or released since are looked at again. The
//! choice is that of a scan of all nodes, to the node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use tessera_types::Uid;

use crate::demand::{Demand, SpreadGroup};
use crate::fleet::NodeAccount;
use crate::score::Score;

/// Candidates of one block, at most.
const BLOCK: usize = 64;

/// Demands that are alike to every node, but for what else runs there.
#[derive(Clone, Debug)]
pub(crate) struct Shape(Demand);

impl Shape {
    pub(crate) fn of(demand: &Demand) -> Self {
        Self(demand.clone())
    }

    fn spread_by(&self) -> Option<&str> {
        self.0.spread.as_ref().map(|group| group.by.as_str())
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        (a.cpu, a.memory, a.executor, a.placement) == (b.cpu, b.memory, b.executor, b.placement)
            && self.spread_by() == other.spread_by()
            && a.ports == b.ports
            && (Arc::ptr_eq(&a.spec, &b.spec) || a.spec.constraints == b.spec.constraints)
    }
}

impl Eq for Shape {}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let demand = &self.0;
        (demand.cpu, demand.memory, demand.executor, demand.placement).hash(state);
        (self.spread_by(), &demand.ports, &demand.spec.constraints).hash(state);
    }
}

/// The nodes that may take a [`Shape`], whether or not they have room now.
#[derive(Debug)]
pub(crate) struct Ranking {
    /// By domain, and in it by identity.
    candidates: Vec<Candidate>,
    place_of: HashMap<Uid, usize>,
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Candidate {
    id: Uid,
    block: usize,
    /// None where it has no room.
    fit: Option<i64>,
}

/// Candidates of one domain: those that share the value of the label that is spread over.
#[derive(Debug)]
struct Block {
    range: Range<usize>,
    domain: Option<Box<str>>,
    best: Option<(i64, Reverse<Uid>)>,
}

impl Ranking {
    pub(crate) fn new(nodes: &BTreeMap<Uid, NodeAccount>, demand: &Demand) -> Self {
        let by = demand.spread.as_ref().map(|group| group.by.as_str());
        let mut domains: BTreeMap<Option<&str>, Vec<Candidate>> = BTreeMap::new();
        for (id, account) in nodes.iter().filter(|(_, account)| account.may_take(demand)) {
            let domain = by.and_then(|by| account.labels.get(by)).map(String::as_str);
            let candidate = Candidate { id: *id, block: 0, fit: account.fit(demand) };
            domains.entry(domain).or_default().push(candidate);
        }
        let mut ranking =
            Self { candidates: Vec::new(), place_of: HashMap::new(), blocks: Vec::new() };
        for (domain, candidates) in domains {
            let mut candidates = candidates.into_iter().peekable();
            while candidates.peek().is_some() {
                ranking.add_block(domain, candidates.by_ref().take(BLOCK));
            }
        }
        ranking
    }

    fn add_block(&mut self, domain: Option<&str>, members: impl Iterator<Item = Candidate>) {
        let (start, block) = (self.candidates.len(), self.blocks.len());
        for member in members {
            self.place_of.insert(member.id, self.candidates.len());
            self.candidates.push(Candidate { block, ..member });
        }
        let range = start..self.candidates.len();
        let best = best_of(&self.candidates[range.clone()]);
        self.blocks.push(Block { range, domain: domain.map(Into::into), best });
    }

    /// Looks again at the nodes on which something has changed.
    pub(crate) fn refresh(
        &mut self,
        changed: &[Uid],
        nodes: &BTreeMap<Uid, NodeAccount>,
        demand: &Demand,
    ) {
        let mut dirty = Vec::new();
        for id in changed {
            let Some(candidate) = self.place_of.get(id).map(|at| &mut self.candidates[*at]) else {
                continue;
            };
            let fit = nodes.get(id).and_then(|account| account.fit(demand));
            if fit != candidate.fit {
                candidate.fit = fit;
                dirty.push(candidate.block);
            }
        }
        dirty.sort_unstable();
        dirty.dedup();
        for block in dirty {
            let block = &mut self.blocks[block];
            block.best = best_of(&self.candidates[block.range.clone()]);
        }
    }

    /// The best node, where `crowd` says how many like workloads a domain has.
    pub(crate) fn best(&self, crowd: impl Fn(Option<&str>) -> u32) -> Option<Uid> {
        let scores = self.blocks.iter().filter_map(|block| {
            let (fit, id) = block.best?;
            Some((Score::new(crowd(block.domain.as_deref()), fit), id))
        });
        scores.max().map(|(_, Reverse(id))| id)
    }
}

fn best_of(members: &[Candidate]) -> Option<(i64, Reverse<Uid>)> {
    members.iter().filter_map(|one| Some((one.fit?, Reverse(one.id)))).max()
}

/// The rankings of the demands that came last.
#[derive(Debug, Default)]
pub(crate) struct Rankings {
    known: HashMap<Shape, Known>,
    /// The nodes on which something has changed, in order.
    touched: Vec<Uid>,
    uses: u64,
}

#[derive(Debug)]
struct Known {
    ranking: Ranking,
    /// How much of what was touched it has looked at.
    seen: usize,
    used: u64,
}

/// Rankings that are kept, at most.
const KNOWN_MAX: usize = 32;
/// Changes that are remembered: with more, it is cheaper to begin anew.
const TOUCHED_MAX: usize = 16_384;

impl Rankings {
    /// Something was set aside on a node, or released.
    pub(crate) fn touch(&mut self, node: Uid) {
        if self.touched.len() >= TOUCHED_MAX {
            self.forget();
        }
        if !self.known.is_empty() {
            self.touched.push(node);
        }
    }

    /// A node came, went, or became another.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.touched.clear();
    }

    /// The ranking for `demand`, as of now.
    pub(crate) fn of(&mut self, demand: &Demand, nodes: &BTreeMap<Uid, NodeAccount>) -> &Ranking {
        let shape = Shape::of(demand);
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&shape) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used);
            if let Some(oldest) = oldest.map(|(shape, _)| shape.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.uses += 1;
        let (used, now) = (self.uses, self.touched.len());
        let known = self.known.entry(shape).or_insert_with(|| Known {
            ranking: Ranking::new(nodes, demand),
            seen: now,
            used,
        });
        known.ranking.refresh(&self.touched[known.seen..], nodes, demand);
        (known.seen, known.used) = (now, used);
        &known.ranking
    }
}

/// How many workloads of a group there are for each value of its label.
pub(crate) fn crowd_of<'a>(
    group: Option<&'a SpreadGroup>,
    domains: &'a HashMap<&str, u32>,
) -> impl Fn(Option<&str>) -> u32 + 'a {
    move |domain| match (group, domain) {
        (None, _) => 0,
        (Some(_), Some(value)) => domains.get(value).copied().unwrap_or(0),
        // Nodes without the label come last.
        (Some(_), None) => u32::MAX,
    }
}
