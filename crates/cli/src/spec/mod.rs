//! From flags to a service spec.
//!
//! `flags` are the flags that create and update share; `create` builds a new spec, `update` merges flags into the one
//! the daemon has. Both are pure. What needs the daemon is in `references` (networks, secrets, configs by name) and
//! `image` (the digest of a tag). What a value means is the server's business: every flag is sent faithfully.

mod capability;
mod create;
mod environment;
mod flags;
mod health;
mod image;
mod pace;
mod references;
mod update;

pub(crate) use create::{CreateFlags, build};
pub(crate) use environment::Environment;
pub(crate) use flags::SpecFlags;
pub(crate) use image::{digest_warning, pin, with_tag};
pub(crate) use references::{resolve_configs, resolve_network, resolve_secrets};
pub(crate) use update::{UpdateFlags, apply};

/// Splits `key=value` items into a map; later items win, an item without an equals sign has an empty value.
pub(crate) fn key_values<'a>(
    items: impl IntoIterator<Item = &'a String>,
) -> std::collections::BTreeMap<String, String> {
    let split = |item: &'a String| item.split_once('=').unwrap_or((item, ""));
    items.into_iter().map(split).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
