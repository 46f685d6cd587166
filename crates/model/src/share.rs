//! A number of slots, or a part of all of them: how budgets are given.

/// So many slots, or so many of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Slots(u64),
    /// 0 to 100.
    Percent(u64),
}

impl Share {
    /// Reads `3` or `25%`.
    pub fn parse(text: &str) -> Option<Share> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Share::Percent),
            None => text.parse().ok().map(Share::Slots),
        }
    }

    /// Returns whether it comes to nothing, whatever there is.
    pub fn is_none(self) -> bool {
        matches!(self, Share::Slots(0) | Share::Percent(0))
    }

    /// Returns what it comes to of `count` slots, rounded down.
    pub fn floor(self, count: u64) -> u64 {
        match self {
            Share::Slots(slots) => slots,
            Share::Percent(percent) => count.saturating_mul(percent) / 100,
        }
    }

    /// Returns what it comes to of `count` slots, rounded up.
    pub fn ceil(self, count: u64) -> u64 {
        match self {
            Share::Slots(slots) => slots,
            Share::Percent(percent) => count.saturating_mul(percent).div_ceil(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_part_is_rounded_as_its_purpose_asks() {
        let quarter = Share::parse("25%").expect("a part");
        assert_eq!((quarter.floor(10), quarter.ceil(10)), (2, 3));
        assert_eq!((quarter.floor(3), quarter.ceil(3)), (0, 1));
        assert_eq!(Share::parse("4").expect("a number").floor(3), 4);
        assert!(Share::parse("0%").expect("nothing").is_none());
        for bad in ["", "%", "101%", "-1", "2.5", "1 %"] {
            assert_eq!(Share::parse(bad), None, "{bad:?}");
        }
    }
}
