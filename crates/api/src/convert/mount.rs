//! Mounts: bind, volume and tmpfs. The other kinds are refused by name.

use skep_model::mount::{BindMount, Mount, MountKind, TmpfsMount, VolumeDriver, VolumeMount, VolumeOptions};

use super::{Unconverted, argument, invalid, refuse_if, unsupported};
use crate::wire;

/// What the kernel does with mounts made later, on either side.
const PROPAGATIONS: [&str; 6] = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// Converts a mount.
pub fn to_model(given: wire::Mount) -> Result<Mount, Unconverted> {
    let kind = match given.kind.to_ascii_lowercase().as_str() {
        "" | "bind" => bind_to_model(&given)?,
        "volume" => volume_to_model(&given)?,
        "tmpfs" => tmpfs_to_model(&given)?,
        known @ ("npipe" | "cluster" | "image") => {
            return Err(unsupported(format_args!("--mount type={known}")));
        }
        _ => return Err(invalid(format!("invalid MountType: {:?}", given.kind))),
    };
    Ok(Mount { target: given.target, read_only: given.read_only, kind, consistency: given.consistency })
}

/// Refuses options of another kind of mount, which would otherwise be lost.
fn refuse_foreign(kind: &str, foreign: [(bool, &str); 5]) -> Result<(), Unconverted> {
    match foreign.iter().find(|(given, _)| *given) {
        Some((_, field)) => Err(argument(format!(
            "invalid mount config for type {kind:?}: field {field} must not be specified"
        ))),
        None => Ok(()),
    }
}

fn bind_to_model(given: &wire::Mount) -> Result<MountKind, Unconverted> {
    refuse_foreign(
        "bind",
        [
            (given.volume_options.is_some(), "VolumeOptions"),
            (given.tmpfs_options.is_some(), "TmpfsOptions"),
            (given.image_options.is_some(), "ImageOptions"),
            (given.cluster_options.is_some(), "ClusterOptions"),
            (false, ""),
        ],
    )?;
    let options = given.bind_options.clone().unwrap_or_default();
    let propagation = match options.propagation.as_str() {
        // Compat: options without a propagation read back as the default one, no options as none.
        "" if given.bind_options.is_some() => PROPAGATIONS[0],
        "" => "",
        word if PROPAGATIONS.contains(&word) => word,
        other => return Err(invalid(format!("invalid MountPropagation: {other:?}"))),
    };
    Ok(MountKind::Bind(BindMount {
        source: given.source.clone(),
        propagation: propagation.to_owned(),
        create_source: options.create_mountpoint,
        non_recursive: options.non_recursive,
        read_only_non_recursive: options.read_only_non_recursive,
        read_only_force_recursive: options.read_only_force_recursive,
    }))
}

fn volume_to_model(given: &wire::Mount) -> Result<MountKind, Unconverted> {
    refuse_foreign(
        "volume",
        [
            (given.bind_options.is_some(), "BindOptions"),
            (given.tmpfs_options.is_some(), "TmpfsOptions"),
            (given.image_options.is_some(), "ImageOptions"),
            (given.cluster_options.is_some(), "ClusterOptions"),
            (false, ""),
        ],
    )?;
    let driver = |given: wire::Driver| VolumeDriver { name: given.name, options: given.options };
    let options = given.volume_options.clone().map(|options| VolumeOptions {
        no_copy: options.no_copy,
        labels: options.labels,
        subpath: options.subpath,
        driver: options.driver_config.map(driver),
    });
    Ok(MountKind::Volume(VolumeMount { source: given.source.clone(), options }))
}

fn tmpfs_to_model(given: &wire::Mount) -> Result<MountKind, Unconverted> {
    refuse_foreign(
        "tmpfs",
        [
            (!given.source.is_empty(), "Source"),
            (given.bind_options.is_some(), "BindOptions"),
            (given.volume_options.is_some(), "VolumeOptions"),
            (given.image_options.is_some(), "ImageOptions"),
            (given.cluster_options.is_some(), "ClusterOptions"),
        ],
    )?;
    let options = given.tmpfs_options.clone().unwrap_or_default();
    refuse_if(!options.options.is_empty(), "TmpfsOptions.Options")?;
    if options.size_bytes < 0 {
        return Err(argument("invalid mount config for type \"tmpfs\": size must not be negative"));
    }
    let mode = (options.mode != 0).then_some(options.mode);
    Ok(MountKind::Tmpfs(TmpfsMount { size_bytes: options.size_bytes, mode }))
}

/// Shows a mount as the client gave it.
pub fn to_wire(mount: &Mount) -> wire::Mount {
    let shown = wire::Mount {
        target: mount.target.clone(),
        read_only: mount.read_only,
        consistency: mount.consistency.clone(),
        ..Default::default()
    };
    match &mount.kind {
        MountKind::Bind(bind) => wire::Mount {
            kind: "bind".to_owned(),
            source: bind.source.clone(),
            bind_options: (!bind.propagation.is_empty()).then(|| wire::BindOptions {
                propagation: bind.propagation.clone(),
                create_mountpoint: bind.create_source,
                non_recursive: bind.non_recursive,
                read_only_non_recursive: bind.read_only_non_recursive,
                read_only_force_recursive: bind.read_only_force_recursive,
            }),
            ..shown
        },
        MountKind::Volume(volume) => wire::Mount {
            kind: "volume".to_owned(),
            source: volume.source.clone(),
            volume_options: volume.options.as_ref().map(|options| wire::VolumeOptions {
                no_copy: options.no_copy,
                labels: options.labels.clone(),
                subpath: options.subpath.clone(),
                driver_config: options.driver.as_ref().map(|driver| wire::Driver {
                    name: driver.name.clone(),
                    options: driver.options.clone(),
                }),
            }),
            ..shown
        },
        MountKind::Tmpfs(tmpfs) => wire::Mount {
            kind: "tmpfs".to_owned(),
            tmpfs_options: (tmpfs.size_bytes != 0 || tmpfs.mode.is_some()).then(|| wire::TmpfsOptions {
                size_bytes: tmpfs.size_bytes,
                mode: tmpfs.mode.unwrap_or(0),
                options: Vec::new(),
            }),
            ..shown
        },
    }
}
