//! One line of the table: what it says, in which unit, and what Skep promises.

/// A measured quantity.
#[derive(Debug)]
pub struct Row {
    pub what: &'static str,
    pub unit: Unit,
    /// Skep's share of dockerd's figure, at most, where one is promised.
    pub ratio: Option<f64>,
    /// Skep's own figure, where one is promised.
    pub own: Option<Bound>,
}

/// A promise about Skep's own figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The median is no more than this.
    AtMost(f64),
    /// The median is no less than this.
    AtLeast(f64),
    /// Zero, in every round.
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Milliseconds,
    Mebibytes,
    PerSecond,
    Count,
}

impl Row {
    /// Returns one figure as text.
    pub fn show(&self, value: f64) -> String {
        self.unit.show(value)
    }

    /// Returns what is promised, as text.
    pub fn target(&self) -> String {
        let own = self.own.map(|own| match own {
            Bound::AtMost(most) => format!("≤ {}", self.show(most)),
            Bound::AtLeast(least) => format!("≥ {}", self.show(least)),
            Bound::Never => "none".to_owned(),
        });
        let ratio = self.ratio.map(|ratio| format!("≤ {ratio:.2} ×"));
        ratio.into_iter().chain(own).collect::<Vec<_>>().join(" and ")
    }

    /// Returns whether Skep keeps its promises; nothing where there is none, or nothing to compare with.
    pub fn is_met(&self, skep: &Spread, dockerd: Option<&Spread>) -> Option<bool> {
        let ratio = match self.ratio {
            Some(most) => Some(skep.median <= most * dockerd?.median),
            None => None,
        };
        let own = self.own.map(|own| match own {
            Bound::AtMost(most) => skep.median <= most,
            Bound::AtLeast(least) => skep.median >= least,
            Bound::Never => skep.most == 0.0,
        });
        match (ratio, own) {
            (None, None) => None,
            (ratio, own) => Some(ratio.unwrap_or(true) && own.unwrap_or(true)),
        }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.2} s"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Mebibytes => format!("{value:.2} MiB"),
            Self::PerSecond => format!("{value:.1}/s"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// The middle and the ends of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { least, median, most })
    }
}

/// Returns the value below which 99 of 100 are.
pub fn percentile_99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * 99).div_ceil(100).saturating_sub(1);
    values.get(rank).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Spread {
        Spread::of(values.to_vec()).unwrap()
    }

    fn row(ratio: Option<f64>, own: Option<Bound>) -> Row {
        Row { what: "x", unit: Unit::Count, ratio, own }
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(spread(&[3.0, 1.0, 9.0]), Spread { least: 1.0, median: 3.0, most: 9.0 });
        assert_eq!(spread(&[4.0, 2.0]).median, 3.0);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn the_99th_percentile_leaves_one_in_a_hundred_out() {
        assert_eq!(percentile_99((1..=200).map(f64::from).collect()), 198.0);
        assert_eq!(percentile_99(vec![7.0]), 7.0);
        assert!(percentile_99(vec![]).is_nan());
    }

    #[test]
    fn every_promise_of_a_row_must_be_kept() {
        let (skep, dockerd) = (spread(&[2.0]), spread(&[10.0]));
        assert_eq!(row(Some(0.2), None).is_met(&skep, Some(&dockerd)), Some(true));
        assert_eq!(row(Some(0.19), None).is_met(&skep, Some(&dockerd)), Some(false));
        let both = row(Some(0.5), Some(Bound::AtMost(1.0)));
        assert_eq!(both.is_met(&skep, Some(&dockerd)), Some(false));
        assert_eq!(both.target(), "≤ 0.50 × and ≤ 1");
        assert_eq!(row(None, Some(Bound::AtLeast(2.0))).is_met(&skep, None), Some(true));
        assert_eq!(row(Some(0.5), None).is_met(&skep, None), None);
        assert_eq!(row(None, None).is_met(&skep, None), None);
    }

    #[test]
    fn what_must_never_happen_is_judged_by_the_worst_round() {
        let never = row(None, Some(Bound::Never));
        assert_eq!(never.is_met(&spread(&[0.0, 0.0, 1.0]), None), Some(false));
        assert_eq!(never.is_met(&spread(&[0.0, 0.0]), None), Some(true));
    }
}
