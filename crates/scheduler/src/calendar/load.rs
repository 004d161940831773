//! Amounts in every dimension, as numbers that can be added up.

use std::fmt;
use std::sync::Arc;

use tessera_types::host::{Amounts, HostDemand, is_node_port};
use tessera_types::{Bytes, Millicores};

/// One sort of thing that a host has a limited amount of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Processor time, in millicores.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// A counted thing, by its name.
    Counted(Arc<str>),
    /// Ports.
    Ports,
}

impl Dimension {
    /// Whether it is a port that each node has.
    pub(super) fn is_node_port(&self) -> bool {
        matches!(self, Self::Counted(name) if is_node_port(name))
    }

    /// An amount of it, with its unit.
    #[must_use]
    pub fn amount(&self, amount: u128) -> String {
        let narrow = u64::try_from(amount).unwrap_or(u64::MAX);
        match self {
            Self::Cpu => Millicores(narrow).to_string(),
            Self::Memory => Bytes(narrow).to_string(),
            Self::Counted(_) | Self::Ports => amount.to_string(),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Memory => f.write_str("memory"),
            Self::Counted(name) => f.write_str(name),
            Self::Ports => f.write_str("ports"),
        }
    }
}

/// An amount by index of dimension. Wide enough that no sum of holds overflows,
/// so that what was added can always be taken away again exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Load(Vec<u128>);

const CPU: usize = 0;
const MEMORY: usize = 1;
/// How many ports are held. Only for pictures and scores: whether ports are
/// free is a question about a window.
pub(super) const PORTS: usize = 2;
const COUNTED: usize = 3;

pub(super) static NOTHING: Load = Load(Vec::new());

impl Load {
    pub(super) fn at(&self, index: usize) -> u128 {
        self.0.get(index).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (mine, more) in self.0.iter_mut().zip(&other.0) {
            *mine += more;
        }
    }

    /// Takes away what was added before.
    pub(super) fn remove(&mut self, other: &Self) {
        for (mine, less) in self.0.iter_mut().zip(&other.0) {
            *mine -= less;
        }
    }

    /// The indexes at which it is not zero.
    pub(super) fn present(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().filter(|(_, amount)| **amount > 0).map(|(index, _)| index)
    }
}

/// Which index stands for which counted thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Dimensions(Vec<Arc<str>>);

impl Dimensions {
    /// How many dimensions there are.
    pub(super) fn len(&self) -> usize {
        COUNTED + self.0.len()
    }

    /// The load of `amounts` and so many ports; names that are new get an index.
    pub(super) fn load(&mut self, amounts: &Amounts, ports: usize) -> Load {
        let mut load = vec![u128::from(amounts.cpu.0), u128::from(amounts.memory.0), ports as u128];
        for (name, amount) in &amounts.counted {
            let index = self.find(name).unwrap_or_else(|| {
                self.0.push(Arc::from(name.as_str()));
                self.len() - 1
            });
            load.resize(load.len().max(index + 1), 0);
            load[index] = u128::from(*amount);
        }
        Load(load)
    }

    /// The indexes and amounts of what `demand` takes of but ports, in the order in which
    /// people read them. The index is none where nobody has or holds such things.
    pub(super) fn demanded(&self, demand: &HostDemand) -> Vec<(Dimension, Option<usize>, u128)> {
        let counted = demand.counted.iter().map(|(name, amount)| {
            let index = self.find(name);
            let dimension = match index {
                Some(index) => self.dimension(index),
                None => Dimension::Counted(Arc::from(name.as_str())),
            };
            (dimension, index, u128::from(*amount))
        });
        [
            (Dimension::Cpu, Some(CPU), u128::from(demand.cpu.0)),
            (Dimension::Memory, Some(MEMORY), u128::from(demand.memory.0)),
        ]
        .into_iter()
        .chain(counted)
        .filter(|(_, _, amount)| *amount > 0)
        .collect()
    }

    /// The amounts of `load`. A sum that no longer fits its type is shown as the
    /// largest number that does.
    pub(super) fn amounts(&self, load: &Load) -> Amounts {
        let narrow = |index| u64::try_from(load.at(index)).unwrap_or(u64::MAX);
        let counted = self.0.iter().enumerate().filter_map(|(place, name)| {
            let amount = narrow(COUNTED + place);
            (amount > 0).then(|| (name.to_string(), amount))
        });
        Amounts {
            cpu: Millicores(narrow(CPU)),
            memory: Bytes(narrow(MEMORY)),
            counted: counted.collect(),
        }
    }

    pub(super) fn dimension(&self, index: usize) -> Dimension {
        match index {
            CPU => Dimension::Cpu,
            MEMORY => Dimension::Memory,
            PORTS => Dimension::Ports,
            _ => Dimension::Counted(Arc::clone(&self.0[index - COUNTED])),
        }
    }

    pub(super) fn is_node_port(&self, index: usize) -> bool {
        let name = index.checked_sub(COUNTED).and_then(|place| self.0.get(place));
        name.is_some_and(|name| is_node_port(name))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| **known == *name).map(|place| COUNTED + place)
    }
}
