//! Seeded choices. Each purpose has its own dice, so that one more throw in one place does not change
//! every other place.

use std::time::Duration;

use skep_core::random::Random;

/// A seeded source of choices.
#[derive(Clone, Debug)]
pub struct Dice(Random);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(Random::new(seed))
    }

    /// Returns dice of their own for one purpose.
    pub fn child(&mut self) -> Dice {
        Dice::new(self.0.next())
    }

    /// Returns any number, for a seed.
    pub fn seed(&mut self) -> u64 {
        self.0.next()
    }

    /// Returns a number from `low` to `high`, both included.
    pub fn number(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high - low + 1)
    }

    /// Returns true in this many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// Returns a duration from `low` to `high`, in milliseconds.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.number(low, high))
    }

    /// Returns one of the choices, of which there must be at least one.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.number(0, choices.len() as u64 - 1) as usize]
    }

    /// Draws an identifier.
    pub fn id<T: skep_model::Id>(&mut self) -> T {
        self.0.id()
    }
}
