//! Why a task waits, in Swarm's words.

use std::collections::BTreeMap;

use super::filter::Miss;

/// Returns the sentence for the task's error: most frequent reason first.
pub fn sentence(misses: &BTreeMap<Miss, u64>) -> String {
    if misses.is_empty() {
        return "no suitable node".to_owned();
    }
    let mut counted: Vec<_> = misses.iter().collect();
    counted.sort_by_key(|(miss, count)| (std::cmp::Reverse(**count), **miss));
    let reasons: Vec<_> = counted.into_iter().map(|(miss, count)| reason(*miss, *count)).collect();
    format!("no suitable node ({})", reasons.join("; "))
}

fn reason(miss: Miss, count: u64) -> String {
    let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
    match miss {
        Miss::NotAvailable => format!("{nodes} not available for new tasks"),
        Miss::Resources => format!("insufficient resources on {nodes}"),
        Miss::Constraint => format!("scheduling constraints not satisfied on {nodes}"),
        Miss::Platform => format!("unsupported platform on {nodes}"),
        Miss::MaxReplicas => "max replicas per node limit exceed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_count_and_keeps_swarms_words() {
        let misses = BTreeMap::from([(Miss::Constraint, 2), (Miss::Resources, 1), (Miss::MaxReplicas, 3)]);
        assert_eq!(
            sentence(&misses),
            "no suitable node (max replicas per node limit exceed; scheduling constraints not satisfied on 2 \
             nodes; insufficient resources on 1 node)"
        );
        assert_eq!(sentence(&BTreeMap::new()), "no suitable node");
        assert_eq!(
            sentence(&BTreeMap::from([(Miss::NotAvailable, 1)])),
            "no suitable node (1 node not available for new tasks)"
        );
    }
}
