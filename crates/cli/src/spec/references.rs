//! Names that the daemon turns into ids: networks, secrets, configs.

use std::collections::BTreeMap;

use skep_api::client::{Client, Filters};
use skep_api::wire::{ConfigReference, EmptyOptions, Named, NetworkAttachmentConfig, SecretReference};

use crate::fault::Fault;
use crate::grammar::FileRef;

/// Replaces a network's name by its id.
pub(crate) async fn resolve_network(
    client: &Client,
    network: &NetworkAttachmentConfig,
) -> Result<NetworkAttachmentConfig, Fault> {
    let id = client.swarm_network(&network.target).await?.id;
    Ok(NetworkAttachmentConfig { target: id, ..network.clone() })
}

/// Finds the ids of secrets.
pub(crate) async fn resolve_secrets(
    client: &Client,
    refs: &[FileRef],
) -> Result<Vec<SecretReference>, Fault> {
    if refs.is_empty() {
        return Ok(Vec::new());
    }
    refuse_duplicates("secret", refs)?;
    let ids = ids(client.secrets(&by_names(refs)).await?);
    let resolve = |one: &FileRef| {
        Ok(SecretReference {
            file: one.file.clone(),
            secret_id: find(&ids, "secret", &one.name)?,
            secret_name: one.name.clone(),
        })
    };
    refs.iter().map(resolve).collect()
}

/// Finds the ids of configs. A reference without a file is for the runtime.
pub(crate) async fn resolve_configs(
    client: &Client,
    refs: &[FileRef],
) -> Result<Vec<ConfigReference>, Fault> {
    if refs.is_empty() {
        return Ok(Vec::new());
    }
    refuse_duplicates("config", refs)?;
    let ids = ids(client.configs(&by_names(refs)).await?);
    let resolve = |one: &FileRef| {
        Ok(ConfigReference {
            file: one.file.clone(),
            runtime: one.file.is_none().then_some(EmptyOptions {}),
            config_id: find(&ids, "config", &one.name)?,
            config_name: one.name.clone(),
        })
    };
    refs.iter().map(resolve).collect()
}

fn refuse_duplicates(kind: &str, refs: &[FileRef]) -> Result<(), Fault> {
    for (index, one) in refs.iter().enumerate() {
        let target = |other: &FileRef| other.file.as_ref().map(|file| file.name.clone());
        if one.file.is_some() && refs[..index].iter().any(|earlier| target(earlier) == target(one)) {
            return Err(Fault::new(format!("duplicate {kind} target for {} not allowed", one.name)));
        }
    }
    Ok(())
}

fn by_names(refs: &[FileRef]) -> Filters {
    let mut filters = Filters::default();
    for one in refs {
        filters.add("name", &one.name);
    }
    filters
}

fn ids(found: Vec<Named>) -> BTreeMap<String, String> {
    found.into_iter().map(|one| (one.spec.name, one.id)).collect()
}

fn find(ids: &BTreeMap<String, String>, kind: &str, name: &str) -> Result<String, Fault> {
    ids.get(name).cloned().ok_or_else(|| Fault::new(format!("{kind} not found: {name}")))
}
