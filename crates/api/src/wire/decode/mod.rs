//! Decodes request bodies as Go's `encoding/json` does, because clients rely on it.
//!
//! Keys of a struct match without regard to case, `null` equals absent, unknown keys are skipped, of a repeated key
//! the last counts. Keys of free-form maps (labels, options, sysctls) are data and stay as they are: the type of the
//! target tells one from the other, so there is no list of names to keep. Errors are Go's sentences with the path.
//!
//! What a value *means* is judged in `convert`. Next: `tree`, the parsed body.

mod lenient;
mod tree;

use serde::de::DeserializeOwned;

use lenient::Lenient;
pub use lenient::Mismatch;
use tree::Json;

/// Why a body is not what the endpoint wants. The text is the one that clients see.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("invalid JSON: got EOF while reading request body")]
    Empty,
    #[error("unexpected content after JSON")]
    Trailing,
    // The source is part of the sentence here: clients get one line and print it.
    #[error("invalid JSON: {0}")]
    Syntax(String),
    #[error("invalid JSON: {0}")]
    Mismatch(Mismatch),
}

/// Decodes a whole body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    if body.trim_ascii().is_empty() {
        return Err(DecodeError::Empty);
    }
    T::deserialize(Lenient(Json::parse(body)?)).map_err(DecodeError::Mismatch)
}

/// Decodes a body where none at all stands for the empty object.
pub fn decode_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, DecodeError> {
    if body.trim_ascii().is_empty() { Ok(T::default()) } else { decode(body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ServiceSpec, SwarmSpec};

    fn spec(text: &str) -> ServiceSpec {
        decode(text.as_bytes()).expect("a service specification")
    }

    fn refusal(text: &str) -> String {
        decode::<ServiceSpec>(text.as_bytes()).expect_err("not a specification").to_string()
    }

    #[test]
    fn takes_the_body_of_docker_py() {
        let spec = spec(
            r#"{"Name":"r","TaskTemplate":{"ContainerSpec":{"Image":"redis"},"Networks":null},
                "Mode":{"replicated":{"Replicas":2}},"Labels":null,
                "EndpointSpec":{"Ports":[{"Protocol":"tcp","PublishedPort":80,"TargetPort":80}]}}"#,
        );
        assert_eq!(spec.mode.replicated.and_then(|mode| mode.replicas), Some(2));
        assert_eq!(spec.task_template.container_spec.map(|container| container.image), Some("redis".into()));
        assert_eq!(spec.endpoint_spec.map(|endpoint| endpoint.ports[0].published_port), Some(80));
        assert!(spec.labels.is_empty());
    }

    #[test]
    fn keys_of_free_form_maps_are_data() {
        let spec = spec(r#"{"LABELS":{"Name":"a","name":"b","NAME":null},"tasktemplate":{"forceupdate":3}}"#);
        let labels: Vec<(&str, &str)> =
            spec.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(labels, [("NAME", ""), ("Name", "a"), ("name", "b")]);
        assert_eq!(spec.task_template.force_update, 3);
    }

    #[test]
    fn the_last_of_repeated_keys_counts_and_unknown_ones_do_not() {
        let spec = spec(r#"{"name":"a","Name":"b","Nom":{"deep":[1,{"x":null}]},"UpdateConfig":null}"#);
        assert_eq!(spec.name, "b");
        assert_eq!(spec.update_config, None);
    }

    #[test]
    fn null_stands_for_absent_at_every_depth() {
        let nulls = r#"{"Name":null,"TaskTemplate":{"ContainerSpec":{"Image":null,"Env":[null,"A=1"],
            "StopGracePeriod":null,"Mounts":[null],"Init":null},"ForceUpdate":null},"Mode":null}"#;
        let container = spec(nulls).task_template.container_spec.expect("a container");
        assert_eq!(container.env, ["", "A=1"]);
        assert_eq!(container.mounts.len(), 1);
        assert_eq!((container.init, container.stop_grace_period), (None, None));
        assert_eq!(spec("null"), ServiceSpec::default());
    }

    #[test]
    fn errors_are_gos() {
        assert_eq!(refusal("  "), "invalid JSON: got EOF while reading request body");
        assert_eq!(refusal("{} {}"), "unexpected content after JSON");
        assert_eq!(
            refusal(r#"{"TaskTemplate":{"ForceUpdate":"3"}}"#),
            "invalid JSON: json: cannot unmarshal string into Go struct field \
             ServiceSpec.TaskTemplate.ForceUpdate of type uint64"
        );
        assert_eq!(
            refusal(r#"{"TaskTemplate":{"ForceUpdate":-1}}"#),
            "invalid JSON: json: cannot unmarshal number -1 into Go struct field \
             ServiceSpec.TaskTemplate.ForceUpdate of type uint64"
        );
        assert_eq!(
            refusal(r#"{"Labels":["a"]}"#),
            "invalid JSON: json: cannot unmarshal array into Go struct field ServiceSpec.Labels of type map"
        );
        assert_eq!(
            refusal("[]"),
            "invalid JSON: json: cannot unmarshal array into Go value of type ServiceSpec"
        );
        assert!(refusal("{\"Name\":").starts_with("invalid JSON: "));
        assert!(decode::<SwarmSpec>(b"{\"Raft\":{\"ElectionTick\":1.5}}").is_err());
    }

    #[test]
    fn bounds_depth_and_size() {
        let deep = "[".repeat(100_000);
        assert!(refusal(&deep).starts_with("invalid JSON: "));
        let wide = format!("[{}0]", "0,".repeat(tree::VALUES_MAX));
        assert!(refusal(&wide).contains("more than"));
    }
}
