//! A revision: one numbered version of what a service's tasks are made from.
//!
//! It never changes, but for what is noted about it. Tasks name theirs, so a slot keeps its revision until a
//! rollout moves it, and going back means to name an earlier one again. A write that asks for the content of
//! an earlier revision gets a number of its own: the numbers tell what was asked for, in its order; that the
//! content is an old one shows in the hash.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::endpoint::Endpoint;
use crate::{ServiceId, ServiceSpec, TaskSpec, Timestamp};

/// What tasks of one number are made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    pub service_id: ServiceId,
    /// Counts up from 1 within a service; a number is never given twice.
    pub number: u64,
    pub template: Arc<TaskSpec>,
    #[serde(default)]
    pub endpoint: Endpoint,
    /// Short name of the content: equal content has an equal one, also in another service or cluster.
    pub hash: String,
    pub created_at: Timestamp,
    /// Who asked for it, as far as that is known; may be empty.
    #[serde(default)]
    pub author: String,
    /// Why, in the words of the label `skep.reason`; may be empty.
    #[serde(default)]
    pub reason: String,
    /// Since when it is known to work: its rollout completed, or all its first tasks ran. An automatic
    /// rollback goes to the newest of these.
    #[serde(default)]
    pub stable_at: Option<Timestamp>,
    /// When it failed and the service was rolled back from it; until it is known to work after all.
    #[serde(default)]
    pub failed_at: Option<Timestamp>,
}

/// Hexadecimal digits of a hash: 48 bits, enough to tell the revisions of a cluster apart.
const HASH_LENGTH: usize = 12;

/// Returns the name of what tasks of such a service are made from.
///
/// Credentials, and sections that are empty, are no part of it. Configs and secrets are there by what names
/// them in the template.
pub fn hash(spec: &ServiceSpec) -> String {
    let value = |part: Result<Value, serde_json::Error>| part.expect("templates have text keys");
    let mut hasher = Sha256::new();
    let (template, unset) = (spec.task.effective(), TaskSpec::default());
    feed(&mut hasher, &value(serde_json::to_value(&template)), Some(&value(serde_json::to_value(&unset))));
    let (endpoint, unset) = (&spec.endpoint, Endpoint::default());
    feed(&mut hasher, &value(serde_json::to_value(endpoint)), Some(&value(serde_json::to_value(&unset))));
    let digest = hasher.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..HASH_LENGTH].to_owned()
}

/// Feeds a value in a form that says the same whatever the order of the fields in the code, and whichever
/// fields are added to it: by name, and without those that have the value of `unset`.
fn feed(hasher: &mut Sha256, value: &Value, unset: Option<&Value>) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            hasher.update("{");
            for (name, value) in fields {
                let unset = unset.and_then(|unset| unset.get(name));
                if unset != Some(value) {
                    hasher.update(Value::from(name.as_str()).to_string());
                    hasher.update(":");
                    feed(hasher, value, unset);
                    hasher.update(",");
                }
            }
            hasher.update("}");
        }
        Value::Array(items) => {
            hasher.update("[");
            for item in items {
                feed(hasher, item, None);
                hasher.update(",");
            }
            hasher.update("]");
        }
        scalar => hasher.update(scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::hash;
    use crate::ServiceSpec;
    use crate::endpoint::{Endpoint, Port};
    use crate::mount::{Mount, MountKind, TmpfsMount};
    use crate::service::Mode;
    use crate::template::{Dns, GivenEmpty, Limits, RegistryAuth, RestartPolicy, TaskSpec};

    fn spec(change: impl FnOnce(&mut TaskSpec)) -> ServiceSpec {
        let mut task = TaskSpec::default();
        task.container.image = "redis:6".into();
        task.container.env = vec!["A=1".into(), "B=2".into()];
        task.container.stop_grace = Some(Duration::from_secs(3));
        change(&mut task);
        ServiceSpec { name: "web".into(), task: task.into(), ..ServiceSpec::default() }
    }

    /// The hash is written down with each revision: another encoding would give old content a new name.
    #[test]
    fn a_hash_is_the_same_in_every_release() {
        assert_eq!(hash(&spec(|_| {})), "602204f21233");
    }

    #[test]
    fn what_means_nothing_to_a_task_is_no_part_of_the_hash() {
        let known = hash(&spec(|_| {}));
        assert_eq!(known, hash(&spec(|task| task.registry_auth = Some(RegistryAuth("secret".into())))));
        assert_eq!(known, hash(&spec(|task| task.restart = Some(RestartPolicy::default()))));
        assert_eq!(known, hash(&spec(|task| task.resources.limits = Some(Limits::default()))));
        assert_eq!(known, hash(&spec(|task| task.container.dns = Some(Dns::default()))));
        let given_empty = GivenEmpty { resources: true, placement: true };
        assert_eq!(known, hash(&spec(|task| task.given_empty = given_empty)));
        let mut scaled = ServiceSpec { mode: Mode::Replicated { replicas: 7 }, ..spec(|_| {}) };
        scaled.labels.insert("colour".into(), "red".into());
        assert_eq!(known, hash(&scaled));
    }

    #[test]
    fn mounts_are_the_same_in_any_order() {
        let mount = |target: &str| Mount {
            target: target.into(),
            read_only: false,
            kind: MountKind::Tmpfs(TmpfsMount::default()),
            consistency: String::new(),
        };
        let with = |targets: [&str; 2]| spec(|task| task.container.mounts = targets.map(mount).into());
        let (one, other) = (with(["/t", "/data"]), with(["/data", "/t"]));
        assert_eq!(hash(&one), hash(&other));
        assert!(one.task.runs_the_same(&other.task));
        assert_ne!(hash(&one), hash(&with(["/data", "/u"])));
    }

    #[test]
    fn content_that_differs_has_another_hash() {
        let mut hashes = vec![
            hash(&spec(|_| {})),
            hash(&spec(|task| task.container.image = "redis:7".into())),
            hash(&spec(|task| task.container.env = vec!["A=1B=2".into()])),
            hash(&spec(|task| task.container.env.reverse())),
            hash(&spec(|task| task.container.init = Some(false))),
            hash(&spec(|task| task.container.stop_grace = None)),
            hash(&spec(|task| task.force_update = 1)),
            hash(
                &spec(|_| {}).with_endpoint(Endpoint { ports: vec![Port::default()], ..Endpoint::default() }),
            ),
        ];
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count, "{hashes:?}");
    }
}
