//! Versions of the API, such as `1.50`.

use std::fmt;
use std::str::FromStr;

/// A version of the API. Ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Has been 1 for ever.
    pub major: u16,
    /// Grows with every change of the API.
    pub minor: u16,
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.trim().trim_start_matches('v').split_once('.').ok_or(())?;
        Ok(ApiVersion { major: major.parse().map_err(|_| ())?, minor: minor.parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_text() {
        let old: ApiVersion = "1.9".parse().expect("parses");
        assert!(old < "v1.24".parse().expect("parses"));
        assert!("1".parse::<ApiVersion>().is_err());
    }
}
