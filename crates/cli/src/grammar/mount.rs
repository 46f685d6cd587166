//! Mounts: `type=bind,source=/a,target=/b,readonly`.

use std::collections::BTreeMap;
use std::path::Path;

use skep_api::wire::{BindOptions, Driver, ImageOptions, Mount, TmpfsOptions, VolumeOptions};

use super::number::{boolean, uint_in_base};
use super::size::bytes;
use super::{Invalid, csv, invalid, key_value, refuse};

/// Parses one `--mount`.
pub(crate) fn mount(text: &str) -> Result<Mount, Invalid> {
    let mut mount = Mount { kind: "volume".to_owned(), ..Mount::default() };
    for field in csv::record(text)? {
        match key_value(&field) {
            Some((key, value)) => set(&mut mount, &field, &key.to_lowercase(), value)?,
            None => match field.to_lowercase().as_str() {
                "readonly" | "ro" => mount.read_only = true,
                "volume-nocopy" => volume(&mut mount).no_copy = true,
                "bind-nonrecursive" => bind(&mut mount).non_recursive = true,
                _ => return refuse!("invalid field '{field}' must be a key=value pair"),
            },
        }
    }
    check(&mount)?;
    Ok(mount)
}

fn set(mount: &mut Mount, field: &str, key: &str, value: &str) -> Result<(), Invalid> {
    let truth = || boolean(value).map_err(|_| invalid!("invalid value for {key}: {value}"));
    match key {
        "type" => mount.kind = value.to_lowercase(),
        "source" | "src" => mount.source = source(value),
        "target" | "dst" | "destination" => value.clone_into(&mut mount.target),
        "readonly" | "ro" => mount.read_only = truth()?,
        "consistency" => mount.consistency = value.to_lowercase(),
        "bind-propagation" => bind(mount).propagation = value.to_lowercase(),
        "bind-nonrecursive" => bind(mount).non_recursive = truth()?,
        "bind-recursive" => set_recursive(bind(mount), value)?,
        "volume-subpath" => value.clone_into(&mut volume(mount).subpath),
        "volume-nocopy" => volume(mount).no_copy = truth()?,
        "volume-label" => insert(&mut volume(mount).labels, value),
        "volume-driver" => value.clone_into(&mut driver(mount).name),
        "volume-opt" => insert(&mut driver(mount).options, value),
        "image-subpath" => {
            value.clone_into(&mut mount.image_options.get_or_insert_with(ImageOptions::default).subpath);
        }
        "tmpfs-size" => {
            tmpfs(mount).size_bytes =
                bytes(value).map_err(|_| invalid!("invalid value for {key}: {value}"))?;
        }
        "tmpfs-mode" => {
            let mode =
                uint_in_base(value, 8, 32).map_err(|_| invalid!("invalid value for {key}: {value}"))?;
            tmpfs(mount).mode = mode as u32;
        }
        _ => return refuse!("unexpected key '{key}' in '{field}'"),
    }
    Ok(())
}

fn set_recursive(options: &mut BindOptions, value: &str) -> Result<(), Invalid> {
    match value {
        "enabled" => {}
        "disabled" => options.non_recursive = true,
        "writable" => options.read_only_non_recursive = true,
        "readonly" => options.read_only_force_recursive = true,
        _ => {
            return refuse!(
                r#"invalid value for bind-recursive: {value} (must be "enabled", "disabled", "writable", or "readonly")"#
            );
        }
    }
    Ok(())
}

fn check(mount: &Mount) -> Result<(), Invalid> {
    if mount.kind.is_empty() {
        return refuse!("type is required");
    }
    if mount.target.is_empty() {
        return refuse!("target is required");
    }
    let families = [
        ("volume", mount.volume_options.is_some()),
        ("image", mount.image_options.is_some()),
        ("bind", mount.bind_options.is_some()),
        ("tmpfs", mount.tmpfs_options.is_some()),
    ];
    for (family, used) in families {
        if used && mount.kind != family {
            return refuse!("cannot mix '{family}-*' options with mount type '{}'", mount.kind);
        }
    }
    let Some(bind) = &mount.bind_options else { return Ok(()) };
    let needs = |what: &str, option: &str| {
        refuse!("option 'bind-recursive={option}' requires '{what}' to be specified in conjunction")
    };
    if bind.read_only_non_recursive && !mount.read_only {
        return needs("readonly", "writable");
    }
    if bind.read_only_force_recursive && !mount.read_only {
        return needs("readonly", "readonly");
    }
    if bind.read_only_force_recursive && bind.propagation != "rprivate" {
        return needs("bind-propagation=rprivate", "readonly");
    }
    Ok(())
}

/// Makes a source that begins with a dot absolute: it means a path, and the daemon runs elsewhere.
fn source(text: &str) -> String {
    if !text.starts_with('.') {
        return text.to_owned();
    }
    match std::env::current_dir() {
        Ok(here) => clean(&here.join(text)),
        Err(_) => text.to_owned(),
    }
}

/// Resolves `.` and `..` in an absolute path by its text alone, as Go's `filepath.Abs` does.
fn clean(path: &Path) -> String {
    use std::path::{Component, PathBuf};
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned.to_string_lossy().into_owned()
}

fn bind(mount: &mut Mount) -> &mut BindOptions {
    mount.bind_options.get_or_insert_default()
}

fn tmpfs(mount: &mut Mount) -> &mut TmpfsOptions {
    mount.tmpfs_options.get_or_insert_default()
}

/// Any volume option sends a driver too, as Docker does.
fn volume(mount: &mut Mount) -> &mut VolumeOptions {
    let options = mount.volume_options.get_or_insert_default();
    options.driver_config.get_or_insert_default();
    options
}

fn driver(mount: &mut Mount) -> &mut Driver {
    volume(mount).driver_config.get_or_insert_default()
}

fn insert(map: &mut BTreeMap<String, String>, text: &str) {
    let (key, value) = key_value(text).unwrap_or((text, ""));
    if !key.is_empty() {
        map.insert(key.to_owned(), value.to_owned());
    }
}
