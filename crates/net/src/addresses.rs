//! Which address of a subnet goes to the next task.
//!
//! Serial: each lease continues behind the one before, so an address that was just released comes back
//! as late as possible. Peers still hold its neighbour entry and its connections for a while. No input
//! or output: the agent persists its leases, and after a restart rebuilds the pool with [`Pool::reserve`]
//! and [`Pool::resume_after`].

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::subnet::Subnet;

/// The addresses of one subnet, and which of them are in use.
#[derive(Debug, Clone)]
pub struct Pool {
    subnet: Subnet,
    /// Invariant: every member is assignable in `subnet`.
    taken: BTreeSet<u32>,
    /// The address leased last; the search for the next one starts behind it.
    last: u32,
}

/// Why the pool cannot hand out an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Every assignable address is leased.
    #[error("all {in_use} addresses of the subnet {subnet} are in use")]
    Exhausted { subnet: Subnet, in_use: usize },
    /// The address is not one a task of this subnet may have.
    #[error("the address {address} cannot be given to a task of the subnet {subnet}")]
    NotAssignable { address: Ipv4Addr, subnet: Subnet },
    /// The address is leased already.
    #[error("the address {address} is in use")]
    Taken { address: Ipv4Addr },
}

impl Pool {
    /// Returns a pool in which every address but network, broadcast and gateway is free.
    pub fn new(subnet: Subnet) -> Self {
        Self { subnet, taken: BTreeSet::new(), last: u32::from(subnet.network()) }
    }

    /// Takes the next free address behind the one leased last, starting over at the end of the subnet.
    pub fn lease(&mut self) -> Result<Ipv4Addr, PoolError> {
        let first = u32::from(self.subnet.network()) + 1;
        let end = u32::from(self.subnet.broadcast());
        let free = self
            .first_free(self.last + 1, end)
            .or_else(|| self.first_free(first, self.last + 1))
            .ok_or(PoolError::Exhausted { subnet: self.subnet, in_use: self.taken.len() })?;
        self.taken.insert(free);
        self.last = free;
        Ok(Ipv4Addr::from(free))
    }

    /// Takes this very address: a lease read back from disk, or one found in the kernel.
    pub fn reserve(&mut self, address: Ipv4Addr) -> Result<(), PoolError> {
        if !self.subnet.assignable(address) {
            return Err(PoolError::NotAssignable { address, subnet: self.subnet });
        }
        if !self.taken.insert(u32::from(address)) {
            return Err(PoolError::Taken { address });
        }
        Ok(())
    }

    /// Gives the address back; says whether it was in use.
    pub fn release(&mut self, address: Ipv4Addr) -> bool {
        self.taken.remove(&u32::from(address))
    }

    /// Continues behind `address` instead of at the start; an address of another subnet is ignored,
    /// because the configuration may have changed since it was written down.
    pub fn resume_after(&mut self, address: Ipv4Addr) {
        if self.subnet.assignable(address) {
            self.last = u32::from(address);
        }
    }

    /// The address leased last, to be persisted for [`Pool::resume_after`].
    pub fn last(&self) -> Option<Ipv4Addr> {
        (self.last != u32::from(self.subnet.network())).then(|| Ipv4Addr::from(self.last))
    }

    /// How many addresses are in use.
    pub fn in_use(&self) -> usize {
        self.taken.len()
    }

    /// How many addresses tasks can have at the same time.
    pub fn capacity(&self) -> usize {
        // Network, broadcast and gateway are never leased.
        (u32::from(self.subnet.broadcast()) - u32::from(self.subnet.network())) as usize - 2
    }

    /// Walks the taken addresses in order beside the candidates: at most one step per taken address.
    fn first_free(&self, from: u32, end: u32) -> Option<u32> {
        let gateway = u32::from(self.subnet.gateway());
        let mut candidate = from;
        let mut taken = self.taken.range(from..end.max(from)).peekable();
        while candidate < end {
            if taken.peek() == Some(&&candidate) {
                taken.next();
            } else if candidate != gateway {
                return Some(candidate);
            }
            candidate += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(subnet: &str) -> Pool {
        Pool::new(subnet.parse().unwrap())
    }

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn leases_are_serial_and_skip_the_gateway() {
        let mut pool = pool("10.0.0.2/29");
        let leased: Vec<_> = (0..pool.capacity()).map(|_| pool.lease().unwrap().to_string()).collect();
        assert_eq!(leased, ["10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        assert_eq!(
            pool.lease().unwrap_err().to_string(),
            "all 5 addresses of the subnet 10.0.0.0/29 are in use"
        );
    }

    #[test]
    fn a_released_address_comes_back_last() {
        let mut pool = pool("10.0.0.1/29");
        let first = pool.lease().unwrap();
        assert!(pool.release(first));
        assert!(!pool.release(first));
        let later: Vec<_> = (0..5).map(|_| pool.lease().unwrap()).collect();
        assert_eq!(later.last(), Some(&first));
        assert!(later[..4].iter().all(|address| *address != first));
    }

    #[test]
    fn reserved_addresses_are_never_leased() {
        let mut pool = pool("10.0.0.1/29");
        pool.reserve(ip("10.0.0.3")).unwrap();
        assert_eq!(pool.reserve(ip("10.0.0.3")), Err(PoolError::Taken { address: ip("10.0.0.3") }));
        for wrong in ["10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.1.3"] {
            assert!(matches!(pool.reserve(ip(wrong)), Err(PoolError::NotAssignable { .. })), "{wrong}");
        }
        let leased: Vec<_> = (0..4).map(|_| pool.lease().unwrap().to_string()).collect();
        assert_eq!(leased, ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
    }

    #[test]
    fn a_rebuilt_pool_continues_where_the_old_one_stood() {
        let mut before = pool("10.0.0.1/24");
        assert_eq!(before.last(), None);
        let kept = before.lease().unwrap();
        let gone = before.lease().unwrap();
        before.release(gone);

        let mut after = pool("10.0.0.1/24");
        after.reserve(kept).unwrap();
        after.resume_after(before.last().unwrap());
        after.resume_after(ip("192.0.2.1"));
        assert_eq!(after.lease().unwrap(), ip("10.0.0.4"));
        assert_eq!(after.in_use(), 2);
    }

    #[test]
    fn a_full_large_subnet_answers_without_delay() {
        let mut pool = pool("172.31.0.1/16");
        assert_eq!(pool.capacity(), 65_533);
        for _ in 0..2_000 {
            pool.lease().unwrap();
        }
        pool.resume_after(ip("172.31.255.254"));
        assert_eq!(pool.lease().unwrap(), ip("172.31.7.210"));
    }
}
