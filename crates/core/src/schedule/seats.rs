//! A table with numbered seats: what is looked up with every placement is found by a small number, without a search.

use std::collections::BTreeMap;

/// Where an entry stands in its table, while it is there. A seat that was left is given to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(u32);

/// The table.
#[derive(Debug)]
pub struct Seats<K, V> {
    // Invariant: `by_key` names the seats that are taken, `free` the others.
    taken: Vec<Option<V>>,
    by_key: BTreeMap<K, Seat>,
    free: Vec<Seat>,
}

impl Seat {
    /// The seat in a table of one.
    pub const ONLY: Seat = Seat(0);

    pub fn number(self) -> u32 {
        self.0
    }

    pub fn from_number(number: u32) -> Seat {
        Seat(number)
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl<K, V> Default for Seats<K, V> {
    fn default() -> Self {
        Seats { taken: Vec::new(), by_key: BTreeMap::new(), free: Vec::new() }
    }
}

impl<K: Ord + Copy, V> Seats<K, V> {
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns the entries in the order of their seats.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.taken.iter().flatten()
    }

    pub fn seat(&self, key: K) -> Option<Seat> {
        self.by_key.get(&key).copied()
    }

    pub fn at(&self, seat: Seat) -> Option<&V> {
        self.taken.get(seat.index())?.as_ref()
    }

    pub fn at_mut(&mut self, seat: Seat) -> Option<&mut V> {
        self.taken.get_mut(seat.index())?.as_mut()
    }

    /// Returns the seat of a key; what has none gets one.
    pub fn seat_or_add(&mut self, key: K, make: impl FnOnce(Seat) -> V) -> Seat {
        if let Some(seat) = self.seat(key) {
            return seat;
        }
        let seat = self.free.pop().unwrap_or_else(|| {
            self.taken.push(None);
            Seat(
                u32::try_from(self.taken.len() - 1)
                    .expect("a cluster has fewer entries than there are numbers"),
            )
        });
        self.by_key.insert(key, seat);
        self.taken[seat.index()] = Some(make(seat));
        seat
    }

    /// Takes away the entries that are not to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        self.by_key.retain(|_, seat| {
            let place = &mut self.taken[seat.index()];
            let is_kept = place.as_mut().is_some_and(&mut keep);
            if !is_kept {
                *place = None;
                self.free.push(*seat);
            }
            is_kept
        });
    }

    /// Takes an entry away.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let seat = self.by_key.remove(&key)?;
        self.free.push(seat);
        self.taken[seat.index()].take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_kept_until_it_is_left_and_then_given_away() {
        let mut seats = Seats::default();
        let a = seats.seat_or_add("a", |seat| ("a", seat));
        let b = seats.seat_or_add("b", |seat| ("b", seat));
        assert_eq!(seats.seat_or_add("a", |_| panic!("it has a seat")), a);
        assert_eq!((seats.at(b), seats.len()), (Some(&("b", b)), 2));

        assert_eq!(seats.remove("a"), Some(("a", a)));
        assert_eq!((seats.at(a), seats.seat("a")), (None, None));
        assert_eq!(seats.remove("a"), None);
        let c = seats.seat_or_add("c", |seat| ("c", seat));
        assert_eq!((c, seats.at(c)), (a, Some(&("c", a))));
        assert_eq!(seats.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["c", "b"]);
    }

    #[test]
    fn what_is_not_retained_leaves_its_seat() {
        let mut seats = Seats::default();
        let taken: Vec<Seat> = (0..4).map(|key| seats.seat_or_add(key, |_| key)).collect();
        seats.retain(|key| {
            *key += 10;
            *key % 2 == 0
        });
        assert_eq!(
            taken.iter().map(|seat| seats.at(*seat).copied()).collect::<Vec<_>>(),
            [Some(10), None, Some(12), None]
        );
        assert_eq!((seats.len(), seats.seat(1)), (2, None));
        let later: Vec<Seat> = (4..7).map(|key| seats.seat_or_add(key, |_| key)).collect();
        assert_eq!(later, [taken[3], taken[1], Seat(4)]);
    }
}
