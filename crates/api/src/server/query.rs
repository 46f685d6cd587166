//! The query string, with Docker's two ways to write a boolean.

use axum::extract::{FromRequestParts, Query as Pairs};
use axum::http::request::Parts;

use super::error::Error;

/// The parameters of a request; unknown ones are nobody's business.
#[derive(Clone, Debug, Default)]
pub struct Query(pub(super) Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let pairs = Pairs::try_from_uri(&parts.uri);
        pairs.map(|Pairs(pairs)| Query(pairs)).map_err(|error| Error::invalid(error.body_text()))
    }
}

impl Query {
    /// Returns the first value, empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns all values of a parameter that may be repeated.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads a boolean where everything that does not say no says yes.
    pub fn loose(&self, name: &str) -> bool {
        !matches!(self.get(name).trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// Reads a boolean of Go's `strconv.ParseBool`; absent is false.
    pub fn strict(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            other => Err(Error::invalid(format!(
                "invalid value for {name}: strconv.ParseBool: parsing {other:?}: invalid syntax"
            ))),
        }
    }

    /// Reads the version that an update was made from; `kind` is for the sentence.
    pub fn version(&self, kind: &str) -> Result<u64, Error> {
        let text = self.get("version");
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| {
            let why = if digits { "value out of range" } else { "invalid syntax" };
            Error::invalid(format!(
                "invalid {kind} version '{text}': strconv.ParseUint: parsing {text:?}: {why}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        let uri = format!("/x?{text}").parse().expect("a target");
        Query(Pairs::try_from_uri(&uri).expect("pairs").0)
    }

    #[test]
    fn reads_both_kinds_of_booleans() {
        for yes in ["a=1", "a=True", "a=yes", "a=2"] {
            assert!(query(yes).loose("a"), "{yes}");
        }
        for no in ["", "a", "a=", "a=0", "a=No", "a=FALSE", "a=none"] {
            assert!(!query(no).loose("a"), "{no}");
        }
        assert_eq!(query("a=True").strict("a"), Ok(true));
        assert_eq!(query("a=F&a=1").strict("a"), Ok(false));
        assert!(query("a=yes").strict("a").is_err());
    }

    #[test]
    fn a_bad_version_is_refused_in_gos_words() {
        assert_eq!(query("version=12").version("service"), Ok(12));
        let refusal = |text: &str| query(text).version("service").expect_err("no version");
        assert_eq!(
            refusal(""),
            Error::invalid("invalid service version '': strconv.ParseUint: parsing \"\": invalid syntax")
        );
        assert_eq!(
            refusal("version=99999999999999999999"),
            Error::invalid(
                "invalid service version '99999999999999999999': strconv.ParseUint: parsing \
                 \"99999999999999999999\": value out of range"
            )
        );
    }
}
