//! What a seed means: how large the cluster is, how long and how badly it is treated.

use std::time::Duration;

use crate::dice::Dice;

/// The parameters of one run, all drawn from its seed.
#[derive(Clone, Debug)]
pub struct Profile {
    pub node_count: u64,
    pub manager_count: u64,
    /// Largest difference between the clocks of two managers.
    pub manager_skew_max: Duration,
    /// Share of proposals that their leader does not outlive for long, in percent.
    pub fickle_percent: u64,
    /// Share of elections at which a node joins, in percent.
    pub join_percent: u64,
    pub service_count_max: u64,
    /// How long requests and faults go on before the quiet phase.
    pub turbulent_for: Duration,
    /// Average pause between two requests.
    pub request_every: Duration,
    /// Average pause between two faults; `None`: a run without any.
    pub fault_every: Option<Duration>,
    pub network: Network,
    /// Longest time from a proposal to its commit, in milliseconds.
    pub commit_millis_max: u64,
    /// Share of proposals that are dropped while the leader stays, in percent.
    pub drop_percent: u64,
    /// Share of engine operations that fail although the image is good, in percent.
    pub engine_fault_percent: u64,
    /// Nodes have room for few tasks with reservations.
    pub is_tight: bool,
    /// Largest difference between the clocks of a node and of the leader.
    pub clock_skew_max: Duration,
    /// One node stays dead in the quiet phase, if there are others.
    pub loses_a_node: bool,
    pub dice: Dice,
    /// Drains go on in the quiet phase, on all nodes but one.
    pub keeps_drains: bool,
}

/// How messages between nodes and the leader fare.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub millis_max: u64,
    pub loss_percent: u64,
    pub repeat_percent: u64,
}

impl Network {
    /// A network that only takes its time.
    pub const QUIET: Network = Network { millis_max: 20, loss_percent: 0, repeat_percent: 0 };
}

impl Profile {
    /// Returns what this seed stands for.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed_0f5e_e9b3_e575);
        // Some runs are calm: what they break, they break without excuse.
        let is_calm = dice.chance(20);
        let is_rough = !is_calm && dice.chance(40);
        let network = match () {
            () if is_calm => Network::QUIET,
            // Some answers come so late that the question was asked anew.
            () if is_rough && dice.chance(30) => {
                Network { millis_max: 5_000, loss_percent: 3, repeat_percent: 20 }
            }
            () if is_rough => Network { millis_max: 1_500, loss_percent: 8, repeat_percent: 8 },
            () => Network { millis_max: 200, loss_percent: 1, repeat_percent: 1 },
        };
        Profile {
            node_count: node_count(&mut dice),
            manager_count: dice.pick(&[1, 1, 3, 3, 5]),
            // Managers without a common time are rare, and differ by more than any pause there is.
            manager_skew_max: dice.millis(0, 1_500) * dice.pick(&[0, 1, 1, 1, 1, 20]),
            fickle_percent: if is_calm { 0 } else { fickle_percent(&mut dice) },
            join_percent: if is_calm { 0 } else { dice.pick(&[0, 0, 20]) },
            service_count_max: dice.number(1, 3),
            turbulent_for: dice.millis(40_000, 160_000),
            request_every: dice.millis(2_000, 20_000),
            fault_every: (!is_calm).then(|| dice.millis(3_000, 30_000)),
            network,
            commit_millis_max: dice.pick(&[1, 20, 400]),
            drop_percent: if is_rough { 3 } else { 0 },
            engine_fault_percent: if is_calm { 0 } else { dice.pick(&[0, 2, 10]) },
            is_tight: dice.chance(25),
            clock_skew_max: dice.millis(0, 1) * 20_000,
            loses_a_node: !is_calm && dice.chance(25),
            dice: dice.child(),
            keeps_drains: dice.chance(30),
        }
    }
}

/// Draws how many proposals cost their leader its office. A few runs see hardly anything else.
fn fickle_percent(dice: &mut Dice) -> u64 {
    match dice.number(0, 99) {
        0..=44 => 0,
        45..=69 => 2,
        70..=96 => 15,
        _ => 60,
    }
}

/// Draws the size of the cluster. Small ones find most, in a fraction of the time; a few large ones have to
/// be there for what small ones cannot show.
fn node_count(dice: &mut Dice) -> u64 {
    match dice.number(0, 99) {
        0..=79 => dice.number(1, 5),
        80..=96 => dice.number(6, 12),
        _ => dice.number(13, 50),
    }
}
