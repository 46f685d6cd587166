//! Who asks for a change, as far as that is known.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use skep_model::Labels;

/// The label by which a client names whom it acts for.
const ACTOR: &str = "skep.actor";
/// The header by which `skep` does the same where there are no labels.
const ACTOR_HEADER: &str = "x-skep-actor";
/// Longest name that is kept, in bytes.
const LENGTH_MAX: usize = 128;

/// Returns the author for the history: the label `skep.actor`, else the header `X-Skep-Actor`, else the client's
/// name for itself.
pub fn of(labels: Option<&Labels>, headers: &HeaderMap) -> String {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let labelled = labels.and_then(|labels| labels.get(ACTOR)).map(String::as_str);
    let name = labelled.or_else(|| header(ACTOR_HEADER)).or_else(|| header(USER_AGENT.as_str()));
    let name = name.unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(LENGTH_MAX).collect()
}
