//! Seeds that are known to break something and are not mended yet: a list that may only shrink.
//!
//! A line is `SEED INVARIANT`. Such a failure is shown and does not fail the run; any other does, and so does a
//! line whose seed breaks nothing, or something else, so that the list is true at every landing.

use std::collections::BTreeMap;

use skep_sim::Failure;

/// What is known to be open, by seed.
#[derive(Debug, Default)]
pub struct Open(BTreeMap<u64, String>);

impl Open {
    /// Reads a list; an error names the line.
    pub fn parse(text: &str) -> Result<Open, String> {
        let mut open = Open::default();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let parsed =
                line.split_once(' ').and_then(|(seed, what)| Some((seed.parse().ok()?, what.trim())));
            let Some((seed, what)) = parsed else { return Err(format!("no seed and invariant: {line:?}")) };
            open.0.insert(seed, what.to_owned());
        }
        Ok(open)
    }

    /// Returns whether the failure is one of those.
    pub fn knows(&self, failure: &Failure) -> bool {
        self.0.get(&failure.seed).is_some_and(|what| what == failure.broken.invariant)
    }

    /// Returns the lines within `seeds` that none of the failures bears out.
    pub fn outlived(&self, seeds: &std::ops::Range<u64>, failures: &[Failure]) -> Vec<String> {
        let is_borne_out =
            |seed: u64| failures.iter().any(|failure| failure.seed == seed && self.knows(failure));
        let lines = self.0.range(seeds.clone()).filter(|(seed, _)| !is_borne_out(**seed));
        lines
            .map(|(seed, what)| format!("seed {seed} no longer breaks {what}: take it off the list"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_sim::Broken;

    fn failure(seed: u64, invariant: &'static str) -> Failure {
        Failure { seed, at: Default::default(), broken: Broken { invariant, detail: String::new() } }
    }

    #[test]
    fn only_what_is_listed_is_open_and_what_is_mended_must_go() {
        let open = Open::parse("# a comment\n\n7 time_goes_on\n9 time_goes_on\n").expect("a list");
        assert!(open.knows(&failure(7, "time_goes_on")));
        assert!(!open.knows(&failure(7, "nothing_is_late")), "another invariant");
        assert!(!open.knows(&failure(8, "time_goes_on")), "another seed");
        let left = open.outlived(&(0..100), &[failure(7, "time_goes_on")]);
        assert_eq!(left, ["seed 9 no longer breaks time_goes_on: take it off the list"]);
        assert!(open.outlived(&(0..7), &[]).is_empty(), "it was not run");
        assert!(Open::parse("seven time_goes_on").is_err());
    }
}
