//! Names for services that were given none: an adjective and a surname, as Docker does.

use crate::random::Random;
use crate::store::Store;

const ADJECTIVES: [&str; 24] = [
    "amber", "brave", "busy", "calm", "clever", "daring", "eager", "fond", "gentle", "golden", "happy",
    "honest", "keen", "lively", "merry", "nimble", "patient", "proud", "quick", "quiet", "steady", "sunny",
    "tidy", "wise",
];

/// People who studied bees, swarms or the agreement of many.
const SURNAMES: [&str; 24] = [
    "bonabeau",
    "butler",
    "dadant",
    "deborah",
    "dijkstra",
    "dorigo",
    "dzierzon",
    "fischer",
    "frisch",
    "gould",
    "huber",
    "janscha",
    "lamport",
    "langstroth",
    "lindauer",
    "liskov",
    "lynch",
    "oki",
    "ongaro",
    "prokopovych",
    "seeley",
    "swammerdam",
    "tarpy",
    "winston",
];

/// Names tried before a number is appended.
const ATTEMPTS: usize = 16;

/// Returns a name that no service has.
pub fn draw(store: &Store, random: &mut Random) -> String {
    let mut pair = || {
        let adjective = ADJECTIVES[random.below(ADJECTIVES.len() as u64) as usize];
        format!("{adjective}_{}", SURNAMES[random.below(SURNAMES.len() as u64) as usize])
    };
    for _ in 0..ATTEMPTS {
        let name = pair();
        if store.service_named(&name).is_none() {
            return name;
        }
    }
    let base = pair();
    (2u64..)
        .map(|number| format!("{base}{number}"))
        .find(|name| store.service_named(name).is_none())
        .expect("there are more numbers than services")
}
