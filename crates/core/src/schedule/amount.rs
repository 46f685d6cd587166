//! What can be reserved of a node: CPUs, memory, and whatever operators count under a name of their own.

use std::collections::BTreeMap;

use skep_model::TaskSpec;
use skep_model::node::NodeDescription;

/// So much of each resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Billionths of a CPU.
    pub nano_cpus: i64,
    /// Bytes.
    pub memory_bytes: i64,
    /// Units by kind; none is zero.
    pub generic: BTreeMap<String, i64>,
}

impl Amount {
    /// Returns what a task reserves.
    pub fn of(spec: &TaskSpec) -> Amount {
        let Some(kept) = &spec.resources.reservations else { return Amount::default() };
        let generic = kept.generic.iter().filter(|(_, units)| **units != 0);
        Amount {
            nano_cpus: kept.nano_cpus,
            memory_bytes: kept.memory_bytes,
            generic: generic.map(|(kind, units)| (kind.clone(), *units)).collect(),
        }
    }

    /// Returns what a node has in all.
    pub fn offered(node: &NodeDescription) -> Amount {
        Amount { nano_cpus: node.nano_cpus, memory_bytes: node.memory_bytes, generic: node.generic.clone() }
    }

    pub fn is_nothing(&self) -> bool {
        self.nano_cpus == 0 && self.memory_bytes == 0 && self.generic.is_empty()
    }

    pub fn add(&mut self, other: &Amount) {
        self.combine(other, i64::saturating_add);
    }

    pub fn subtract(&mut self, other: &Amount) {
        self.combine(other, i64::saturating_sub);
    }

    /// Raises each resource to the other's, where that is more.
    pub fn raise(&mut self, other: &Amount) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Amount, f: impl Fn(i64, i64) -> i64) {
        self.nano_cpus = f(self.nano_cpus, other.nano_cpus);
        self.memory_bytes = f(self.memory_bytes, other.memory_bytes);
        for (kind, units) in &other.generic {
            let sum = self.generic.entry(kind.clone()).or_default();
            *sum = f(*sum, *units);
            if *sum == 0 {
                self.generic.remove(kind);
            }
        }
    }
}
