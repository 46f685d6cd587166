//! When to look at what again: the deadlines of services and of their slots.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::task::SlotId;
use skep_model::{ServiceId, Timestamp};

use crate::store::Scope;

/// The place of a deadline: a slot, or a service as a whole.
type Place = (ServiceId, Option<SlotId>);

/// Deadlines, at most one per place, and what waits for others. Nothing here is stored: whoever plans a place sets its
/// deadline, and a new leader plans all of them.
#[derive(Debug, Default)]
pub struct Agenda {
    /// Slots to look at whenever their service is, because they wait for what others of it spend or free.
    held: BTreeMap<ServiceId, BTreeSet<SlotId>>,
    by_place: BTreeMap<Place, Timestamp>,
    by_time: BTreeSet<(Timestamp, Place)>,
}

impl Agenda {
    /// Sets or clears the deadline of a place.
    pub fn set(&mut self, id: ServiceId, slot: Option<SlotId>, at: Option<Timestamp>) {
        let place = (id, slot);
        let before = match at {
            Some(at) => self.by_place.insert(place, at),
            None => self.by_place.remove(&place),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, place));
        }
        if let Some(at) = at {
            self.by_time.insert((at, place));
        }
    }

    /// Sets which slots of a service are to be looked at whenever it is.
    pub fn hold(&mut self, id: ServiceId, slots: BTreeSet<SlotId>) {
        match slots.is_empty() {
            true => drop(self.held.remove(&id)),
            false => drop(self.held.insert(id, slots)),
        }
    }

    /// Returns the slots of a service that are to be looked at whenever it is.
    pub fn held(&self, id: ServiceId) -> impl Iterator<Item = SlotId> {
        self.held.get(&id).into_iter().flatten().copied()
    }

    /// Forgets all deadlines of a service, and what waits in it.
    pub fn forget(&mut self, id: ServiceId) {
        self.held.remove(&id);
        let of_service = self.by_place.range((id, None)..).take_while(|((of, _), _)| *of == id);
        let places: Vec<Place> = of_service.map(|(place, _)| *place).collect();
        for (id, slot) in places {
            self.set(id, slot, None);
        }
    }

    /// Returns where deadlines have come, and forgets these.
    pub fn take_due(&mut self, now: Timestamp) -> BTreeMap<ServiceId, Scope> {
        let mut due: BTreeMap<ServiceId, Scope> = BTreeMap::new();
        while let Some((_, (id, slot))) = self.by_time.first().filter(|(at, _)| *at <= now).copied() {
            self.set(id, slot, None);
            due.entry(id).or_default().add(slot.map(Scope::slot).unwrap_or_default());
        }
        due
    }

    /// Returns the earliest deadline.
    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
