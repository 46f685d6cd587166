//! A small deterministic generator. The shell seeds it from the system's entropy, the simulator from
//! its own seed; what it draws enters the store as data.

use skep_model::Id;

/// SplitMix64 (Steele, Lea and Flood, 2014): one word of state, full period, good enough for ids and
/// jitter, not for keys.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// Returns the next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so `Option` would only be in the way")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, which must not be zero. The bias is below 2⁻³² for small bounds.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Draws an identifier.
    pub fn id<T: Id>(&mut self) -> T {
        T::from_number((u128::from(self.next()) << 64) | u128::from(self.next()))
    }
}
