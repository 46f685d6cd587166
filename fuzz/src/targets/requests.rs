//! What clients send.

use skep_api::server::fuzz;

/// A request's body; the first byte says which endpoint's.
pub fn body(input: &[u8]) {
    if let Some((kind, body)) = input.split_first() {
        fuzz::read_body(*kind, body);
    }
}

/// What stands in a request's target: query, filters, versions, instants, credentials.
pub fn query(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        fuzz::read_query(text);
    }
}
