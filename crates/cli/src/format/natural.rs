//! The order of names: runs of digits compare by their value, so `web2` comes before `web10`.

use std::cmp::Ordering;

/// Compares two names.
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let ((left, rest_a), (right, rest_b)) = (run(a), run(b));
                let order = compare_runs(left, right);
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) if x != y => return x.cmp(y),
            _ => (a, b) = (&a[1..], &b[1..]),
        }
    }
}

/// By value; of equal values the one with fewer leading zeros comes first.
fn compare_runs(left: &[u8], right: &[u8]) -> Ordering {
    let strip = |run: &[u8]| run.iter().skip_while(|digit| **digit == b'0').copied().collect::<Vec<_>>();
    let (a, b) = (strip(left), strip(right));
    a.len().cmp(&b.len()).then(a.cmp(&b)).then(left.len().cmp(&right.len()))
}

fn run(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}
