//! Ways in for the targets of `fuzz/`: what a request is made of, read without a daemon behind it. Not part of the
//! crate's own interface.

use axum::extract::Query as Pairs;
use axum::http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use super::events::{instant, unix};
use super::filters::Filters;
use super::logs::Wish;
use super::query::Query;
use super::{registry_auth, swarm};
use crate::convert::{cluster, defaults, node, service};
use crate::wire;
use crate::wire::decode::decode;
use crate::wire::local;

/// Reads a body as one of the endpoints does; which one, `kind` says.
pub fn read_body(kind: u8, body: &[u8]) {
    match kind % 8 {
        0 => service_spec(body),
        1 => drop(read(body).map(node::to_model)),
        2 => drop(read(body).map(cluster::to_model)),
        3 => drop(read::<wire::InitRequest>(body).map(swarm::to_new_swarm)),
        4 => drop(read::<local::ExecConfig>(body)),
        5 => drop(read::<local::ExecStart>(body)),
        6 => drop(read::<local::VolumeCreate>(body)),
        _ => drop(read::<local::AuthConfig>(body)),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    decode(body).ok()
}

/// Clients read a service, change one thing, and send the whole back: whatever is taken once is taken again as it is shown,
/// and means the same.
fn service_spec(body: &[u8]) {
    let Some(mut spec) = read::<wire::ServiceSpec>(body) else { return };
    let Ok(asked) = service::to_model(spec.clone(), None) else { return };
    // It may make no sense as a whole, which is another refusal.
    drop(asked.validate());
    defaults::insert(&mut spec);
    let shown = serde_json::to_vec(&service::spec_to_wire(&asked)).expect("a specification has text keys");
    let again = decode(&shown).expect("what is shown can be read");
    let again = service::to_model(again, None).expect("what is shown can be asked for");
    assert_eq!(again, asked);
}

/// Reads everything that may stand in a request's target, and in its header of credentials.
pub fn read_query(text: &str) {
    drop(Filters::parse(text));
    if let Ok(value) = text.parse() {
        drop(registry_auth::of(&HeaderMap::from_iter([(
            axum::http::HeaderName::from_static("x-registry-auth"),
            value,
        )])));
    }
    let Ok(target) = format!("/x?{text}").parse::<Uri>() else { return };
    let Ok(Pairs(pairs)) = Pairs::try_from_uri(&target) else { return };
    let query = Query(pairs);
    drop((query.loose("force"), query.strict("status"), query.version("service")));
    drop(Wish::from_query(&query));
    drop((instant(query.get("since")), unix(query.get("until"))));
    drop(Filters::from_query(&query, &["label", "name"]));
}
