//! What tasks ask of a node. The tasks of one revision of a service ask the same, so it is worked out once for
//! all that wait.

use skep_model::placement::{Affinity, Strategy};
use skep_model::property::Property;
use skep_model::{ServiceId, Task};

use super::amount::Amount;
use super::load::{HostPort, host_ports};
use super::requirements::Requirements;
use crate::store::Store;

/// What the waiting tasks of a service and revision ask for.
#[derive(Clone, Debug)]
pub struct Demand {
    pub service_id: ServiceId,
    pub amount: Amount,
    pub requirements: Requirements,
    pub ports: Vec<HostPort>,
    /// 0: unlimited.
    pub max_replicas: u64,
    /// Services of which a node must have a task; `None`: there is no such service.
    pub near: Vec<(String, Option<ServiceId>)>,
    /// Services of which a node may have none: named by this one, or naming it.
    pub far: Vec<(String, ServiceId)>,
    /// What to spread over, most significant first.
    pub preferences: Vec<Property>,
}

impl Demand {
    /// Returns what the task asks for, and all others of its revision.
    pub fn of(store: &Store, task: &Task) -> Demand {
        let placement = &task.spec.placement;
        let (near, far) = affinity(store, task);
        Demand {
            service_id: task.service_id,
            amount: Amount::of(&task.spec),
            requirements: Requirements::of(task),
            ports: host_ports(task).collect(),
            max_replicas: placement.max_replicas,
            near,
            far,
            preferences: placement.preferences.iter().filter_map(|text| Property::parse(text)).collect(),
        }
    }

    /// Returns whether it matters which slots have tasks on a node, beside how many tasks there are: then each
    /// task has to be written before there is a choice for the next.
    pub fn counts_slots(&self) -> bool {
        self.max_replicas > 0 || self.far.iter().any(|(_, id)| *id == self.service_id)
    }

    /// Returns whether the fullest node that will do is the best. What reserves nothing has no size by which a
    /// node could be full, and is spread.
    pub fn packs(&self, strategy: Strategy) -> bool {
        strategy == Strategy::Binpack && (self.amount.nano_cpus > 0 || self.amount.memory_bytes > 0)
    }
}

type Near = Vec<(String, Option<ServiceId>)>;
type Far = Vec<(String, ServiceId)>;

/// Returns the services to be near to and those to keep away from. Distance is mutual.
fn affinity(store: &Store, task: &Task) -> (Near, Far) {
    let Some(service) = store.service(task.service_id) else { return Default::default() };
    // What is wrong was refused when it was written.
    let own = Affinity::of(&service.spec.name, &service.spec.labels).unwrap_or_default();
    let id = |name: &str| store.service_named(name).map(|service| service.id);
    let near = own.near.iter().map(|name| (name.clone(), id(name))).collect();
    let named = own.far.iter().filter_map(|name| Some((name.clone(), id(name)?)));
    let mut far: Far = named.collect();
    for other in store.services_keeping_away_from(&service.spec.name) {
        if far.iter().all(|(_, id)| *id != other.id) {
            far.push((other.spec.name.clone(), other.id));
        }
    }
    (near, far)
}
